"""tasks.harness.stage: what went wrong in one sentence, and the exit code that says whether another try may help."""

import errno
from pathlib import Path

import pytest

from cbir.base.errors import PassingError, UserError
from tasks.harness import stage
from tasks.harness.stage import DEFECT, TEMPORARY, USER_ERROR, _sentence


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        (UserError("max_pixels is 0; set it higher"), USER_ERROR, "max_pixels is 0; set it higher"),
        (PassingError("a worker was killed; run again"), TEMPORARY, "a worker was killed; run again"),
        (OSError(errno.ESTALE, "Stale file handle"), TEMPORARY, "is the disk or network folder there?"),
        (ZeroDivisionError("by zero"), DEFECT, "ZeroDivisionError: by zero (a defect of this program"),
    ],
)
def test_the_exit_code_says_whether_another_try_may_help(error: Exception, code: int, words: str) -> None:
    sentence, number = _sentence(error)
    assert number == code
    assert words in sentence


def test_links_in_a_circle_among_the_inputs_end_no_stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.jpg").touch()
    (tmp_path / "x.jpg").symlink_to(tmp_path / "y.jpg")
    (tmp_path / "y.jpg").symlink_to(tmp_path / "x.jpg")
    monkeypatch.setattr(stage, "dependencies", lambda name: ({}, {tmp_path}))
    assert list(stage._inputs("clean")) == [str(tmp_path / "a.jpg")]
