import sys
import time
from pathlib import Path

import psutil
import pytest

from flows.processes.programs import Finished, run_limited


def _python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


def test_a_program_reads_what_it_is_given_and_its_outputs_are_told(tmp_path: Path) -> None:
    code = "import os, sys; print(sys.stdin.read() + os.environ['MORE'] + os.getcwd()); sys.exit('étrange')"
    done = run_limited(_python(code), timeout=60, given="été ", folder=tmp_path, environment={"MORE": "more "})
    assert done == Finished(1, f"été more {tmp_path}\n", "étrange\n")


def test_a_program_that_reads_nothing_is_no_trouble() -> None:
    assert run_limited(["true"], timeout=60, given="x" * 10_000_000).code == 0


@pytest.mark.heavy
def test_one_that_hangs_is_killed_with_all_that_it_started(tmp_path: Path) -> None:
    child = "import subprocess; subprocess.Popen(['sleep', '612.5'], start_new_session={})"
    code = f"{child.format(False)}; {child.format(True)}; open('started', 'w').close(); import time; time.sleep(600)"
    started = time.monotonic()
    with pytest.raises(TimeoutError, match=r"it took longer than 5 s"):
        run_limited(_python(code), timeout=5, folder=tmp_path)
    assert (tmp_path / "started").exists()
    assert time.monotonic() - started < 30
    assert not [
        process for process in psutil.process_iter(["cmdline"]) if process.info["cmdline"] == ["sleep", "612.5"]
    ]


def test_what_it_leaves_in_the_background_holds_nobody_up() -> None:
    started = time.monotonic()
    assert run_limited(["sh", "-c", "sleep 20 & echo made"], timeout=60).output == "made\n"
    assert time.monotonic() - started < 15
