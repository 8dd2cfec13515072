"""A Prefect server for the tests that run flows, and workspaces for them."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import archive
from tests.support.toy import REPOSITORY, Workspace
from tests.support.workspace import Workspace as Archive
from tests.support.workspace import prefect_server


@pytest.fixture(scope="session")
def prefect_environment() -> Iterator[dict[str, str]]:
    """The variables with which a command talks to a server of the test session's own."""
    with prefect_server() as environment:
        yield {**environment, "PYTHONPATH": str(REPOSITORY)}


@pytest.fixture(scope="session")
def finished_toy(tmp_path_factory: pytest.TempPathFactory, prefect_environment: dict[str, str]) -> Workspace:
    """The toy after its first flow run, committed; tests work on copies of it."""
    workspace = Workspace.make(tmp_path_factory.mktemp("toy") / "workspace", prefect_environment)
    workspace.flow()
    workspace.commit("first run")
    workspace.ran()
    return workspace


@pytest.fixture
def toy(finished_toy: Workspace, tmp_path: Path) -> Workspace:
    """A copy of the finished toy, to be changed at will."""
    return finished_toy.copy(tmp_path / "workspace")


@pytest.fixture(scope="session")
def sample(tmp_path_factory: pytest.TempPathFactory, prefect_environment: dict[str, str]) -> Archive:
    """The real pipeline after its first run on a small sample archive; tests work on copies of it."""
    return archive.make(tmp_path_factory.mktemp("sample") / "workspace", prefect_environment)
