"""Stages brought up to date: what a held one may not do, and what kills and other processes leave in the way."""

import json
import logging
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any, TextIO

import pytest
from dvc.repo import lock_repo

from cbir.base.errors import UserError
from flows.pipeline.stages import (
    Outcome,
    StageError,
    StageInterruptedError,
    _command,
    _refusal,
    _run_process,
    bring_up_to_date,
    plan_stages,
)
from flows.processes.running import Running
from flows.repository.accessions import adopt
from flows.repository.opening import open_repository
from flows.workspace.settings import set_params
from tasks.harness.stage import TEMPORARY
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


def _bring(*, hold: bool = True, **options: Any) -> Outcome:
    return bring_up_to_date("second", hold=hold, tell=_log, running=Running(), **options)


def test_a_held_stage_that_is_up_to_date_or_can_be_restored_is_as_any_other(here: Workspace) -> None:
    unchanged = _bring()
    assert unchanged == Outcome("second", False, "unchanged", 0.0, unchanged.key)
    shutil.rmtree("out/second")
    restored = _bring()
    assert (restored.ran, restored.reason, restored.key) == (False, "restored from the cache", unchanged.key)
    assert 0 < restored.seconds < 60
    set_params(["second.factor=9"])
    graph, calls = Path("dvc.yaml").read_bytes(), []
    ran = _bring(hold=False, prepare=lambda: calls.append("prepared"))
    assert (ran.name, ran.ran, ran.reason) == ("second", True, "ran")
    assert 0 < ran.seconds < 60
    assert [data.path for data in ran.data] == ["out/first.txt"]
    assert ran.key not in ("", unchanged.key)
    assert calls == ["prepared"]
    assert Path("dvc.yaml").read_bytes() == graph
    set_params(["second.factor=3"])
    again = _bring(prepare=lambda: calls.append("prepared"))
    assert (again.ran, again.reason, again.key) == (False, "restored from the run cache", unchanged.key)
    assert calls == ["prepared"]
    assert is_clean()


def test_a_stage_that_is_up_to_date_runs_where_it_is_forced(here: Workspace) -> None:
    assert _bring(hold=False, force=True).ran
    assert here.ran() == ["second"]
    assert is_clean()


def test_a_stage_of_a_workspace_elsewhere_is_restored_or_refused_there(
    here: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.rmtree(here.folder / "out/second")
    assert plan_stages((), _log, root=here.folder).unchanged.keys() == {"first", "fourth"}
    assert _bring(root=here.folder).reason == "restored from the cache"
    assert is_clean(here.folder)
    here.replace("params.yaml", "second: {factor: 3", "second: {factor: 9")
    with pytest.raises(StageError, match=r"^second is out of date because second\.factor changed; "):
        _bring(root=here.folder)


def test_an_output_that_is_in_no_cache_any_more_has_to_be_made_again(here: Workspace) -> None:
    shutil.rmtree("out/second")
    shutil.rmtree(".dvc/cache/files")
    with pytest.raises(StageError, match=r"^second is out of date because its command or its outputs changed; "):
        _bring()
    assert _bring(hold=False).ran


def test_a_plan_has_the_stages_in_an_order_in_which_they_can_run_and_those_that_are_up_to_date(here: Workspace) -> None:
    plan = plan_stages((), _log)
    assert plan.needs == {"first": [], "second": ["first"], "third": ["second"], "fourth": ["first"]}
    assert all(
        list(plan.needs).index(needed) < place for place, name in enumerate(plan.needs) for needed in plan.needs[name]
    )
    assert plan.unchanged["second"] == _bring()
    assert len({outcome.key for outcome in plan.unchanged.values()}) == 4
    assert plan_stages((), _log, targets=["second"]).needs == {"first": [], "second": ["first"]}


def test_a_stage_that_draws_plots_waits_for_all_others(here: Workspace) -> None:
    graph = Path("dvc.yaml")
    graph.write_text(graph.read_text().replace("outs: [out/fourth.txt]", "plots: [out/fourth.txt]"))
    before = plan_stages((), _log).before()
    assert list(before) == ["first", "second", "third", "fourth"]
    assert before["fourth"] == ["first", "second", "third"]
    assert before["third"] == ["second"]


def test_what_follows_a_forced_or_changed_stage_is_not_up_to_date(here: Workspace) -> None:
    assert plan_stages(("second",), _log).unchanged.keys() == {"first", "fourth"}
    set_params(["third.factor=9"])
    assert plan_stages((), _log).unchanged.keys() == {"first", "second", "fourth"}
    set_params(["second.factor=9"])
    assert plan_stages((), _log).unchanged.keys() == {"first", "fourth"}
    set_params(["first.factor=9"])
    assert plan_stages((), _log).unchanged.keys() == set()


def test_edited_data_is_recorded_and_missing_data_restored(here: Workspace) -> None:
    lines: list[tuple[int, str]] = []
    path = Path("data/raw/one/a.txt")
    path.write_text("abcd")
    assert plan_stages((), lambda *line: lines.append(line)).unchanged == {}
    assert lines == [(logging.INFO, "data/raw/one was edited: DVC has it as it is now")]
    assert plan_stages((), lambda *line: lines.append(line)).unchanged == {}
    assert len(lines) == 1
    shutil.rmtree("data/raw/one")
    plan_stages((), _log)
    assert path.read_text() == "abcd"


def test_a_stage_that_is_forced_and_not_there_is_named_with_those_that_are(here: Workspace) -> None:
    with pytest.raises(UserError) as refused:
        plan_stages(("secnd",), _log)
    assert str(refused.value).startswith("--force secnd: there is no such stage; there are first, ")


def test_a_graph_that_dvc_cannot_read_is_one_sentence(here: Workspace) -> None:
    here.replace("dvc.yaml", "cmd: python -m toy.second", "cmd: [")
    with pytest.raises(UserError, match=r"^unable to read: 'dvc\.yaml', [^\n]+; `dvc status` shows where$"):
        plan_stages((), _log)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ("", "its command or its outputs"),
        ("abc", "a, b, c"),
        ("abcd", "a, b, c and 1 more"),
        ("abcde", "a, b, c and 2 more"),
    ],
)
def test_a_refusal_names_three_changes_at_most(changed: str, words: str) -> None:
    class Dependency(str):
        def status(self) -> bool:
            return self != "same"

    stage: Any = SimpleNamespace(name="train", deps=[Dependency("same"), *map(Dependency, changed)])
    reason = f"train is out of date because {words} changed"
    assert _refusal(stage) == f"{reason}; only `cbir run` and `cbir retrain` train"


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("python -m tasks.embed 'a b'", [sys.executable, "-m", "tasks.embed", "a b"]),
        ("python3 x.py", [sys.executable, "x.py"]),
        ("make python", ["make", "python"]),
    ],
)
def test_a_stages_python_is_that_of_this_process(command: str, words: list[str]) -> None:
    stage: Any = SimpleNamespace(cmd=command)
    assert _command(stage) == words


