"""Stage match: starts without PyTorch, which takes seconds; tests/cbir/matching hold what it computes."""

import subprocess
import sys


def test_the_stage_starts_without_the_libraries_that_learn() -> None:
    program = "import sys, tasks.match; print([name for name in ('torch', 'kornia', 'sklearn') if name in sys.modules])"
    answer = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "[]"
