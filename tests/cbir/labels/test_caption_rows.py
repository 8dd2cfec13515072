"""cbir.labels.caption_rows: captions with prompts and without, whatever semicolons they hold."""

from pathlib import Path

import pytest

from cbir.base.errors import UserError
from cbir.labels.caption_rows import CaptionRows, read_captions

CAPTION = "Les réfugiés à la gare numéro"


def read(folder: Path, *lines: str) -> CaptionRows:
    (folder / "captions.csv").write_text("\n".join(lines), encoding="utf-8")
    return read_captions(folder / "captions.csv")


def texts(rows: CaptionRows) -> list[tuple[str, str]]:
    return [(described.name, described.text) for described in rows.described]


@pytest.mark.parametrize("with_semicolon", [0, 1, 3])
@pytest.mark.parametrize("padding", ["", ";", ";;"])
def test_path_and_caption_are_read_although_a_caption_holds_a_semicolon(
    tmp_path: Path, with_semicolon: int, padding: str
) -> None:
    captions = [f"{CAPTION} {n}" if n > with_semicolon else f"Un soldat {n}; une femme" for n in range(1, 9)]
    rows = read(tmp_path, *(f"photo_{n}.jpg;{text}{padding}" for n, text in enumerate(captions, start=1)))
    assert texts(rows) == [(f"photo_{n}.jpg", text.replace("; ", ";")) for n, text in enumerate(captions, start=1)]
    assert (rows.prompts, rows.too_short) == ((), ())


def test_rows_without_a_caption_column_are_kept_apart(tmp_path: Path) -> None:
    rows = read(tmp_path, "a.jpg;one", "b.jpg", "c.jpg;two", "d.jpg;")
    assert texts(rows) == [("a.jpg", "one"), ("c.jpg", "two"), ("d.jpg", "")]
    assert [(row.number, row.cells) for row in rows.too_short] == [(2, ("b.jpg",))]


def test_rows_with_a_prompt_and_no_description_column_are_kept_apart(tmp_path: Path) -> None:
    rows = read(tmp_path, "a.jpg;showing;one", "b.jpg;showing", "c.jpg;showing;two; three", "d.jpg;showing;", "e.jpg")
    assert texts(rows) == [("a.jpg", "one"), ("c.jpg", "two;three"), ("d.jpg", "")]
    assert rows.prompts == ("showing",) * 3
    assert [row.number for row in rows.too_short] == [2, 5]


@pytest.mark.parametrize("described", [0, 1, 6])
def test_prompts_are_known_by_their_being_repeated(tmp_path: Path, described: int) -> None:
    lines = [f"{n}.jpg;{('showing', 'a photo of')[n % 2]};{CAPTION if n <= described else ''}" for n in range(1, 9)]
    rows = read(tmp_path, *lines)
    assert len(rows.prompts) == 8
    assert [text for _, text in texts(rows) if text] == [CAPTION] * described


@pytest.mark.parametrize("with_semicolon", [4, 6, 7])
def test_it_is_asked_where_as_many_captions_hold_a_semicolon_as_none(tmp_path: Path, with_semicolon: int) -> None:
    lines = [f"{n}.jpg;{n} {'; a' if n <= with_semicolon else ''}" for n in range(1, 9)]
    with pytest.raises(
        UserError, match=rf"has a second ; in {with_semicolon} of 8 rows, such as row 1.*quotation marks"
    ):
        read(tmp_path, *lines)


def test_three_columns_in_all_rows_are_path_prompt_and_description(tmp_path: Path) -> None:
    rows = read(tmp_path, *(f"{n}.jpg;prompt {n};a; b" for n in range(8)))
    assert texts(rows) == [(f"{n}.jpg", "a;b") for n in range(8)]
    assert rows.prompts == tuple(f"prompt {n}" for n in range(8))


def test_quoted_captions_may_all_hold_a_semicolon(tmp_path: Path) -> None:
    assert texts(read(tmp_path, *(f'{n}.jpg;"{n}; a"' for n in range(8)))) == [
        (f"{n}.jpg", f"{n}; a") for n in range(8)
    ]


@pytest.mark.parametrize("line", ["a.jpg,p,one", "a.jpg", "a.jpg\tone"])
def test_a_file_that_is_not_divided_by_semicolons_is_refused(tmp_path: Path, line: str) -> None:
    with pytest.raises(UserError, match="or its path and a caption, divided by ;"):
        read(tmp_path, *[line] * 3)


def test_a_prompt_of_a_file_without_prompts_is_refused(tmp_path: Path) -> None:
    rows = read(tmp_path, "a.jpg;one", "b.jpg;two")
    assert len(rows.begun_by("", Path("c.csv"))) == 2
    with pytest.raises(UserError, match=r'is "a photo", but no prompt in c\.csv begins so; it has no prompts'):
        rows.begun_by("a photo", Path("c.csv"))
