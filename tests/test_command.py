"""cbir_command: the command runs its own code, whatever else on Python's path has the same name."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[1]


@pytest.mark.parametrize("name", ["tasks", "flows", "cbir"])
@pytest.mark.parametrize("kind", ["module", "package", "folder"])
def test_another_module_or_folder_of_the_same_name_is_no_matter(name: str, kind: str, tmp_path: Path) -> None:
    if kind == "module":
        (tmp_path / f"{name}.py").write_text("raise SystemExit('the wrong one')")
    else:
        (tmp_path / name).mkdir()
        if kind == "package":
            (tmp_path / name / "__init__.py").write_text("raise SystemExit('the wrong one')")
    program = (
        "import os, sys; sys.argv = ['cbir', 'presets']; from cbir_command import main; import atexit; "
        "child = [sys.executable, '-P', '-c', 'import cbir.base, flows.processes, tasks.harness']; "
        "atexit.register(lambda: os.execv(child[0], child)); main()"  # what a command starts has its environment
    )
    done = subprocess.run(
        [sys.executable, "-P", "-c", program],
        cwd=REPOSITORY,
        env={**os.environ, "PYTHONPATH": f"{tmp_path}{os.pathsep}{REPOSITORY}"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert "press" in done.stdout
