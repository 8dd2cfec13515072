"""A Prefect server for the tests that run flows, and workspaces for them."""

import os
import warnings
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

import pytest

from tests.support import archive, stages
from tests.support.shared import made_once
from tests.support.toy import REPOSITORY, Workspace
from tests.support.workspace import Workspace as Archive
from tests.support.workspace import prefect_server

CODE = {"PYTHONPATH": str(REPOSITORY)}


@pytest.fixture(autouse=True)
def environment() -> Iterator[None]:
    """Brings back the variables that a command sets in this process: a PREFECT_HOME may go with its test's folder."""
    with mock.patch.dict(os.environ):
        yield


@pytest.fixture(scope="session")
def prefect_environment() -> Iterator[dict[str, str]]:
    """The variables with which a command talks to a server of the test session's own."""
    with prefect_server() as environment:
        yield environment | CODE


@pytest.fixture(scope="session")
def project(tmp_path_factory: pytest.TempPathFactory) -> Archive:
    """The project's files under git and DVC, without images; tests work on copies of it."""
    return Archive(made_once(tmp_path_factory, "project", Archive.make))


@pytest.fixture(scope="session")
def made_toy(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """The toy with all stages up to date, committed; made without a server, for tests that need none."""
    return Workspace(made_once(tmp_path_factory, "toy", _make_toy), CODE)


def _make_toy(folder: Path) -> None:
    workspace = Workspace.make(folder, CODE)
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings(action="ignore"):
        patch.setenv("PYTHONPATH", str(REPOSITORY))
        stages.run_flow(workspace.folder)
    workspace.commit("first run")
    workspace.ran()


@pytest.fixture
def here(made_toy: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """A copy of the finished toy as the working directory of this process, which brings its stages up to date."""
    workspace = made_toy.copy(tmp_path / "workspace")
    monkeypatch.chdir(workspace.folder)
    monkeypatch.setenv("PYTHONPATH", str(REPOSITORY))
    return workspace


@pytest.fixture(scope="session")
def finished_toy(made_toy: Workspace, prefect_environment: dict[str, str]) -> Workspace:
    """The finished toy, whose commands talk to the server of the test session; tests work on copies of it."""
    return Workspace(made_toy.folder, prefect_environment)


@pytest.fixture
def toy(finished_toy: Workspace, tmp_path: Path) -> Workspace:
    """A copy of the finished toy, to be changed at will by the project's commands."""
    return finished_toy.copy(tmp_path / "workspace")


@pytest.fixture(scope="session")
def sample(tmp_path_factory: pytest.TempPathFactory, prefect_environment: dict[str, str]) -> Archive:
    """The real pipeline after its first run on a small sample archive; tests work on copies of it."""
    environment = {name: value for name, value in prefect_environment.items() if name != "PYTHONPATH"}
    folder = made_once(tmp_path_factory, "sample", lambda folder: archive.make(folder, environment))
    return Archive(folder, environment)
