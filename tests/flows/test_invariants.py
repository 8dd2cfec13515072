"""The invariants of the contract between the flow and DVC, I1 to I9, each on a workspace of four quick stages.

The stages are brought up to date in this process, as a flow run does it (:mod:`tests.support.stages`); I1, I2, I7 and
I8 go through `cbir run` and `dvc` too.
"""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from dvc.exceptions import ReproductionError

from flows.pipeline.stages import StageError
from tests.support.stages import RESTORED, RUNS, UNCHANGED, edit_while_it_runs, is_clean, run_flow
from tests.support.toy import FILES, REPOSITORY, Workspace

STAGES = list(FILES)
pytestmark = pytest.mark.filterwarnings("ignore:_NoneStep:DeprecationWarning")  # of a library of DVC's


def test_i1_after_a_flow_run_dvc_status_is_clean_and_dvc_repro_runs_nothing(here: Workspace) -> None:
    here.replace("params.yaml", "factor: 2", "factor: 4")
    run_flow()
    assert sorted(here.ran()) == sorted(STAGES)
    assert here.is_clean()
    here.dvc("repro")
    assert here.ran() == []


def test_i2_after_dvc_repro_the_flow_runs_nothing(toy: Workspace) -> None:
    toy.replace("params.yaml", "factor: 2", "factor: 4")
    toy.dvc("repro")
    assert sorted(toy.ran()) == sorted(STAGES)
    shown = toy.flow().stderr
    assert all(f"{name}: unchanged" in shown for name in STAGES)
    assert toy.ran() == []


@pytest.mark.parametrize("way", RUNS)
@pytest.mark.parametrize(
    ("file", "old", "new", "downstream"),
    [
        ("params.yaml", "second: {factor: 3", "second: {factor: 4", ["second", "third"]),
        ("toy/fourth.py", "import time", "import time  # edited", ["fourth"]),
    ],
)
def test_i3_one_change_reruns_the_stages_downstream_of_it_and_no_other(
    here: Workspace, way: str, file: str, old: str, new: str, downstream: list[str]
) -> None:
    here.replace(file, old, new)
    RUNS[way]()
    # The edited module's own output may stay the same, so what follows it may be restored; nothing else ever runs.
    assert here.ran() == downstream
    assert is_clean()


def _delete(path: Path) -> None:
    shutil.rmtree(path) if path.is_dir() else path.unlink()


@pytest.mark.parametrize("output", ["out/first.txt", "out/second/1.txt", "out/second", "out/metrics.json"])
@pytest.mark.parametrize("harm", ["deleted", "altered"])
def test_i4_a_harmed_output_is_restored_and_not_recomputed(here: Workspace, output: str, harm: str) -> None:
    path = here.folder / output
    before = {file: file.read_bytes() for file in here.folder.glob("out/**/*") if file.is_file()}
    if harm == "altered" and path.is_dir():
        (path / "more.txt").write_text("what does not belong here")
    elif harm == "altered":
        path.unlink()
        path.write_text("altered")
    else:
        _delete(path)
    assert "restored from the cache" in run_flow().values()
    assert here.ran() == []
    assert {file: file.read_bytes() for file in here.folder.glob("out/**/*") if file.is_file()} == before
    assert is_clean()


def test_i5_an_older_commit_with_dvc_checkout_is_all_cached_and_so_is_the_way_back(here: Workspace) -> None:
    here.replace("params.yaml", "factor: 2", "factor: 4")
    run_flow()
    here.commit("another factor")
    here.ran()
    for commit in ("HEAD~1", "-"):
        here.command("git", "checkout", "-q", commit)
        here.dvc("checkout")
        assert run_flow() == UNCHANGED
        assert here.ran() == []


def test_i6_a_param_set_back_is_restored_from_the_run_cache(here: Workspace) -> None:
    here.replace("params.yaml", "factor: 2", "factor: 4")
    run_flow()
    assert sorted(here.ran()) == sorted(STAGES)
    here.replace("params.yaml", "factor: 4", "factor: 2")
    assert run_flow() == RESTORED
    assert here.ran() == []
    assert is_clean()


