"""A workspace of four quick stages on the real harness, and the commands that the tests run in it."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]

PARAMS = """
paths: {raw: data/raw, landing: data/landing, reference: r, translations: tr, weights: w, manifest: m, groundtruth: g,
        training: t, encoder: e,
        embeddings: em, index: i, neighbours: n, matches: ma, groups: gr, audits: au, decisions: de, metadata: me,
        reports: reports, store: .store}
first: {factor: 2, seconds: 0.0}   # a comment that stays
second: {factor: 3, seconds: 0.0}
third: {factor: 5, seconds: 0.0}
fourth: {factor: 7, seconds: 0.0}
tracking: {uri: "", ui: ""}
"""

GRAPH = """
stages:
  first:
    cmd: python -m toy.first
    params: [first]
    deps: ["${paths.raw}", toy/first.py]
    outs: [out/first.txt]
  second:
    cmd: python -m toy.second
    params: [second]
    deps: [out/first.txt, toy/second.py]
    outs: [out/second]
  third:
    cmd: python -m toy.third
    params: [third]
    deps: [out/second, toy/third.py]
    metrics: [out/metrics.json]
  fourth:
    cmd: python -m toy.fourth
    params: [fourth]
    deps: [out/first.txt, toy/fourth.py]
    outs: [out/fourth.txt]
"""

STAGE = """
import json
import time
from pathlib import Path
from tasks.harness.stage import main


def {name}(paths, *, factor: int, seconds: float) -> None:
    with open("ran.log", "a") as log:
        log.write("{name}\\n")
    value = sum(len(p.read_bytes()) for p in sorted(Path("{input}").rglob("*")) + [Path("{input}")] if p.is_file())
    Path("out").mkdir(exist_ok=True)
    half = Path("out/half-{name}")
    half.write_text("half")
    time.sleep(seconds)
    edit = Path("edit-{name}.json")
    if edit.exists():
        file, old, new = json.loads(edit.read_text())
        edit.unlink()
        Path(file).write_text(Path(file).read_text().replace(old, new, 1))
    half.unlink()
    output = Path("{output}")
    output.parent.mkdir(exist_ok=True)
    if "{name}" == "second":
        output.mkdir()
        for number in range(3):
            (output / f"{{number}}.txt").write_text("x" * factor * (value + number))
    elif "{name}" == "third":
        output.write_text('{{"value": %d}}' % (factor * value))
    else:
        output.write_text("x" * factor * value)


if __name__ == "__main__":
    main({name})
"""

FILES = {
    "first": ("data/raw", "out/first.txt"),
    "second": ("out/first.txt", "out/second"),
    "third": ("out/second", "out/metrics.json"),
    "fourth": ("out/first.txt", "out/fourth.txt"),
}


class Workspace:
    """A folder with git and DVC in it, and what was run there."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self.folder = folder
        self.environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "", **environment}  # compiled once

    @classmethod
    def make(cls, folder: Path, environment: dict[str, str]) -> "Workspace":
        """Write the toy and its archive of one accession; nothing has run yet."""
        (folder / "data/raw/one").mkdir(parents=True)
        (folder / "data/raw/one/a.txt").write_text("abc")
        (folder / "toy").mkdir()
        for name, (needs, makes) in FILES.items():
            (folder / f"toy/{name}.py").write_text(STAGE.format(name=name, input=needs, output=makes))
        (folder / "params.yaml").write_text(PARAMS)
        (folder / "dvc.yaml").write_text(GRAPH)
        (folder / ".gitignore").write_text("ran.log\n.prefect/\n__pycache__/\n.store/\n")
        workspace = cls(folder, environment)
        workspace.command("git", "init", "-q")
        workspace.dvc("init", "-q")
        workspace.dvc("add", "-q", "data/raw/one")
        workspace.commit("toy")
        return workspace

    def copy(self, folder: Path) -> "Workspace":
        """The same workspace elsewhere, with its cache and its history."""
        shutil.copytree(self.folder, folder, symlinks=True)
        return Workspace(folder, self.environment)

    def command(self, *words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run a command in the workspace; its failure fails the test."""
        done = subprocess.run(words, cwd=self.folder, env=self.environment, capture_output=True, text=True, timeout=240)
        if check and done.returncode:
            raise AssertionError(f"{' '.join(words)} failed:\n{done.stdout}\n{done.stderr}")
        return done

    def start(self, *words: str) -> subprocess.Popen[str]:
        """Start a command in a process group of its own."""
        return subprocess.Popen(
            words, cwd=self.folder, env=self.environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            start_new_session=True,
        )  # fmt: skip

    @property
    def flow_words(self) -> list[str]:
        return ["cbir", "run"]

    def flow(self, *options: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        return self.command(*self.flow_words, *options, check=check)

    def dvc(self, *words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        return self.command(sys.executable, "-m", "dvc", *words, check=check)

    def is_clean(self) -> bool:
        """Whether `dvc status` finds nothing to do."""
        return self.dvc("status", "--quiet", check=False).returncode == 0

    def commit(self, message: str) -> None:
        self.command("git", "add", "-A")
        self.command("git", "-c", "user.name=t", "-c", "user.email=t@t", "commit", "-q", "-m", message)

    def replace(self, file: str, old: str, new: str) -> None:
        path = self.folder / file
        text = path.read_text()
        assert old in text, f"{old!r} is not in {file}"
        path.write_text(text.replace(old, new, 1))

    def ran(self) -> list[str]:
        """The stages that ran since the last call, in their order."""
        log = self.folder / "ran.log"
        names = log.read_text().split() if log.exists() else []
        log.unlink(missing_ok=True)
        return names
