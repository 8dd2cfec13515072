"""Knows where the program's own files lie, those that a workspace begins with among them, and which program it is."""

from importlib.metadata import version
from pathlib import Path

HOME = Path(__file__).parents[2]  # the folder that cbir, tasks and flows lie in
_BUILT = HOME / "flows/template"  # setup.py puts it there
TEMPLATE = _BUILT if _BUILT.is_dir() else HOME  # a clone has these files at its top


def program() -> str:
    """Returns the name and the version of this program, such as ``cbir 0.2.0``."""
    return f"cbir {version('cbir')}"
