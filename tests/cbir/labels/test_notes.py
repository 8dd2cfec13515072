import csv
from pathlib import Path

from cbir.labels.layouts.reading import Mention
from cbir.labels.names import NameIndex
from cbir.labels.notes import Note, note_of, suggest_names, write_notes
from tests.support.manifests import manifest

INDEX = NameIndex(manifest("a/x.jpg", "b/x.jpg", "a/soldats.jpg", rejected={"a/torn.jpg": "cut off"}))


def test_each_problem_comes_with_the_files_concerned_and_a_way_out() -> None:
    notes = [note_of(INDEX.match(name), file="f", mention=Mention(4, name)) for name in ("x", "torn", "soldat")]
    assert [note.problem for note in notes] == ["several files", "file rejected (corrupt: cut off)", "no such file"]
    assert [note.candidates for note in notes] == [("a/x.jpg", "b/x.jpg"), ("a/torn.jpg",), ()]
    assert all(note.advice for note in notes)
    assert all(note.row == 4 for note in notes)


def test_names_are_suggested_for_those_that_matched_nothing_alone() -> None:
    notes = [note_of(INDEX.match(name), file="f", mention=Mention(4, name)) for name in ("x", "soldat")]
    assert [note.candidates for note in suggest_names(notes, INDEX)] == [("a/x.jpg", "b/x.jpg"), ("a/soldats.jpg",)]


def test_the_report_is_a_csv_with_text_cells_only(tmp_path: Path) -> None:
    many = tuple(f"{number}.jpg" for number in range(7))
    notes = [Note("-f.xlsx", 3, "=1+1", "no such file", ("@a, b", "é"), "x"), Note("", 0, "n", "p", many)]
    write_notes(tmp_path / "reports" / "g.csv", notes)
    content = (tmp_path / "reports" / "g.csv").read_bytes()
    assert content.startswith(b"\xef\xbb\xbf")  # without it Excel takes the accents for something else
    rows = list(csv.reader(content.decode("utf-8-sig").splitlines()))
    assert rows[0] == ["file", "row", "name", "problem", "candidates", "what to do"]
    assert rows[1] == ["'-f.xlsx", "3", "'=1+1", "no such file", "'@a, b | é", "x"]
    assert rows[2] == ["", "", "n", "p", "0.jpg | 1.jpg | 2.jpg | 3.jpg | 4.jpg | and 2 more", ""]
