"""Versions runs: commits what a run changed, and nothing else, and pushes the data to DVC's remote.

DVC's own ``core.autostage`` does not serve: it stages lines that a person wrote into a .gitignore, fails the run while
another process holds git's index, and stages neither a removal nor what a killed process had written. See
docs/upstream.md, DVC: autostage.
"""

import glob
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from dvc.config import NoRemoteError

from cbir.base.errors import UserError, in_short
from flows.processes.programs import run_limited
from flows.repository.opening import open_repository
from flows.workspace.graph import archive_graph
from flows.workspace.settings import present, with_values
from tasks.harness.settings import GRAPH, HERE, PARAMS, dependencies, load_paths, read_yaml

LOCK = "dvc.lock"
IGNORED = ".gitignore"
OWN = ("groundtruth.accessions",)  # what runs themselves set in params.yaml
PATIENCE = 120.0  # seconds for git, with the hooks that it runs

_NAMED = 5  # files that a sentence names
_MARKS = {"MERGE_HEAD": "merge", "CHERRY_PICK_HEAD": "cherry-pick", "REVERT_HEAD": "revert", "rebase-*": "rebase"}


@dataclass(frozen=True)
class Commit:
    """A run's commit: its hash, or a sentence why there is none; neither where nothing had changed."""

    hash: str = ""
    reason: str = ""


class _NoCommitError(Exception):
    """Git would not; the message is a sentence."""


def edited(root: Path = HERE, *, own: Sequence[str] = OWN) -> list[str]:
    """Names inputs of the stages that differ from the last commit: a checkout elsewhere would give other results.

    These are params.yaml, dvc.yaml, and the code and the reference files that dvc.yaml names, where DVC does not follow
    them. ``own`` names the values of params.yaml (``section.key``, or a section) that runs set, which are nobody's
    edits. Ask before a run sets them.
    """
    try:
        return _edited(root, own)
    except (_NoCommitError, UserError):
        return []  # `commit` says why


def commit(message: str, *, root: Path = HERE, edits: Sequence[str] = (), own: Sequence[str] = OWN) -> Commit:
    """Commits what runs write: dvc.lock, params.yaml, .dvc files, and the .gitignore files that DVC alone changed; and
    people's decisions, which come between runs and are nobody's edit.

    All other edits, staged or not, stay as they are. With ``edits``, which `edited` named when the run began, there is
    no commit. Nothing is raised: a run does not fail for want of a commit.
    """
    try:
        _require_branch(root)
        if others := sorted({*edits, *_edited(root, own)}):
            raise _NoCommitError(
                "not committed, because a checkout would not be up to date without what is edited in "
                f"{in_short(others, most=_NAMED)}; commit that first"
            )
        decisions = glob.escape(str(load_paths(read_yaml(root / PARAMS)).decisions))
        written = [LOCK, str(PARAMS), decisions, "**/*.dvc", f"**/{IGNORED}", *_graph_as_written(root)]
        changes = [(state, path) for state, path in _changes(root, written) if _is_ours(path, root)]
        return Commit(hash=_commit(root, message, changes) if changes else "")
    except (_NoCommitError, UserError) as error:
        return Commit(reason=str(error))


def commit_all(root: Path, message: str) -> Commit:
    """Commits a folder that was just made, but for what its .gitignore leaves out."""
    try:
        _git(root, "add", "--", ".")
        _git(root, *_identity(root), "commit", "--quiet", f"--message={message}", "--", ".")
        return Commit(hash=_git(root, "rev-parse", "HEAD").strip())
    except _NoCommitError as error:
        return Commit(reason=str(error))


def awaits_first_commit(root: Path = HERE) -> bool:
    """Returns whether git has the workspace, and no results of a run in its last commit."""
    try:
        _require_branch(root)
    except _NoCommitError:
        return False
    return (root / LOCK).exists() and not _committed(LOCK, root)


def push(root: Path = HERE) -> str:
    """Pushes the workspace's data to DVC's default remote; a sentence where that failed, empty where it did not."""
    try:
        with open_repository(root) as repo:
            repo.push()
    except NoRemoteError:
        return "not pushed, because DVC has no default remote; name one with `dvc remote add -d NAME URL`"
    except Exception as error:  # a remote's library may raise anything, and no run is to fail for it
        reason = " ".join(str(error).split()) or type(error).__name__
        return f"not all was pushed to DVC's remote: {reason}; the next run tries again"
    return ""


def _edited(root: Path, own: Sequence[str]) -> list[str]:
    sources = _changes(root, _sources(root))
    changed = [path for _, path in sources if not path.endswith((".dvc", IGNORED, *_graph_as_written(root)))]
    return [path for path in changed if path != str(PARAMS) or not _differs_only_in(own, root)]


def _graph_as_written(root: Path) -> list[str]:
    """Names dvc.yaml where it is as the program writes it for an archive, and so no person's edit."""
    graph = root / GRAPH
    return [str(GRAPH)] if graph.exists() and graph.read_text(encoding="utf-8") == archive_graph() else []


