"""DVC's view of a workspace that need not be the working directory, with what a killed process left there removed.

The names used here that DVC does not document are why pyproject.toml pins its version.
"""

import io
import json
import logging
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import psutil
from dvc import dvcfile
from dvc import rwlock as table_of_locks
from dvc.lock import Lock, LockError, make_lock
from dvc.repo import Repo
from dvc.rwlock import RWLOCK_FILE, RWLOCK_LOCK, rwlock
from dvc.stage import PipelineStage, create_stage
from dvc.stage.cache import StageCache, _get_cache_hash
from dvc.stage.loader import StageLoader
from dvc.stage.serialize import to_lockfile, to_single_stage_lockfile
from ruamel.yaml import YAML

from cbir.files import writing
from flows.repository import looks
from tasks.harness.settings import GRAPH

POLL = 0.02  # seconds

Result = TypeVar("Result")

log = logging.getLogger("flows")


def open_repository(root: Path) -> Repo:
    """The workspace, to be used in a ``with``; it waits for the lock of another process."""
    repo = Repo(str(root), _wait_for_lock=True)
    _drop_stale_locks(repo)
    repo.stage_cache = _RunCache(repo)
    if type(repo.lock) is Lock:
        repo.lock.lock = partial(_lock, repo.lock)
    return repo


def _lock(lock: Lock) -> None:
    """Wait for the lock of a repository; stages side by side hold it for moments, and DVC looks every half second."""
    while True:
        try:
            return lock._do_lock()
        except LockError:
            time.sleep(POLL)


@contextmanager
def undisturbed(path: Path, root: Path) -> Iterator[None]:
    """Within it no stage that reads or writes below a path runs, in whichever process; waits for those that do."""
    with open_repository(root) as repo, ExitStack() as held:
        lock = partial(rwlock, repo.tmp_dir, repo.fs, "cbir refresh", [], [str(path.absolute())], False)
        patiently(lambda: held.enter_context(lock()), log.log)
        yield


def patiently(work: Callable[[], Result], tell: Callable[[int, str], None]) -> Result:
    """Do what needs locks of DVC's, as soon as no other process holds them; tells once what it waits for."""
    told = False
    while True:
        try:
            return work()
        except LockError as error:
            if not told:
                words = " ".join(str(error).split()).partition(" If there are no")[0]  # without advice to remove files
                tell(logging.INFO, f"waiting: {words}")
                told = True
            time.sleep(1)


def record(stage: PipelineStage) -> dict[str, Any]:
    """Write the entry of a stage in dvc.lock: as DVC does, but all of the file or nothing, in a fifth of the time.

    DVC empties the file first, and uses the part of ruamel.yaml that keeps comments, which this file has not.

    Returns:
        What dvc.lock holds now.
    """
    lockfile = stage.dvcfile._lockfile
    entries: dict[str, Any] = lockfile.load() or {"schema": "2.0"}
    entries.setdefault("stages", {}).update(to_lockfile(stage))
    yaml: Any = YAML(typ="safe")
    yaml.default_flow_style = yaml.sort_base_mapping_type_on_output = False
    yaml.representer.ignore_aliases = lambda _: True
    yaml.representer.add_representer(OrderedDict, lambda into, items: into.represent_dict(items))
    text = io.StringIO()
    yaml.dump(entries, text)
    with writing(Path(lockfile.path)) as temporary:
        temporary.write_text(text.getvalue(), encoding="utf-8")
    looks.know(lockfile.path, entries, text.getvalue())
    return entries


class _RunCache(StageCache):
    """DVC's run cache for a workspace anywhere; DVC's own takes the working directory for the workspace.

    See docs/upstream.md, DVC: run cache outside the working directory.
    """

    def _create_stage(self, cache: dict[str, Any], wdir: str | None = None) -> PipelineStage:
        path = str(Path(self.repo.root_dir) / GRAPH)
        outs = [out["path"] for out in cache["outs"]]
        stage = create_stage(PipelineStage, repo=self.repo, path=path, cmd=cache["cmd"], wdir=wdir, outs=outs)
        StageLoader.fill_from_lock(stage, cache)
        return stage


def key_of(stage: PipelineStage) -> str:
    """What a stage is run on: the same for the same command, params and contents of its files, in any workspace."""
    return str(_get_cache_hash(to_single_stage_lockfile(stage), key=True))


def _drop_stale_locks(repo: Repo) -> None:
    """Remove what a killed process left in DVC's table of read and write locks and DVC itself would not see.

    DVC drops entries whose process is gone, but takes a process for the owner that merely got the same number later;
    one that began after the table was last written owns nothing in it. See docs/upstream.md, DVC: lock of a reused
    process number.
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
    """A file system as DVC uses it for the table: written whole or not at all, and not there if a kill cut it off."""

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


def _edit_table(folder: str, fs: Any, hardlink: bool) -> Any:
    return _edit(folder, _WholeFiles(fs), hardlink)


def _dump_yaml(path: str, document: Any) -> None:
    with writing(Path(path)) as temporary:
        _dump(str(temporary), document)


# DVC empties these files first: after a kill there, each of its commands fails until a person removes the file. See
# docs/upstream.md, DVC: files written in place.
_edit, _dump = table_of_locks._edit_rwlock, dvcfile.dump_yaml
table_of_locks._edit_rwlock, dvcfile.dump_yaml = _edit_table, _dump_yaml
