"""Tests of cbir.snapshot."""

from pathlib import Path

import pandas as pd
import pytest

from cbir.errors import UserError
from cbir.snapshot import Snapshot, snapshot_of
from tests.cbir.findings import grouped
from tests.cbir.manifests import identity, manifest

TABLE = manifest("a/1", "a/2", copies={"b/1": "a/1"}, rejected={"b/x": "cut off"}, pages={"a/2": 2})
GROUPS = grouped(g=("a/1", "a/2"))


def test_a_snapshot_holds_every_page_of_every_file_with_its_group() -> None:
    files = snapshot_of(TABLE, GROUPS).files
    assert list(zip(files["path"], files["page"], files["usable"], strict=True)) == [
        ("a/1", 0, True),
        ("a/2", 0, True),
        ("a/2", 1, True),
        ("b/1", 0, True),
        ("b/x", 0, False),
    ]
    assert files["group_id"].fillna("").tolist() == [identity("a/1"), identity("a/1"), "", identity("a/1"), ""]


def test_an_image_in_several_files_is_one() -> None:
    images = snapshot_of(TABLE, GROUPS).images
    assert images["image_id"].tolist() == [identity("a/1"), identity("a/2"), identity("a/2", 1)]


def test_a_snapshot_reads_back_and_the_same_one_gives_the_same_bytes(tmp_path: Path) -> None:
    one = snapshot_of(TABLE, GROUPS)
    for name in ("one", "other"):
        one.write(tmp_path / name)
    pd.testing.assert_frame_equal(Snapshot.read(tmp_path / "one").files, one.files)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "other").read_bytes()


def test_an_archive_without_files_has_an_empty_snapshot(tmp_path: Path) -> None:
    snapshot_of(manifest(), grouped()).write(tmp_path / "x")
    assert Snapshot.read(tmp_path / "x").images.empty


def test_a_damaged_snapshot_is_told_with_the_way_out(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"PAR1 and no more")
    with pytest.raises(UserError, match=r"x, which tells what is new in the archive, cannot be read.*delete it"):
        Snapshot.read(tmp_path / "x")
