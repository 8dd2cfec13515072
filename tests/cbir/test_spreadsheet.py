import pytest

from cbir.spreadsheet import as_markdown, as_text


@pytest.mark.parametrize("value", ["=1+1", "+1", "-1", "@SUM(A1)", "\tx", "\rx"])
def test_what_a_spreadsheet_would_compute_becomes_text(value: str) -> None:
    assert as_text(value) == "'" + value


@pytest.mark.parametrize("value", ["", "a=1", "library/é.jpg", "'quoted", "1-2"])
def test_what_it_would_not_compute_stays_as_it_is(value: str) -> None:
    assert as_text(value) == value


def test_no_text_breaks_out_of_a_cell_of_markdown() -> None:
    assert as_markdown("a|b\\c\n<img>`x`") == "a\\|b\\\\c &lt;img>'x'"
