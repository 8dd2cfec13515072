"""flows.processes.start and flows.processes.starter: forks that are as if each had been started by itself."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from flows.processes import start as processes
from flows.processes.start import Process, load_ahead, start
from flows.processes.starter import libraries
from tests.support.toy import REPOSITORY

PATIENCE = 60  # seconds
GRAPH = """
stages:
  work: {cmd: python -m work.work, deps: [data, work/work.py, work/more.py]}
  other: {cmd: python -m work.other --x 1, deps: [work/more.py, work/other.py]}
  slow: {cmd: python -m work.slow, deps: [work/slow.py]}
"""
TELL = """
import json, os, sys
import tasks
found = {"arguments": sys.argv[1:], "folder": os.getcwd(), "path": sys.path[0], "name": __name__,
         "spec": __spec__.name, "tasks": os.path.dirname(tasks.__file__), "group": os.getpgid(0) == os.getpid(),
         "variables": [os.environ.get(name) for name in ("CBIR_TRACKING", "MARK", "LEFT")],
         "parent": os.environ["CBIR_PARENT"] == str(os.getppid())}
with os.fdopen(int(os.environ["CBIR_LOG_FD"]), "w") as log:
    json.dump({**found, "loaded": "colorsys" in sys.modules}, log)
sys.exit(7)
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A workspace, the working directory; what a test starts ends with it."""
    (tmp_path / "dvc.yaml").write_text(GRAPH)
    (tmp_path / "params.yaml").write_text("train: {backbone: colorsys/none}")
    _package(tmp_path / "work", "more", "other", "slow", "work")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(REPOSITORY))
    monkeypatch.setattr(processes, "_starters", [])
    yield tmp_path
    processes.end_starter()


def _package(folder: Path, *modules: str) -> None:
    folder.mkdir()
    for name in ("__init__", *modules):
        (folder / f"{name}.py").touch()


def _start(*words: str, folder: Path) -> tuple[Process, int]:
    """A process and the reading end of its log."""
    read, write = os.pipe()
    process = start([sys.executable, "-m", *words], str(folder), write)
    os.close(write)
    return process, read


def _told(*words: str, folder: Path) -> tuple[dict[str, Any], int]:
    """What a process tells of itself, and its exit code."""
    process, read = _start(*words, folder=folder)
    with os.fdopen(read) as log:
        text = log.read()
    return json.loads(text), process.wait()


def _told_with_libraries(*words: str, folder: Path) -> tuple[dict[str, Any], int]:
    """The same, of a process that is started when all has been loaded: between two libraries others may start."""
    while True:
        found, code = _told(*words, folder=folder)
        if found["loaded"]:
            return found, code


def _wait(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


def test_the_libraries_are_those_that_the_code_imports_when_it_begins(folder: Path) -> None:
    (folder / "work/work.py").write_text(
        "import email.message as m, wave\nfrom json.decoder import X\n"
        "from tasks.harness.stage import main\nimport cbir.files\n"
        "if True:\n    import asyncio\ndef work():\n    import torch\n"
    )
    (folder / "work/more.py").write_text("from . import work\nimport wave\n")
    (folder / "work/other.py").write_text("import chunk")
    (folder / "work/slow.py").write_text("import torch, wave\nfrom torch import nn")
    assert libraries(but=["work"]) == {"work.other": ["wave", "chunk"], "work.slow": ["torch", "wave", "colorsys"]}
    assert libraries(but=["slow", "other"]) == {"work.work": ["email.message", "wave", "json.decoder"]}


def test_a_fork_is_as_a_process_that_was_started_by_itself(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "work/work.py").write_text(TELL)
    (folder / "work/more.py").write_text("import colorsys")
    monkeypatch.setenv("LEFT", "is taken away again")
    alone, code = _told("work.work", "a", "b c", folder=folder)
    load_ahead(folder, but=["slow"])
    monkeypatch.delenv("LEFT")
    monkeypatch.setenv("MARK", "set later")
    fork, forks_code = _told_with_libraries("work.work", "a", "b c", folder=folder)
    assert (code, forks_code) == (7, 7)
    assert alone["variables"] == ["later", None, "is taken away again"]
    assert fork["variables"] == ["later", "set later", None]
    alone["variables"] = fork["variables"]
    assert alone["loaded"] is False
    assert fork == {**alone, "loaded": True}
    assert (fork["spec"], fork["name"], fork["group"], fork["parent"]) == ("work.work", "__main__", True, True)


def test_a_fork_runs_the_code_as_it_is_when_it_starts_and_of_its_own_folder(folder: Path) -> None:
    """Also the packages of this project, of which the starter itself uses some."""
    (folder / "work/work.py").write_text("raise SystemExit(3)")
    load_ahead(folder, but=[])
    first, _ = _start("work.work", folder=folder)
    assert first.wait() == 3
    (folder / "work/work.py").write_text("import work.new")
    (folder / "work/new.py").write_text("raise SystemExit(4)")
    second, _ = _start("work.work", folder=folder)
    assert second.wait() == 4
    elsewhere = folder / "elsewhere"
    elsewhere.mkdir()
    _package(elsewhere / "work")
    _package(elsewhere / "tasks")
    (elsewhere / "work/work.py").write_text(TELL)
    found, _ = _told("work.work", folder=elsewhere)
    assert (found["folder"], found["path"], found["tasks"]) == (*[str(elsewhere)] * 2, str(elsewhere / "tasks"))


def test_what_a_stage_has_to_do_at_its_end_is_done(folder: Path) -> None:
    (folder / "work/work.py").write_text(
        "import atexit, sys, threading, time\natexit.register(lambda: open('atexit', 'w').close())\n"
        "threading.Thread(target=lambda: (time.sleep(0.3), open('thread', 'w').close())).start()\n"
        "sys.exit(5)"
    )
    load_ahead(folder, but=[])
    process, _ = _start("work.work", folder=folder)
    assert process.wait() == 5
    assert (folder / "atexit").exists()
    assert (folder / "thread").exists()


def test_forks_run_side_by_side_and_a_signal_reaches_the_one(folder: Path) -> None:
    (folder / "work/work.py").write_text("import time\ntime.sleep(600)")
    (folder / "work/other.py").write_text("import sys\nsys.exit(0)")
    load_ahead(folder, but=[])
    long, _ = _start("work.work", folder=folder)
    short, log = _start("work.other", folder=folder)
    assert os.read(log, 1) == b""  # nobody else has it open
    assert short.wait() == 0
    assert psutil.pid_exists(long.pid)
    os.kill(long.pid, signal.SIGTERM)
    assert long.wait() == -signal.SIGTERM


def test_when_the_starter_was_killed_its_forks_end_and_the_next_process_starts_by_itself(folder: Path) -> None:
    text = "from tasks.harness.stage import die_with_parent\ndie_with_parent()\n"
    (folder / "work/work.py").write_text(text + "import time\nprint(1, flush=True)\ntime.sleep(600)")
    (folder / "work/other.py").write_text("import os\nassert os.getppid() == int(os.environ['CBIR_PARENT'])")
    load_ahead(folder, but=[])
    fork, _ = _start("work.work", folder=folder)
    (starter,) = [one for one in psutil.Process().children() if "flows.processes.starter" in one.cmdline()]
    starter.kill()
    assert fork.wait() == -signal.SIGKILL
    _wait(lambda: not psutil.pid_exists(fork.pid))
    alone, _ = _start("work.other", folder=folder)
    assert alone.wait() == 0
    assert isinstance(alone, subprocess.Popen)


def test_the_starter_ends_with_the_process_that_started_it(folder: Path) -> None:
    script = "import sys, time\nfrom pathlib import Path\nfrom flows.processes.start import load_ahead\n"
    script += "load_ahead(Path(), but=[])\nprint(flush=True)\ntime.sleep(600)"
    flow = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE)
    assert flow.stdout
    with flow.stdout:
        flow.stdout.readline()
        (starter,) = psutil.Process(flow.pid).children()
        flow.kill()
        flow.wait()
    _wait(lambda: not starter.is_running())


def test_what_is_wrong_with_the_workspace_is_for_the_run_to_say(folder: Path) -> None:
    (folder / "dvc.yaml").write_text("stages: [")
    (folder / "work/work.py").write_text("raise SystemExit(3)")
    load_ahead(folder, but=["no such stage"])
    process, _ = _start("work.work", folder=folder)
    assert process.wait() == 3


def test_while_pytorch_loads_stages_that_need_none_are_started_and_told_of(folder: Path) -> None:
    loading = "import os, time\nwhile not os.path.exists('go'): time.sleep(0.01)\nopen('loaded', 'w').close()"
    (folder / "torch.py").write_text(loading)
    (folder / "work/work.py").write_text("raise SystemExit(3)")
    (folder / "work/slow.py").write_text("import torch\n" + TELL)
    load_ahead(folder, but=[])
    for _ in range(5):
        quick, _ = _start("work.work", folder=folder)
        assert quick.wait() == 3
    assert not (folder / "loaded").exists()
    threading.Timer(0.5, (folder / "go").touch).start()
    found, code = _told_with_libraries("work.slow", folder=folder)
    assert (folder / "loaded").exists()
    assert (found["parent"], found["loaded"], code) == (True, True, 7)
    (starter,) = [one for one in psutil.Process().children() if "flows.processes.starter" in one.cmdline()]
    (second,) = starter.children()
    second.kill()
    while _told("work.slow", folder=folder)[0]["loaded"]:  # it may not have got as far as to be dead
        time.sleep(0.05)


def test_pytorch_is_loaded_before_a_stage_asks_for_it(folder: Path) -> None:
    (folder / "torch.py").write_text("open('loaded', 'w').close()")
    (folder / "work/slow.py").write_text("import torch")
    load_ahead(folder, but=["work", "other"])
    _wait((folder / "loaded").exists)


def test_a_library_that_cannot_be_loaded_is_for_the_stage_to_say(folder: Path) -> None:
    (folder / "work/broken.py").write_text("raise RuntimeError('broken')")
    (folder / "work/more.py").write_text("import work.broken, colorsys")
    (folder / "work/work.py").write_text(TELL)
    load_ahead(folder, but=[])
    assert _told_with_libraries("work.work", folder=folder)[1] == 7
