import errno
import os
import tempfile
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cbir.base.errors import UserError
from cbir.base.files import read_json, read_table, write_parquet, writing, writing_folder


def test_a_file_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    target = tmp_path / "new" / "report.csv"
    with pytest.raises(ZeroDivisionError), writing(target) as temporary:
        temporary.write_text("half")
        raise ZeroDivisionError
    assert list(target.parent.iterdir()) == []
    with writing(target) as temporary:
        temporary.write_text("whole")
        assert not target.exists()
    assert [path.name for path in target.parent.iterdir()] == ["report.csv"]
    assert target.read_text() == "whole"


def test_a_folder_takes_the_place_of_the_old_one_with_nothing_left_of_it(tmp_path: Path) -> None:
    target = tmp_path / "folder"
    with writing_folder(target) as temporary:
        (temporary / "old").write_text("1")
    with pytest.raises(ZeroDivisionError), writing_folder(target) as temporary:
        (temporary / "half").write_text("2")
        raise ZeroDivisionError
    assert [path.name for path in target.iterdir()] == ["old"]
    with writing_folder(target) as temporary:
        (temporary / "new").write_text("3")
    assert [path.name for path in target.iterdir()] == ["new"]
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]


@pytest.mark.parametrize("place", [writing, writing_folder])
def test_a_writer_that_cannot_say_why_it_failed_is_told_from_a_full_disk(
    place: Callable[[Path], AbstractContextManager[Path]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(RuntimeError, match="unexpected pos"), place(tmp_path / "out"):
        raise RuntimeError("unexpected pos 64 vs 0")

    def full(**_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(tempfile, "TemporaryFile", full)
    with pytest.raises(OSError, match="No space left"), place(tmp_path / "out"):
        raise RuntimeError("unexpected pos 64 vs 0")
    with pytest.raises(UserError), place(tmp_path / "out"):
        raise UserError("the user's mistake is the reason")
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_process_left_is_removed_and_what_a_living_one_writes_is_kept(tmp_path: Path) -> None:
    dead = tmp_path / ".out[1].4194305.tmp"  # above the greatest process number of Linux
    dead.mkdir()
    (dead / "part").write_text("half")
    living = tmp_path / f".out[1].{os.getppid()}.tmp"
    living.write_text("being written")
    other = tmp_path / ".out1.4194305.tmp"
    other.write_text("of another file")
    with writing(tmp_path / "out[1]") as temporary:
        temporary.write_text("whole")
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([living.name, other.name, "out[1]"])


def test_the_same_table_gives_the_same_bytes_and_metadata_is_added(tmp_path: Path) -> None:
    table = pa.table({"a": [1, 2, 3]}).replace_schema_metadata({"kept": "yes"})
    write_parquet(tmp_path / "1.parquet", table, metadata={"encoder": "abc"})
    write_parquet(tmp_path / "2.parquet", table, metadata={"encoder": "abc"})
    assert (tmp_path / "1.parquet").read_bytes() == (tmp_path / "2.parquet").read_bytes()
    metadata = pq.read_schema(tmp_path / "1.parquet").metadata
    assert metadata == {b"kept": b"yes", b"encoder": b"abc"}


@pytest.mark.parametrize("content", [None, b"", b"PAR1 cut off", b"\xff\xfe"])
def test_a_result_that_is_gone_or_damaged_is_told_with_the_stage_that_makes_it(
    tmp_path: Path, content: bytes | None
) -> None:
    path = tmp_path / "result"
    if content is not None:
        path.write_bytes(content)
    wrong = "is not there; `cbir run` makes it" if content is None else "is damaged; `cbir run` makes it anew"
    for read in (read_table, read_json):
        with pytest.raises(UserError) as refused:
            read(path, name="the table", stage="group")
        assert str(refused.value) == f"{path}, the table, {wrong} (stage group)"