def _wait_for(condition: Path, process: subprocess.Popen[str]) -> None:
    end = time.monotonic() + 60
    while not condition.exists():
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < end, f"{condition} did not appear"
        time.sleep(0.02)


KILLED = [(name, way) for name in STAGES for way in ("flow", "dvc repro")]
BY_COMMANDS = ("second", "flow")  # by `cbir run` alone
WITHOUT_PREFECT = [sys.executable, "-c", "from tests.support.stages import run_flow; run_flow()"]


@pytest.mark.heavy
@pytest.mark.parametrize(("name", "way"), KILLED)
def test_i7_sigkill_in_the_middle_of_a_stage_leaves_nothing_to_mend(
    toy: Workspace, monkeypatch: pytest.MonkeyPatch, name: str, way: str
) -> None:
    toy.replace("params.yaml", f"{name}: {{factor: ", f"{name}: {{factor: 1")
    quick = (toy.folder / "params.yaml").read_text()
    section = quick[quick.index(f"{name}:") :].splitlines()[0]
    toy.replace("params.yaml", section, section.replace("seconds: 0.0", "seconds: 30.0"))
    by_commands = (name, way) == BY_COMMANDS
    words = {"flow": toy.flow_words if by_commands else WITHOUT_PREFECT, "dvc repro": ["dvc", "repro"]}
    process = toy.start(*words[way])
    _wait_for(toy.folder / f"out/half-{name}", process)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    toy.ran()
    (toy.folder / "params.yaml").write_text(quick)
    monkeypatch.chdir(toy.folder)
    monkeypatch.setenv("PYTHONPATH", str(REPOSITORY))
    toy.flow() if by_commands else run_flow()
    ran = toy.ran()
    assert ran[0] == name
    assert ran.count(name) == 1
    assert is_clean()
    time.sleep(0.5)  # the killed run's stage would have written by now, had it lived on
    assert is_clean()


def test_i7_a_killed_stage_is_named_in_one_sentence(here: Workspace) -> None:
    here.replace("toy/fourth.py", "time.sleep(seconds)", "__import__('os').kill(__import__('os').getpid(), 9)")
    with pytest.raises(StageError) as killed:
        run_flow()
    assert str(killed.value) == "fourth: it was killed by SIGKILL (out of memory?)"


@pytest.mark.heavy
@pytest.mark.parametrize("other", ["flow", "dvc repro"])
def test_i8_two_runs_at_once_run_each_stage_once(toy: Workspace, other: str) -> None:
    toy.replace("params.yaml", "first: {factor: 2, seconds: 0.0}", "first: {factor: 4, seconds: 3.0}")
    first = toy.start(*toy.flow_words)
    _wait_for(toy.folder / "out/half-first", first)
    two = toy.start(*(toy.flow_words if other == "flow" else ["dvc", "repro"]))
    outputs = [process.communicate(timeout=120)[0] for process in (first, two)]
    assert first.returncode == 0, outputs[0]
    assert two.returncode == 0 or "busy" in outputs[1], outputs[1]
    assert sorted(toy.ran()) == sorted(STAGES)
    assert toy.is_clean()


@pytest.mark.parametrize(
    ("way", "file", "old", "new"),
    [
        ("flow", "data/raw/one/a.txt", "abc", "abcd"),
        ("flow", "toy/first.py", "import time", "import time  # edited"),
        ("flow", "params.yaml", "first: {factor: 4", "first: {factor: 6"),
        ("dvc repro", "params.yaml", "first: {factor: 4", "first: {factor: 6"),  # the stage looks, whoever runs it
    ],
)
def test_i9_an_input_edited_while_a_stage_runs_fails_it_and_is_not_recorded(
    here: Workspace, capfd: pytest.CaptureFixture[str], way: str, file: str, old: str, new: str
) -> None:
    here.replace("params.yaml", "first: {factor: 2", "first: {factor: 4")
    edit_while_it_runs("first", file, old, new)
    with pytest.raises((StageError, ReproductionError)) as failed:
        RUNS[way]()
    said = f"{failed.value}{capfd.readouterr().err}"
    assert file in said
    assert "changed while first ran, so its result is not recorded; run it again" in said
    assert not is_clean()
    here.ran()
    run_flow()
    assert here.ran()[0] == "first"
    assert is_clean()
