"""Schedules and a work pool on a real Prefect server: what it tells of the runs that they start."""

import json
import shutil
import subprocess
import time
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.support.archive import assign, brought_in, copy, encoder, is_clean, land
from tests.support.workspace import ROOT, Workspace, prefect_server

pytestmark = [pytest.mark.heavy, pytest.mark.timeout(1200)]


class Server:
    """A Prefect server of the test's own, and a workspace whose commands talk to it."""

    def __init__(self, workspace: Workspace, url: str) -> None:
        self.workspace = workspace
        self._url = url

    def ask(self, path: str, **body: Any) -> list[dict[str, Any]]:
        """Returns the flow runs of a filter, the oldest first."""
        runs: list[dict[str, Any]] = []
        while True:
            page = json.dumps({**body, "limit": 200, "offset": len(runs)}).encode()
            headers = {"Content-Type": "application/json"}
            request = urllib.request.Request(f"{self._url}/{path}/filter", page, headers)
            with urllib.request.urlopen(request, timeout=60) as answer:
                batch = json.load(answer)
            runs += batch
            if not batch:
                return sorted(runs, key=lambda run: run["start_time"] or run["created"])

    def refreshes(self) -> list[dict[str, Any]]:
        """The states of the refreshes that have begun."""
        runs = self.ask("flow_runs", flows={"name": {"any_": ["refresh"]}})
        return [run["state"] for run in runs if run["start_time"]]

    def named(self, flow: str, state: str) -> list[dict[str, Any]]:
        """The runs of a flow that are in this state."""
        runs = self.ask("flow_runs", flows={"name": {"any_": [flow]}})
        return [run for run in runs if run["state"]["name"] == state]

    def ended(self, words: str) -> list[dict[str, Any]]:
        """Those that completed with these words."""
        return [run for run in self.refreshes() if run["type"] == "COMPLETED" and words in (run["message"] or "")]

    def stages_run(self) -> Counter[str]:
        """How often each stage ran under Prefect; what was up to date is not counted."""
        return Counter(run["name"] for run in self.ask("task_runs") if run["state"]["name"] == "Completed")


@pytest.fixture
def server(sample: Workspace, tmp_path: Path) -> Iterator[Server]:
    workspace = copy(sample, tmp_path / "workspace")
    with prefect_server() as environment:
        workspace.environment = {**workspace.environment, **environment}
        yield Server(workspace, environment["PREFECT_API_URL"])


@contextmanager
def _started(workspace: Workspace, *commands: str) -> Iterator[None]:
    """Processes that are ended by TERM, as a service is."""
    with ExitStack() as stack:
        processes = []
        for number, command in enumerate(commands):
            log = stack.enter_context((workspace.folder.parent / f"{number}.log").open("w"))
            processes.append(
                subprocess.Popen(
                    command.split(), cwd=workspace.folder, env=workspace.environment, stdout=log, stderr=log,
                    start_new_session=True,
                )
            )  # fmt: skip
        try:
            yield
            assert [process.poll() for process in processes] == [None] * len(processes)
        finally:
            for process in processes:
                process.terminate()
            codes = [process.wait(60) for process in processes]
    assert codes == [0] * len(codes)


def _wait(condition: Callable[[], object], seconds: float = 240) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it took too long"
        time.sleep(0.2)


def test_what_lands_is_brought_in_once_by_two_servers_while_others_run_the_stages_too(server: Server) -> None:
    workspace = server.workspace
    assign(workspace, "schedule.refresh='15'", "schedule.retrain=''")
    before = encoder(workspace)
    with _started(workspace, "cbir serve", "cbir serve"):
        _wait(lambda: server.ended("nothing landed"))
        hashes = land(workspace)
        _wait(lambda: not list((workspace.folder / "data/landing").rglob("*.jpg")))
        others = [
            subprocess.Popen(
                words, cwd=workspace.folder, env=workspace.environment, text=True,
                stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            )
            for words in (["cbir", "run"], ["dvc", "repro"])
        ]  # fmt: skip
        run, repro = ((other.communicate(timeout=300)[0], other.returncode) for other in others)
        assert run[1] == 0, run[0]
        assert repro[1] == 0 or "busy" in repro[0] or "Unable to acquire lock" in repro[0], repro[0]
        said = run[0] + repro[0]
        _wait(lambda: server.ended("3 new images"))
        count = len(server.ended("nothing landed"))
        _wait(lambda: len(server.ended("nothing landed")) > count)
        states = server.refreshes()
        assert not {state["type"] for state in states} & {"FAILED", "CRASHED", "CANCELLED"}, states
        assert len(server.ended("3 new images")) == 1
        stages = server.stages_run()
    for stage in ("clean", "embed", "index", "group"):
        assert stages[stage] + said.count(f"Running stage '{stage}'") == 1, (stages, said)
    assert stages["train"] == 0
    assert "nothing landed" in workspace.command("cbir", "refresh").stdout
    assert brought_in(workspace) == hashes
    assert encoder(workspace) == before
    assert is_clean(workspace)


def test_prefect_yaml_deploys_to_a_work_pool_whose_worker_runs_a_refresh(server: Server) -> None:
    workspace = server.workspace
    shutil.copy(ROOT / "prefect.yaml", workspace.folder)
    workspace.environment["CBIR_WORKSPACE"] = str(workspace.folder)
    land(workspace)
    for command in (
        "work-pool create --type process archive",
        "--no-prompt deploy --all --pool archive",
        "deployment run refresh/cbir",
    ):
        workspace.command("prefect", *command.split())
    with _started(workspace, "prefect worker start --pool archive"):
        _wait(lambda: server.ended("3 new images"))  # one that its schedule starts meanwhile is skipped
        workspace.command("prefect", "deployment", "run", "run/cbir", "--param", 'settings=["index.kk=9"]')
        _wait(lambda: server.named("run", "Refused"))
        workspace.command("prefect", "deployment", "run", "run/cbir", "--param", 'settings=["index.k=9"]')
        _wait(lambda: server.named("run", "Completed"))
    (refused,) = server.named("run", "Refused")
    assert refused["name"].startswith("run 20")
    assert refused["state"]["message"] == "params.yaml has no index.kk; did you mean index.k?"
    assert "k: 9 " in (workspace.folder / "params.yaml").read_text()
    assert {state["type"] for state in server.refreshes()} == {"COMPLETED"}, server.refreshes()
    assert is_clean(workspace)
