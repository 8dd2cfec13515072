"""Makes the places of measurements and tests: a fresh folder with the project's files under git and DVC; a Prefect
server.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from flows.processes import servers
from flows.workspace.checks import shipped_settings

ROOT = Path(__file__).parents[2]
READ = ("data/reference/README.md", "data/audits/README.md", "data/decisions.csv", "models/weights/README.md")
PARTS = ("cbir", "tasks", "flows", "presets", "dvc.yaml", ".gitignore", ".dvcignore", *READ)
BIN = Path(sys.executable).parent


def take_settings() -> None:
    """Writes the settings and the graph that ship into the working directory, not those of this clone's own archive."""
    shutil.copy(ROOT / "dvc.yaml", "dvc.yaml")
    Path("params.yaml").write_text(shipped_settings(), encoding="utf-8")


class Workspace:
    """The folder, and the commands of the project run in it as a user would run them."""

    def __init__(self, folder: Path, environment: dict[str, str] | None = None) -> None:
        self.folder = folder
        path = f"{BIN}{os.pathsep}{os.environ['PATH']}"
        compiled = {"PYTHONDONTWRITEBYTECODE": ""}  # code is compiled once, as on a user's machine
        self.environment = {**os.environ, **compiled, "PATH": path, **(environment or {})}

    @classmethod
    def make(cls, folder: Path, environment: dict[str, str] | None = None) -> "Workspace":
        """Copy the project's files to ``folder``, which must not be there yet; nothing is brought in, nothing ran."""
        for part in PARTS:
            (folder / part).parent.mkdir(parents=True, exist_ok=True)
            if (ROOT / part).is_dir():
                shutil.copytree(ROOT / part, folder / part)  # compiled as it is
            else:
                shutil.copy(ROOT / part, folder / part)
        (folder / "params.yaml").write_text(shipped_settings(), encoding="utf-8")
        workspace = cls(folder, environment)
        workspace.command("git", "init", "--quiet")
        workspace.command("dvc", "init", "--quiet")
        for name in ("config", "plots.html"):
            shutil.copy(ROOT / ".dvc" / name, folder / ".dvc" / name)
        workspace.commit("the project")
        return workspace

    def command(self, *words: str | Path, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run a command in the folder.

        Raises:
            RuntimeError: it failed and ``check`` is set; the message holds what it printed.
        """
        done = subprocess.run(
            [str(word) for word in words], cwd=self.folder, env=self.environment, capture_output=True, text=True
        )
        if check and done.returncode:
            raise RuntimeError(f"{' '.join(map(str, words))} failed:\n{done.stdout}\n{done.stderr}")
        return done

    def run(self, *settings: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """`cbir run` with settings of the form section.key=value."""
        options = [word for setting in settings for word in ("--set", setting)]
        return self.command("cbir", "run", *options, check=check)

    def commit(self, message: str) -> None:
        """Commit everything that git does not ignore."""
        self.command("git", "add", "--all")
        self.command("git", "-c", "user.name=cbir", "-c", "user.email=cbir@localhost", "commit", "-qm", message)

    def metrics(self) -> dict[str, Any]:
        """reports/metrics.json."""
        return json.loads((self.folder / "reports/metrics.json").read_text(encoding="utf-8"))


@contextmanager
def prefect_server() -> Iterator[dict[str, str]]:
    """A Prefect server with a history of its own, and the variables with which a command finds it and its programs."""
    with tempfile.TemporaryDirectory() as home:
        environment = {
            "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}",
            "PREFECT_HOME": home,
            "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        }
        described = servers.prefect_server(servers.choose_port("Prefect", None, preferred=0), Path(home, "server.log"))
        server = replace(described, environment=described.environment | environment)
        with servers.started(server) as running:
            list(servers.ready([running]))
            yield environment | {"PREFECT_API_URL": server.environment["PREFECT_API_URL"]}