def _process(code: str, tell: Callable[[int, str], None] = _log) -> None:
    stage: Any = SimpleNamespace(name="embed", cmd=f'python -c "{code}"', wdir=".")
    _run_process(stage, {}, lambda: None, tell, Running())


LOG = (
    "import json, os; pipe = int(os.environ['CBIR_LOG_FD']); "
    "log = lambda level, text: os.write(pipe, (json.dumps(dict(level=level, message=text)) + chr(10)).encode()); "
)


@pytest.mark.parametrize(
    ("code", "error", "sentence"),
    [
        ("raise SystemExit(3)", StageError, "it ended with exit code 3"),
        (f"raise SystemExit({TEMPORARY})", StageInterruptedError, f"it ended with exit code {TEMPORARY}"),
        ("import os; os.kill(os.getpid(), 15)", StageError, "it was killed by SIGTERM"),
        ("import os; os.kill(os.getpid(), 9)", StageError, "it was killed by SIGKILL (out of memory?)"),
        (LOG + "log(40, 'no space' + chr(10) + 'left'); raise SystemExit(1)", StageError, "no space"),
        (LOG + "log(30, 'careful'); raise SystemExit(1)", StageError, "it ended with exit code 1"),
    ],
)
def test_a_stage_that_ends_badly_is_one_sentence_with_how_long_it_ran(
    code: str, error: type[StageError], sentence: str
) -> None:
    with pytest.raises(StageError) as failed:
        _process(code)
    assert type(failed.value) is error
    assert str(failed.value) == f"embed: {sentence}"
    assert 0 < (failed.value.seconds or 0) < 60


def test_what_a_stage_logs_is_passed_on_and_an_error_that_it_outlives_fails_nothing() -> None:
    lines: list[tuple[int, str]] = []
    _process(LOG + "log(20, 'a'); log(40, 'b')", lambda *line: lines.append(line))
    assert lines == [(20, "a"), (40, "b")]


def test_a_held_stage_that_would_have_to_run_is_refused_with_what_changed_and_left_as_it_is(here: Workspace) -> None:
    before, lock = Path("out/second/0.txt").read_bytes(), Path("dvc.lock").read_bytes()
    set_params(["second.factor=9"])
    with pytest.raises(StageError, match=r"^second is out of date because second\.factor changed; only `cbir run` "):
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


@pytest.mark.heavy
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
