"""Starts `cbir`, whatever else on Python's path is called cbir, tasks or flows."""

import os
import sys
from pathlib import Path


def main() -> None:
    """Runs the command line with its folder first on the path, also of what it starts.

    That is the folder of the clone that PYTHONPATH names, or else the one that this file lies in.
    """
    folders = [*sys.path, str(Path(__file__).parent)]
    sys.path.insert(0, next(folder for folder in folders if Path(folder, "flows/cli.py").is_file()))
    if others := os.environ.get("PYTHONPATH"):
        os.environ["PYTHONPATH"] = os.pathsep.join([sys.path[0], others])
    from flows.cli import main as run

    run()
