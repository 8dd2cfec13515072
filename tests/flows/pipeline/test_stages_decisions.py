"""Tests of flows.pipeline.stages: people go on deciding while a stage runs that reads their decisions."""

from pathlib import Path

import pytest

from flows.pipeline.stages import StageError
from tests.support.stages import edit_while_it_runs, is_clean, run_flow
from tests.support.toy import Workspace

pytestmark = pytest.mark.filterwarnings("ignore:_NoneStep:DeprecationWarning")  # of a library of DVC's


def _stages_read_decisions(here: Workspace) -> None:
    """The toy's fourth stage reads people's decisions in place of the first one's output."""
    Path("de").write_text("a\n")
    here.replace("dvc.yaml", "deps: [out/first.txt, toy/fourth.py]", 'deps: ["${paths.decisions}", toy/fourth.py]')
    here.replace("toy/fourth.py", "out/first.txt", "de")


def test_people_decide_while_a_stage_runs_and_the_next_run_obeys_it(here: Workspace) -> None:
    _stages_read_decisions(here)
    edit_while_it_runs("fourth", "de", "a\n", "a\nb\n")
    assert run_flow()["fourth"] == "ran"
    assert not is_clean()  # DVC has what the stage has read
    assert run_flow()["fourth"] == "ran"
    assert is_clean()
    Path("de").write_text("a\n")
    assert run_flow()["fourth"] == "restored from the run cache"


def test_decisions_that_a_stage_has_taken_and_that_change_while_it_runs_fail_it(here: Workspace) -> None:
    _stages_read_decisions(here)
    edit_while_it_runs("fourth", "de", "a\n", "c\n")
    with pytest.raises(StageError, match=r"^fourth: de changed while fourth ran, so its result is not recorded"):
        run_flow()
    assert run_flow()["fourth"] == "ran"
    assert is_clean()
