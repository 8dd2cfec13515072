"""Opens a workspace for DVC, also one that is not the working directory, and removes what a killed process left there.

The names used here that DVC does not document are why pyproject.toml pins its version.
"""

import io
import json
import logging
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import psutil
from dvc import rwlock as table_of_locks
from dvc.lock import LockError, make_lock
from dvc.repo import Repo
from dvc.rwlock import RWLOCK_FILE, RWLOCK_LOCK, rwlock
from dvc.scm import SCMError
from dvc.stage import PipelineStage, create_stage
from dvc.stage.cache import StageCache, _get_cache_hash
from dvc.stage.loader import StageLoader
from dvc.stage.serialize import to_single_stage_lockfile
from dvc.utils.serialize import _common, _yaml

from cbir.base.errors import UserError
from cbir.base.files import writing
from tasks.harness.settings import GRAPH

Result = TypeVar("Result")

log = logging.getLogger("flows")


def open_repository(root: Path) -> Repo:
    """Opens the workspace, to be used in a ``with``; waits for the lock of another process.

    Raises:
        UserError: DVC looks for git, as it does unless told otherwise, and there is none.
    """
    try:
        repo = Repo(str(root), _wait_for_lock=True)
    except SCMError as error:
        raise UserError(
            f"{error}, in which DVC works: run `git init` there, or `dvc config core.no_scm true` to keep no versions"
        ) from error
    _drop_stale_locks(repo)
    repo.stage_cache = _RunCache(repo)
    return repo


@contextmanager
def undisturbed(path: Path, root: Path) -> Iterator[None]:
    """Keeps stages that read or write below a path from running, in any process; waits for those that run."""
    with open_repository(root) as repo, ExitStack() as held:
        lock = partial(rwlock, repo.tmp_dir, repo.fs, "cbir refresh", [], [str(path.absolute())], False)
        patiently(lambda: held.enter_context(lock()), log.log)
        yield


def patiently(work: Callable[[], Result], tell: Callable[[int, str], None]) -> Result:
    """Does work that needs DVC's locks as soon as no other process holds them; says once what it waits for."""
    silent = True
    while True:
        try:
            return work()
        except LockError as error:
            if silent:
                words = " ".join(str(error).split()).partition(" If there are no")[0]  # without advice to remove files
                tell(logging.INFO, f"waiting: {words}")
                silent = False
            time.sleep(1)


class _RunCache(StageCache):
    """DVC's run cache for a workspace in any place; DVC's own takes the working directory for the workspace.

    See docs/upstream.md, DVC: run cache outside the working directory.
    """

    def _create_stage(self, cache: dict[str, Any], wdir: str | None = None) -> PipelineStage:
        path = str(Path(self.repo.root_dir) / GRAPH)
        outs = [out["path"] for out in cache["outs"]]
        stage = create_stage(PipelineStage, repo=self.repo, path=path, cmd=cache["cmd"], wdir=wdir, outs=outs)
        StageLoader.fill_from_lock(stage, cache)
        return stage


def key_of(stage: PipelineStage) -> str:
    """Hashes the inputs of a stage: the same for the same command, params and contents of files, in any workspace."""
    return str(_get_cache_hash(to_single_stage_lockfile(stage), key=True))


def _drop_stale_locks(repo: Repo) -> None:
    """Removes entries of killed processes from DVC's table of read and write locks if DVC would keep them.

    DVC takes a later process with the same number for the owner; a process that began after the table was last written
    owns nothing in it. See docs/upstream.md, DVC: lock of a reused process number.
    """
    table = Path(repo.tmp_dir) / RWLOCK_FILE
    with make_lock(str(table.with_name(RWLOCK_LOCK)), tmp_dir=repo.tmp_dir):
        try:
            written = table.stat().st_mtime
            locks = json.loads(table.read_text(encoding="utf-8"))
        except (FileNotFoundError, ValueError):
            return
        owners = [info for infos in locks.get("read", {}).values() for info in infos]
        owners += list(locks.get("write", {}).values())
        if owners and not any(_owns(int(info["pid"]), written) for info in owners):
            table.unlink()


def _owns(pid: int, written: float) -> bool:
    try:
        return psutil.Process(pid).create_time() <= written + 1
    except psutil.NoSuchProcess:
        return False


class _WholeFiles:
    """A file system for the table that writes files whole or not at all and hides damaged ones."""

    def __init__(self, fs: Any) -> None:
        self._fs = fs

    def join(self, *parts: str) -> str:
        return str(self._fs.join(*parts))

    @contextmanager
    def open(self, path: str, mode: str = "r", **options: Any) -> Iterator[Any]:
        if mode == "r":
            with self._fs.open(path, mode, **options) as file:
                text = file.read()
            try:
                json.loads(text)
            except ValueError as error:
                raise FileNotFoundError(path) from error
            yield io.StringIO(text)
        else:
            with writing(Path(path)) as temporary, temporary.open(mode, **options) as file:
                yield file


def _dump_whole(path: str, data: Any, dumper: Callable[..., None], fs: Any = None, **options: Any) -> None:
    with writing(Path(path)) as temporary:
        _dump(str(temporary), data, dumper, fs, **options)


# DVC empties these files first: after a kill there, each of its commands fails until a person removes the file. See
# docs/upstream.md, DVC: files written in place.
_edit, _dump = table_of_locks._edit_rwlock, _common._dump_data
table_of_locks._edit_rwlock = lambda folder, fs, hardlink: _edit(folder, _WholeFiles(fs), hardlink)
_common._dump_data = _yaml._dump_data = _dump_whole