def _require_branch(root: Path) -> None:
    """Sees whether this is a moment at which git takes a commit."""
    folder = Path(_git(root, "rev-parse", "--absolute-git-dir").strip())
    for mark, what in _MARKS.items():
        if any(folder.glob(mark)):
            raise _NoCommitError(f"not committed, because a {what} is under way in git; end it first")
    if not _git(root, "branch", "--show-current").strip():
        raise _NoCommitError("not committed, because no branch is checked out (HEAD is detached); check one out first")


def _sources(root: Path) -> list[str]:
    """Patterns of params.yaml, dvc.yaml, and the deps in it, but for accessions and checkpoints, which DVC has, and
    decisions, which every commit takes along.
    """
    paths = load_paths(read_yaml(root / PARAMS))
    named = {path for name in read_yaml(root / GRAPH)["stages"] for path in dependencies(name, root)[1]}
    named = {path for path in named - {paths.raw, paths.weights, paths.decisions} if not path.is_absolute()}
    patterns = [glob.escape(str(path)) + ("/**" if (root / path).is_dir() else "") for path in named]
    return [str(PARAMS), str(GRAPH), *sorted(patterns)]


def _is_ours(path: str, root: Path) -> bool:
    """Returns whether DVC alone changed a .gitignore: each new line names a path that DVC follows, no lost one does."""
    file = root / path
    if file.name != IGNORED:
        return True
    stages = read_yaml(root / LOCK).get("stages", {}) if (root / LOCK).exists() else {}
    followed = {Path(out["path"]) for described in stages.values() for out in described.get("outs", [])}
    now = set(file.read_text(encoding="utf-8").splitlines()) if file.exists() else set()
    before = set(_committed(path, root).splitlines())
    for line in now ^ before:
        named = Path(path).parent / line.removeprefix("/")
        is_followed = named in followed or (root / f"{named}.dvc").exists()
        if not line.startswith("/") or is_followed != (line in now):
            return False
    return True


def _differs_only_in(own: Sequence[str], root: Path) -> bool:
    """Returns whether params.yaml is as the last commit has it, but for the values that runs set."""
    params = read_yaml(root / PARAMS)
    names = [name for name in own if "." in name]
    names += [f"{section}.{key}" for section in own if "." not in section for key in params.get(section, {})]
    try:
        text = with_values(_committed(str(PARAMS), root), {name: present(name, params) for name in names})[0]
    except (UserError, TypeError):  # a value that the committed file does not have, or no such file
        return False
    return text == (root / PARAMS).read_text(encoding="utf-8")


def _committed(path: str, root: Path) -> str:
    """Reads a file's text in the last commit; empty where it is not in there."""
    try:
        return _git(root, "show", f"HEAD:./{path}")
    except _NoCommitError:
        return ""


def _changes(root: Path, patterns: Sequence[str]) -> list[tuple[str, str]]:
    """Lists what differs from the last commit or is new to git: its two letters of state, and its path there."""
    prefix = _git(root, "rev-parse", "--show-prefix").strip()
    specs = [f":(glob){pattern}" for pattern in patterns]
    listed = _git(root, "status", "--porcelain", "-z", "--untracked-files=all", "--no-renames", "--", *specs)
    return [(entry[:2], entry[3:].removeprefix(prefix)) for entry in listed.split("\0") if entry]


def _commit(root: Path, message: str, changes: Sequence[tuple[str, str]]) -> str:
    """Commits these files as they are on disk, and nothing else that git's index holds; returns the commit's hash."""
    if new := [f":(literal){path}" for state, path in changes if state == "??"]:
        _git(root, "add", "--intent-to-add", "--", *new)
    paths = [f":(literal){path}" for _, path in changes]
    _git(root, *_identity(root), "commit", "--quiet", f"--message={message}", "--only", "--", *paths)
    return _git(root, "rev-parse", "HEAD").strip()


def _identity(root: Path) -> list[str]:
    """Options that name an author where none is configured: a service's user seldom has one."""
    try:
        _git(root, "-c", "user.useConfigOnly=true", "var", "GIT_COMMITTER_IDENT")
    except _NoCommitError:
        return ["-c", "user.name=cbir", "-c", "user.email=cbir@localhost"]
    return []


def _git(root: Path, *words: str) -> str:
    """Runs git and return what it prints; it asks nobody anything and takes no lock that it can do without."""
    quiet = {"LC_ALL": "C", "GIT_TERMINAL_PROMPT": "0", "GIT_EDITOR": "true", "GIT_OPTIONAL_LOCKS": "0"}
    try:
        done = run_limited(["git", *words], timeout=PATIENCE, folder=root, environment=quiet)
    except FileNotFoundError as error:
        raise _NoCommitError("not committed, because git is not installed") from error
    except (OSError, TimeoutError) as error:
        raise _NoCommitError(f"not committed: git did not answer ({error})") from error
    if done.code:
        answer = " ".join((done.errors or done.output).split()) or f"exit code {done.code}"
        raise _NoCommitError(f"not committed: git says {answer}")
    return done.output
