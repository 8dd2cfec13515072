"""flows.pipeline.forecast: which stages would run, and why, without changing anything."""

from pathlib import Path

import pytest

from flows.pipeline.forecast import foresee, plan_in_words
from tests.support.toy import Workspace

pytestmark = pytest.mark.filterwarnings("ignore:_NoneStep.value:DeprecationWarning")  # inside DVC


def test_what_would_run_is_foreseen_with_its_reason(here: Workspace) -> None:
    lock = Path("dvc.lock").read_bytes()
    assert foresee() == []
    assert [(step.name, step.reason) for step in foresee(changed=["second.factor"])] == [
        ("second", "second.factor changes"),
        ("third", "after second"),
    ]
    lines = plan_in_words(foresee(changed=["second.factor"])).splitlines()
    assert lines[0].startswith("second ") and lines[0].endswith("  second.factor changes")
    assert lines[2].startswith("would run: 2 stages")
    assert plan_in_words([]) == ""
    assert [step.name for step in foresee(force=["fourth"])] == ["fourth"]
    here.replace("params.yaml", "fourth: {factor: 7", "fourth: {factor: 8")
    assert [(step.name, step.reason) for step in foresee()] == [("fourth", "fourth.factor changed")]
    assert Path("dvc.lock").read_bytes() == lock
