"""A held stage is kept as it is where its version was raised, or where those before it made something else."""

import logging
from pathlib import Path

import pytest

from flows.pipeline.stages import KEPT, Outcome, StageError, bring_up_to_date, plan_stages
from flows.processes.running import Running
from flows.workspace.settings import set_params
from tests.support.toy import Workspace

pytestmark = pytest.mark.filterwarnings("ignore:_NoneStep:DeprecationWarning")  # of a library of DVC's


def _bring(*, keep: bool = False) -> Outcome:
    return bring_up_to_date("second", hold=True, keep=keep, tell=logging.log, running=Running())


def test_a_held_stage_whose_version_was_raised_is_kept_where_it_may_be(here: Workspace) -> None:
    lock = Path("dvc.lock").read_bytes()
    here.replace("dvc.yaml", "python -m toy.second", "python -m toy.second --stage-version=2")
    assert _bring(keep=True).reason == KEPT
    assert plan_stages((), logging.log, keep=["second"]).unchanged["third"].reason == "unchanged"
    assert Path("dvc.lock").read_bytes() == lock
    with pytest.raises(StageError, match=r"^second is out of date because its command or its outputs changed"):
        _bring()
    Path("out/second/0.txt").write_text("altered")
    with pytest.raises(StageError, match=r"^second is out of date"):
        _bring(keep=True)
    assert here.ran() == []


def test_a_held_stage_is_kept_where_those_before_it_made_something_else_and_not_where_a_person_edited(
    here: Workspace,
) -> None:
    set_params(["first.factor=9"])
    bring_up_to_date("first", tell=logging.log, running=Running())
    assert _bring(keep=True).reason == KEPT
    set_params(["second.factor=9"])
    with pytest.raises(StageError, match=r"^second is out of date because .*second\.factor changed"):
        _bring(keep=True)
    assert here.ran() == ["first"]
