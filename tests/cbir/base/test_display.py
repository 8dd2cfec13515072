"""Tests of cbir.base.display."""

import logging
import sys
import unicodedata

import pytest

from cbir.base.display import VisibleFormatter, visible, visible_lines, visible_prose
from cbir.base.errors import UserError

DIRECTIONS = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}  # explicit ones, of UAX #9
MARKS = "\u061c\u200e\u200f"
EVERYTHING = [chr(number) for number in range(0x110000)]


def is_obeyed(character: str) -> bool:
    """Tells by Unicode's own tables whether a terminal, an editor or a browser does something at the character."""
    return (
        unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp")
        or unicodedata.bidirectional(character) in DIRECTIONS
        or character in MARKS
    )


def test_every_character_that_something_obeys_is_shown_in_a_name() -> None:
    assert [c for c in EVERYTHING if is_obeyed(c) and visible(c) != "\ufffd"] == []


def test_every_other_character_of_a_name_stays_but_for_what_xml_forbids_and_unicode_deprecates() -> None:
    changed = {c for c in EVERYTHING if not is_obeyed(c) and visible(c) != c}
    assert changed == {"\ufffe", "\uffff", *map(chr, range(0x206A, 0x2070))}


def test_names_as_people_write_them_stay_as_they_are() -> None:
    for name in ("été (2).tif", "日本語.jpg", "صورة.jpg", "שלום.png", "\U0001f468\u200d\U0001f469.jpg", "می‌خواهم.jpg"):
        assert visible(name) == visible_prose(name) == visible_lines(name) == name


def test_a_spoofed_extension_is_shown() -> None:
    assert visible("photo\u202egpj.exe") == "photo\ufffdgpj.exe"


def test_a_caption_keeps_its_lines_and_the_marks_of_its_script_and_loses_what_commands() -> None:
    kept = "first\r\n\tsecond\u2028third \u200fשלום\u200e (\u2067א\u2069)"
    assert visible_prose(kept) == kept
    assert visible_prose("\x1b[31mred\x07\x0b\u202e\x85") == "\ufffd[31mred" + 4 * "\ufffd"


def record(message: str, *arguments: object, error: bool = False) -> logging.LogRecord:
    return logging.LogRecord("n", logging.INFO, "p", 1, message, arguments, sys.exc_info() if error else None)


def test_a_name_in_a_log_neither_colours_the_terminal_nor_begins_a_line_of_its_own() -> None:
    line = VisibleFormatter("clean: %(message)s").format(record("lost %s", "a\nerror: \x1b[31mb\u202e"))
    assert line == "clean: lost a\ufffderror: \ufffd[31mb\ufffd"


def test_a_log_of_several_lines_and_a_traceback_keep_their_lines() -> None:
    assert VisibleFormatter(lines=True).format(record("a\nb\x1b")) == "a\nb\ufffd"
    try:
        raise ValueError("bell\x07")
    except ValueError:
        shown = VisibleFormatter().format(record("a\nb", error=True))
    assert shown.splitlines()[0] == "a\ufffdb"
    assert shown.splitlines()[-1] == "ValueError: bell\ufffd"


@pytest.mark.parametrize("name", ["a\x1b[2Jb", "a\nerror: b", "a\u202eb"])
def test_a_users_error_shows_what_is_in_the_name_of_a_file(name: str) -> None:
    assert str(UserError(f"{name} is no file")) == f"{visible(name)} is no file"
