"""Puts the files of a workspace, which lie at the top of the repository, into the package when it is built."""

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

TEMPLATE = Path("flows/template")
FILES = (
    "params.yaml",
    "dvc.yaml",
    "prefect.yaml",
    "presets",
    ".gitignore",
    ".gitattributes",
    ".dvcignore",
    ".dvc/plots.html",
    ".vscode/extensions.json",
    "data/audits/README.md",
    "data/decisions.csv",
    "data/reference/README.md",
    "models/weights/README.md",
)  # flows/workspace/home.py looks for them here


class WithTemplate(build_py):
    """Builds as setuptools does; an editable installation reads the files where they are."""

    def run(self) -> None:
        super().run()
        if self.editable_mode:
            return
        for name in FILES:
            target = Path(self.build_lib, TEMPLATE, name)
            target.parent.mkdir(parents=True, exist_ok=True)
            if Path(name).is_dir():
                shutil.copytree(name, target, dirs_exist_ok=True)
            else:
                shutil.copy(name, target)


setup(cmdclass={"build_py": WithTemplate})
