"""Tests of cbir.groups.decisions.journal."""

import logging
import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from cbir.base.errors import UserError
from cbir.groups.decisions.journal import COLUMNS, append_decision, now, read_decisions
from tests.support.decisions import chance_decisions, decision

ROOT = Path(__file__).parents[4]
ONE, TWO = "1" * 32, "2" * 32
SAID = decision(ONE, "=", TWO)
HEADER = ",".join(COLUMNS)
ROW = f"2026-11-28T10:00:00+00:00,Anne,a.jpg,b.jpg,different,,{ONE},{TWO}"


def written(tmp_path: Path, *lines: str, end: str = "\n") -> Path:
    path = tmp_path / "decisions.csv"
    path.write_bytes(("\n".join(lines) + end).encode())
    return path


def test_decisions_are_read_as_they_were_appended(tmp_path: Path) -> None:
    path = tmp_path / "data/decisions.csv"
    said = [SAID, replace(SAID, person="Béa", note='a "sharp" one, cropped', relation="unsure", time=now())]
    for each in said:
        append_decision(path, each)
    assert read_decisions(path) == said
    assert path.read_text(encoding="utf-8").splitlines()[0] == HEADER


def test_without_a_file_or_with_an_empty_one_nothing_is_decided(tmp_path: Path) -> None:
    assert read_decisions(tmp_path / "none.csv") == []
    assert read_decisions(written(tmp_path, end="")) == []
    assert read_decisions(written(tmp_path, HEADER)) == []


def test_rows_that_are_there_stay_byte_for_byte(tmp_path: Path) -> None:
    path = written(tmp_path, HEADER, ROW)
    before = path.read_bytes()
    append_decision(path, SAID)
    assert path.read_bytes().startswith(before)
    assert [each.relation for each in read_decisions(path)] == ["different", "same photograph"]


def test_a_note_of_several_lines_is_one_row_and_no_cell_is_a_formula(tmp_path: Path) -> None:
    path = tmp_path / "decisions.csv"
    append_decision(path, replace(SAID, note="=1+1\r\nsee\tverso", person="@anne", first_file="-x.jpg"))
    (only,) = read_decisions(path)
    assert (only.note, only.person, only.first_file) == ("'=1+1 see verso", "'@anne", "'-x.jpg")
    assert len(path.read_text(encoding="utf-8").splitlines()) == 2


@pytest.mark.parametrize(
    ("row", "sentence"),
    [
        (ROW.replace("+00:00", ""), "time must be ISO 8601 in UTC, such as "),
        (ROW.replace("+00:00", "+02:00"), "time must be ISO 8601 in UTC, such as "),
        (ROW.replace("2026-11-28T10:00:00+00:00", "28/11/2026"), "is '28/11/2026'"),
        (ROW.replace("Anne", " "), "person must be a name, is empty"),
        (ROW.replace(ONE, "old/a.jpg"), "first must be an image_id, 32 hex characters, is 'old/a.jpg'"),
        (ROW.replace(TWO, ONE), f"first and second must be two images, are both {ONE}"),
        (ROW.replace("different", "other"), "relation must be one of same photograph, same scene, different, unsure"),
        (ROW + ",more", "a row must have 8 cells, has 9"),
        ("a,b", "a row must have 8 cells, has 2"),
        (ROW.replace("Anne", '"Anne"x'), "the row must be CSV, but "),
    ],
)
def test_a_bad_row_is_one_sentence_with_its_line(tmp_path: Path, row: str, sentence: str) -> None:
    path = written(tmp_path, HEADER, ROW, row, ROW)
    with pytest.raises(UserError, match=re.escape(sentence)) as caught:
        read_decisions(path)
    assert str(caught.value).startswith(f"{path}, line 3: ")
    assert str(caught.value).endswith("; mend it, or take the file back from git")


def test_a_quote_that_is_never_closed_is_told_by_the_line_where_it_opens(tmp_path: Path) -> None:
    path = written(tmp_path, HEADER, ROW.replace("Anne", '"Anne'), ROW)
    with pytest.raises(UserError, match="line 2: the row must be CSV"):
        read_decisions(path)


def test_another_header_and_another_encoding_are_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"line 1: the header must be time,person,.*, is 'date,who'"):
        read_decisions(written(tmp_path, "date,who", ROW))
    path = written(tmp_path, HEADER)
    path.write_bytes(path.read_bytes() + ROW.replace("Anne", "Zoé").encode("latin-1") + b"\n")
    with pytest.raises(UserError, match=r"line 2: the file must be UTF-8"):
        read_decisions(path)


