"""Stages brought up to date: what a held one may not do, and what kills and other processes leave in the way."""

import json
import logging
import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

import pytest
from dvc.repo import lock_repo

from flows.pipeline.stages import Outcome, StageError, bring_up_to_date, plan_stages
from flows.processes.running import Running
from flows.repository.accessions import adopt
from flows.repository.opening import open_repository
from flows.workspace.settings import set_params
from tests.support.stages import UNCHANGED, is_clean, run_flow
from tests.support.toy import Workspace

pytestmark = pytest.mark.filterwarnings("ignore:_NoneStep:DeprecationWarning")  # of a library of DVC's


@contextmanager
def _busy(path: str) -> Iterator[None]:
    """Another process, say a `dvc repro`, writes to a path; at the end it has been waited for."""
    other = subprocess.Popen(["sleep", "2"])
    holder = {str(Path(path).absolute()): {"pid": other.pid, "cmd": "dvc repro"}}
    Path(".dvc/tmp/rwlock").write_text(json.dumps({"read": {}, "write": holder}))
    end = threading.Thread(target=other.wait)  # or it would stay there when it has ended
    end.start()
    yield
    assert other.returncode == 0
    end.join()


def _log(level: int, text: str) -> None:
    logging.log(level, "%s", text)


def _bring(*, hold: bool = True) -> Outcome:
    return bring_up_to_date("second", hold=hold, tell=_log, running=Running())


def test_a_held_stage_that_is_up_to_date_or_can_be_restored_is_as_any_other(here: Workspace) -> None:
    assert _bring().reason == "unchanged"
    shutil.rmtree("out/second")
    assert _bring().reason == "restored from the cache"
    set_params(["second.factor=9"])
    assert _bring(hold=False).ran
    set_params(["second.factor=3"])
    assert _bring().reason == "restored from the run cache"
    assert is_clean()


def test_a_held_stage_that_would_have_to_run_is_refused_with_what_changed_and_left_as_it_is(here: Workspace) -> None:
    before, lock = Path("out/second/0.txt").read_bytes(), Path("dvc.lock").read_bytes()
    set_params(["second.factor=9"])
    with pytest.raises(StageError, match=r"^second is out of date, for second\.factor changed, and only `cbir run` "):
        _bring()
    here.replace("toy/second.py", "import time", "import time  # edited")
    with pytest.raises(StageError, match=r"toy/second\.py, second\.factor changed"):
        _bring()
    assert Path("out/second/0.txt").read_bytes() == before
    assert Path("dvc.lock").read_bytes() == lock
    assert here.ran() == []


def test_a_table_of_locks_that_a_kill_cut_off_is_no_hindrance(here: Workspace) -> None:
    table = Path(".dvc/tmp/rwlock")
    table.write_text('{"read": {"')
    run_flow()
    assert here.ran() == []
    table.write_text("")
    set_params(["second.factor=9"])
    assert _bring(hold=False).ran
    assert not is_clean()  # what comes after it
    run_flow()
    assert is_clean()


def test_a_table_of_locks_that_was_cut_off_while_its_lock_was_waited_for_is_no_hindrance(here: Workspace) -> None:
    with open_repository(here.folder) as repo, lock_repo(repo):
        Path(".dvc/tmp/rwlock").write_text('{"read": {"')
        assert not repo.stage.load_one("dvc.yaml", "first").changed()


def _write_half(_: object, file: TextIO, *__: object) -> None:
    file.write('{"read": {"')
    file.flush()
    raise KeyboardInterrupt


def test_the_table_of_locks_is_written_whole_or_not_at_all(here: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    table = Path(".dvc/tmp/rwlock")
    before = table.read_text()
    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr("dvc.rwlock.json.dump", _write_half)
        _bring()
    assert table.read_text() == before
    assert _bring().reason == "unchanged"


def test_what_dvc_knows_of_an_accession_is_written_whole_or_not_at_all(
    here: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("data/raw/later").mkdir()
    Path("data/raw/later/a.txt").write_text("d")
    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr("ruamel.yaml.YAML.dump", lambda _, document, file: _write_half(document, file))
        adopt(Path("data/raw"), Path("models/weights"))
    assert not Path("data/raw/later.dvc").exists()
    adopt(Path("data/raw"), Path("models/weights"))
    run_flow()
    assert is_clean()
    assert not list(Path("data/raw").glob("*.tmp"))


def test_what_another_process_works_on_is_waited_for(here: Workspace, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    with _busy("out/first.txt"):
        assert plan_stages((), logging.log).unchanged.keys() == UNCHANGED.keys()
    Path("data/raw/later").mkdir()
    Path("data/raw/later/a.txt").write_text("d")
    with _busy("data/raw/later"):
        adopt(Path("data/raw"), Path("models/weights"))
    assert Path("data/raw/later.dvc").exists()
    waiting = [record.message for record in caplog.records if record.message.startswith("waiting: ")]
    assert [path in line for path, line in zip(("out/first", "data/raw/later"), waiting, strict=True)] == [True, True]
