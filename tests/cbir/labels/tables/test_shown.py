"""cbir.labels.tables.shown: a cell reads as a spreadsheet program shows it."""

import datetime

import pytest

from cbir.labels.tables.shown import as_shown, as_typed


@pytest.mark.parametrize(
    ("value", "form", "shown"),
    [
        (7, "0000", "0007"),
        (7.0, "000000", "000007"),
        (12345, "0000", "12345"),
        (0, "0000", "0000"),
        (-7, "0000", "-0007"),
        (7, "0000;[Red]-000;0", "0007"),
        (-7, "0000;[Red](000);0", "(007)"),
        (0, "0000;-0000;00", "00"),
        (7, '"IMG_"0000', "IMG_0007"),
        (7, '0000".jpg"', "0007.jpg"),
        (7, r"\F0000", "F0007"),
        (1914007, "0000-000", "1914-007"),
        (7, "0000-000", "0000-007"),
        (123456789, "00-00", "1234567-89"),
        (7, "[$-40C]0000", "0007"),
        (7, "[$Nr]000", "Nr007"),
        (7, "0000_)", "0007"),
        (7, '"n° "General', "n° 7"),
        (7, "####", "7"),
        (1, '"oui";;"non"', "oui"),
    ],
)
def test_a_whole_number_reads_by_its_format(value: float, form: str, shown: str) -> None:
    assert as_shown(value, form) == shown


@pytest.mark.parametrize(
    "form", ["General", "0", "@", "#,##0", "0.00", "0%", "0.00E+00", "# ?/?", ";;;", "[>5]000", ""]
)
def test_formats_that_no_name_has_change_nothing(form: str) -> None:
    assert as_shown(1914, form) == "1914"


@pytest.mark.parametrize(("value", "form"), [(1.5, "0000"), (True, "0000"), ("007 b", "0000"), (None, "0000")])
def test_only_whole_numbers_are_filled_with_zeros(value: object, form: str) -> None:
    assert as_shown(value, form) == as_typed(value)


@pytest.mark.parametrize(
    ("form", "shown"),
    [
        ("yyyymmdd", "19140803"),
        ("dd.mm.yy", "03.08.14"),
        ('"P"yyyy-m-d', "P1914-8-3"),
        ("mm-dd-yy", "1914-08-03"),
        ("dd mmm yyyy", "1914-08-03"),
        ("yyyy-mm-dd h:mm:ss", "1914-08-03"),
    ],
)
def test_a_day_reads_by_a_format_of_digits_and_else_by_the_standard(form: str, shown: str) -> None:
    assert as_shown(datetime.datetime(1914, 8, 3), form) == shown


def test_a_time_of_day_and_a_format_longer_than_excel_allows_read_as_typed() -> None:
    assert as_shown(datetime.datetime(1914, 8, 3, 5), "yyyymmdd") == "1914-08-03 05:00:00"
    assert as_shown(7, '"' * 300 + "0000") == "7"
