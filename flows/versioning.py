"""The versions of unattended runs: what a run changed, committed to git by itself, and its data pushed by DVC."""

import subprocess
from collections.abc import Sequence
from pathlib import Path

from dvc.exceptions import DvcException

from flows.repository import open_repository
from tasks.settings import GRAPH, PARAMS, dependencies, load_paths, read_yaml

LOCK = Path("dvc.lock")
IDENTITY = ("-c", "user.name=cbir", "-c", "user.email=cbir@localhost")
BUSY = ("MERGE_HEAD", "CHERRY_PICK_HEAD", "REVERT_HEAD", "rebase-merge", "rebase-apply")


class _GitError(Exception):
    """Git refused; the message is its last line."""


def edited(root: Path) -> list[str]:
    """Files that decide what the stages do (settings, graph, code) and differ from the commit that is checked out.

    To be asked before a run changes any itself.
    """
    graph = read_yaml(root / GRAPH)["stages"]
    code = {
        str(path)
        for stage in graph
        for path in dependencies(stage, root)[1]
        if path.suffix in (".py", ".css", ".html", ".js")
    }
    try:
        return _git(root, "diff", "--name-only", "HEAD", "--", str(PARAMS), str(GRAPH), *sorted(code)).splitlines()
    except _GitError:
        return []


def commit_run(root: Path, message: str, *, edited_before: Sequence[str]) -> str:
    """Commit dvc.lock, params.yaml, and DVC's files beside the data, and nothing else.

    Other edits stay as they are, staged ones staged. With settings or code that were edited before the run, nothing is
    committed: the commit would not be up to date on another machine without those, and they are not the run's own.

    Returns:
        One sentence: the commit, or why there is none.
    """
    if edited_before:
        some = ", ".join(edited_before[:3]) + (" …" if len(edited_before) > 3 else "")
        return f"not committed: {some} has edits of yours; commit or undo them"
    try:
        folder = root / _git(root, "rev-parse", "--git-dir")
        if any((folder / name).exists() for name in BUSY):
            return "not committed: a merge or rebase is under way; end it"
        files = [str(path.relative_to(root)) for path in _own_files(root)]
        _git(root, "add", "--", *files)
        if not _git(root, "status", "--porcelain", "--", *files):
            return "nothing to commit"
        identity = () if _has_identity(root) else IDENTITY
        _git(root, *identity, "commit", "--quiet", "--only", "--message", message, "--", *files)
        return f"committed as {_git(root, 'rev-parse', '--short', 'HEAD')}"
    except _GitError as error:
        return f"not committed: {error}"


def push_data(root: Path) -> str:
    """Push what DVC has to its default remote; one sentence: how much, or why not."""
    try:
        with open_repository(root) as repo:
            count = repo.push()
    except DvcException as error:
        return f"not pushed: {' '.join(str(error).split())}; `dvc remote add -d NAME ADDRESS` names a remote"
    except Exception as error:  # what the clients of remote stores raise is theirs, and the run has succeeded
        return f"not pushed: {type(error).__name__}: {' '.join(str(error).split())}"
    return f"pushed {count} files to the DVC remote"


def _own_files(root: Path) -> list[Path]:
    """What a run may have changed, as far as it is there."""
    paths = load_paths(read_yaml(root / PARAMS))
    found = [root / LOCK, root / PARAMS]
    for folder in (paths.raw, paths.reference, paths.weights):
        found += sorted((root / folder).glob("*.dvc"))
    made = {path.parent for path in found} | {
        root / paths.reports,
        root / paths.manifest.parent,
        root / paths.encoder.parent,
    }
    found += [folder / ".gitignore" for folder in sorted(made) if folder.is_relative_to(root)]
    return [path for path in found if path.is_file()]


def _has_identity(root: Path) -> bool:
    try:
        return bool(_git(root, "config", "user.email")) and bool(_git(root, "config", "user.name"))
    except _GitError:
        return False


def _git(root: Path, *words: str) -> str:
    try:
        done = subprocess.run(["git", *words], cwd=root, capture_output=True, text=True, check=True)
    except FileNotFoundError as error:
        raise _GitError("git is not installed") from error
    except subprocess.CalledProcessError as error:
        lines = (error.stderr or error.stdout).strip().splitlines() or [f"exit code {error.returncode}"]
        raise _GitError(f"git says: {lines[-1]}") from error
    return done.stdout.rstrip()
