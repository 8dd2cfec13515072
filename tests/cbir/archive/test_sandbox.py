import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from cbir.archive.sandbox import Isolated, Lost, more_time, run_isolated


def act(item: int | str) -> int | str:
    if item == "crash":
        os.kill(os.getpid(), signal.SIGSEGV)
    if item == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if item == "exit":
        os._exit(3)
    if item == "hang":
        time.sleep(600)
    if item == "hoard":
        return len(bytearray(psutil.virtual_memory().total * 9 // 10))  # never touched, so that it costs nothing
    if item == "parts":
        for _ in range(4):
            more_time()
            time.sleep(2)
    if item == "defect":
        raise ZeroDivisionError("a defect")
    return item


@pytest.mark.heavy
def test_an_item_that_crashes_hangs_or_is_killed_costs_itself_only() -> None:
    items = [1, "crash", 2, "hang", 3, "kill", 4, "exit", "hoard", 5]
    started = time.monotonic()
    results = {outcome.item: outcome.result for outcome in run_isolated(act, items, timeout=5, workers=2)}
    assert time.monotonic() - started < 60
    assert results == {
        1: 1,
        2: 2,
        3: 3,
        4: 4,
        5: 5,
        "crash": Lost("it crashed the decoder (signal 11)"),
        "hang": Lost("it took longer than 5 seconds and was given up"),
        "kill": Lost("its worker process was killed from outside, perhaps for want of memory", killed=True),
        "exit": Lost("it crashed the decoder (exit code 3)"),
        "hoard": Lost("it needs more memory than this machine gives to one process"),
    }


@pytest.mark.heavy
def test_the_time_limit_counts_for_each_part_of_an_item() -> None:
    results = {outcome.item: outcome.result for outcome in run_isolated(act, ["parts"], timeout=5, workers=1)}
    assert results == {"parts": "parts"}


def test_what_the_function_raises_is_a_defect_and_is_raised_here() -> None:
    with pytest.raises(ZeroDivisionError, match="a defect"):
        list(run_isolated(act, ["defect"], timeout=30, workers=1))


def spend(item: int) -> int:
    """Takes processor time without end, all memory, or nothing."""
    while item == 1:
        pass
    return len(bytearray(2_000_000_000)) if item == 2 else item


def test_a_worker_that_stays_loses_a_call_that_takes_too_much_and_answers_the_next() -> None:
    isolated = Isolated(seconds=1, memory=500_000_000)
    assert [isolated.run(spend, item) for item in (5, 1, 6, 2, 7)] == [
        5,
        Lost("it took longer than 1 seconds and was given up"),
        6,
        Lost("it needs more memory than this machine gives to one process"),
        7,
    ]
    with pytest.raises(ZeroDivisionError):
        isolated.run(act, "defect")


def test_a_relative_path_means_the_same_in_a_worker_that_was_started_in_another_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    isolated = Isolated(seconds=30, memory=500_000_000)
    for name in ("old", "new"):
        (tmp_path / name).mkdir()
        monkeypatch.chdir(tmp_path / name)
        assert isolated.run(os.path.abspath, "file") == str(tmp_path / name / "file")


def fail_to_start() -> None:
    raise OSError("no library")


def test_workers_that_cannot_start_are_not_taken_for_bad_items() -> None:
    with pytest.raises(RuntimeError, match="do not start"):
        list(run_isolated(act, [1], timeout=30, workers=1, prepare=fail_to_start))


def test_workers_end_with_the_process_that_started_them(tmp_path: Path) -> None:
    script = tmp_path / "parent.py"
    script.write_text(
        "from cbir.archive.sandbox import run_isolated\n"
        "from test_sandbox import act\n"
        "if __name__ == '__main__':\n"
        "    for outcome in run_isolated(act, [1, 'hang'], timeout=600, workers=1):\n"
        "        print(outcome.item, flush=True)\n"
    )
    here = Path(__file__).parent
    environment = {**os.environ, "PYTHONPATH": f"{here.parents[2]}{os.pathsep}{here}"}
    with subprocess.Popen([sys.executable, script], stdout=subprocess.PIPE, env=environment) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == b"1\n"
        children = psutil.Process(parent.pid).children(recursive=True)
        parent.kill()
    assert children
    _, alive = psutil.wait_procs(children, timeout=20)
    assert alive == []
