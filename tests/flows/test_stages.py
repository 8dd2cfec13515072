"""One stage brought up to date: what a held stage may and may not do."""

import logging
import os
import shutil
from pathlib import Path

import pytest

from flows.stages import Outcome, StageError, bring_up_to_date
from flows.workspace import set_params
from tests.flows.toy import Workspace


@pytest.fixture
def here(toy: Workspace, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """The finished toy as the working directory of this process, whose stages find the toy's modules."""
    monkeypatch.chdir(toy.folder)
    monkeypatch.setenv("PYTHONPATH", f"{toy.folder}{os.pathsep}{toy.environment['PYTHONPATH']}")
    return toy


def _bring(*, hold: bool = True) -> Outcome:
    return bring_up_to_date("second", hold=hold, tell=lambda level, text: logging.log(level, text))


def test_a_held_stage_that_is_up_to_date_or_can_be_restored_is_as_any_other(here: Workspace) -> None:
    assert _bring().reason == "unchanged"
    shutil.rmtree("out/second")
    assert _bring().reason == "restored from the cache"
    set_params(["second.factor=9"])
    assert _bring(hold=False).ran
    set_params(["second.factor=3"])
    assert _bring().reason == "restored from the run cache"
    assert here.is_clean()


def test_a_held_stage_that_would_have_to_run_is_refused_with_what_changed_and_left_as_it_is(here: Workspace) -> None:
    before, lock = Path("out/second/0.txt").read_bytes(), Path("dvc.lock").read_bytes()
    set_params(["second.factor=9"])
    with pytest.raises(StageError, match=r"^second would have to run, for second\.factor changed, and nothing may be "):
        _bring()
    here.replace("toy/second.py", "import time", "import time  # edited")
    with pytest.raises(StageError, match=r"toy/second\.py, second\.factor changed"):
        _bring()
    assert Path("out/second/0.txt").read_bytes() == before
    assert Path("dvc.lock").read_bytes() == lock
    assert here.ran() == []
