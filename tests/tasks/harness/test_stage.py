"""tasks.harness.stage: what went wrong in one sentence, and the exit code that says whether another try may help."""

import errno

import pytest

from cbir.errors import PassingError, UserError
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