def test_a_file_that_a_spreadsheet_program_saved_is_read(tmp_path: Path) -> None:
    path = written(tmp_path, HEADER, ROW, "")
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n"))
    assert len(read_decisions(path)) == 1
    append_decision(path, SAID)
    assert len(read_decisions(path)) == 2


@pytest.mark.parametrize("kept", range(1, len(ROW)))
def test_a_row_that_was_cut_anywhere_is_no_decision_and_goes_when_the_next_comes(
    tmp_path: Path, kept: int, caplog: pytest.LogCaptureFixture
) -> None:
    path = written(tmp_path, HEADER, ROW, ROW[:kept], end="")
    with caplog.at_level(logging.WARNING):
        assert len(read_decisions(path)) == 1
    assert "ends in an unfinished row, which is no decision" in caplog.text
    append_decision(path, SAID)
    assert [each.relation for each in read_decisions(path)] == ["different", "same photograph"]


def test_a_last_row_that_lacks_its_line_break_alone_is_a_decision_and_stays(tmp_path: Path) -> None:
    path = written(tmp_path, HEADER, ROW, end="")
    assert len(read_decisions(path)) == 1
    append_decision(path, SAID)
    assert [each.relation for each in read_decisions(path)] == ["different", "same photograph"]


def test_what_is_no_decision_is_not_appended(tmp_path: Path) -> None:
    path = tmp_path / "decisions.csv"
    with pytest.raises(UserError, match=r"^a decision's person must be a name, is empty$"):
        append_decision(path, replace(SAID, person="\n"))
    assert not path.exists()


NO_ROOM = """
import resource, sys
from pathlib import Path
from cbir.groups.decisions.journal import append_decision
from tests.support.decisions import chance_decisions, decision

path = Path(sys.argv[1])
resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size + 20,) * 2)  # bytes; the row takes more
try:
    append_decision(path, decision("1" * 32, "=", "2" * 32))
except OSError as error:
    print(error.strerror)
"""


def test_where_there_is_no_room_for_a_row_the_file_stays_as_it_was(tmp_path: Path) -> None:
    path = written(tmp_path, HEADER, ROW)
    before = path.read_bytes()
    done = subprocess.run([sys.executable, "-c", NO_ROOM, str(path)], cwd=ROOT, capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("File too large\n", "")
    assert path.read_bytes() == before


def test_a_row_that_does_not_reach_the_disk_is_taken_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = written(tmp_path, HEADER, ROW)
    before = path.read_bytes()

    def broken(number: int) -> None:
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patch, pytest.raises(OSError, match="Input/output error"):
        patch.setattr(os, "fsync", broken)
        append_decision(path, SAID)
    assert path.read_bytes() == before


DECISIONS = int(os.environ.get("CBIR_DECISIONS", "160"))  # of two writers together, with a kill every twenty
WRITER = """
import sys
from pathlib import Path
from cbir.groups.decisions.journal import append_decision, read_decisions
from tests.support.decisions import chance_decisions

name, path, count = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
done = sum(each.person == name for each in read_decisions(path))
for said in chance_decisions(name, count)[done:]:
    append_decision(path, said)
"""


@pytest.mark.heavy
def test_two_writers_that_are_killed_again_and_again_lose_and_double_no_decision(tmp_path: Path) -> None:
    path, count = tmp_path / "decisions.csv", DECISIONS // 2
    names = ("Anne", "Ben")

    def start(name: str) -> "subprocess.Popen[bytes]":
        return subprocess.Popen([sys.executable, "-c", WRITER, name, str(path), str(count)], cwd=ROOT)

    writers = {name: start(name) for name in names}
    kills = DECISIONS // 20
    for kill in range(kills):
        while len(read_decisions(path)) < (kill + 1) * DECISIONS // (2 * kills + 1):
            time.sleep(0.01)
        name = names[kill % 2]
        writers[name].send_signal(signal.SIGKILL)
        writers[name].wait()
        writers[name] = start(name)
    assert [writer.wait(timeout=200) for writer in writers.values()] == [0, 0]
    for name in names:
        assert [each for each in read_decisions(path) if each.person == name] == chance_decisions(name, count)
