from dataclasses import replace
from pathlib import Path

import pytest

from cbir.archive.manifest import SCHEMA, Row, in_order, read_manifest, unique_images, write_manifest
from cbir.base.errors import UserError

ROW = Row(
    image_id="b" * 32,
    path="first/é.jpg",
    page=0,
    accession="first",
    bytes=10,
    width=400,
    height=300,
    format="JPEG",
    mode="rgb8",
    status="ok",
    reason=None,
    duplicate_of=None,
    phash="0" * 16,
)
EMPTY = replace(ROW, image_id=None, path="first/empty.jpg", width=None, height=None, status="corrupt", reason="empty")


def test_rows_come_back_as_they_were_written_with_whole_numbers_and_nulls(tmp_path: Path) -> None:
    write_manifest(tmp_path / "manifest.parquet", [EMPTY, ROW])
    manifest = read_manifest(tmp_path / "manifest.parquet")
    assert list(manifest.columns) == SCHEMA.names
    assert manifest["width"].isna().tolist() == [True, False]
    assert manifest["width"][1] == 400
    assert manifest["bytes"].tolist() == [10, 10]
    assert manifest["image_id"].isna().tolist() == [True, False]
    assert manifest["path"].tolist() == ["first/empty.jpg", "first/é.jpg"]


def test_the_same_rows_give_the_same_bytes(tmp_path: Path) -> None:
    write_manifest(tmp_path / "1.parquet", [EMPTY, ROW])
    write_manifest(tmp_path / "2.parquet", [EMPTY, ROW])
    assert (tmp_path / "1.parquet").read_bytes() == (tmp_path / "2.parquet").read_bytes()


def test_a_missing_manifest_is_told_with_the_way_out(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"`cbir run` makes it \(stage clean\)"):
        read_manifest(tmp_path / "manifest.parquet")


def test_unique_images_are_the_usable_ones_once_each_by_their_first_place_sorted_by_image_id(tmp_path: Path) -> None:
    rows = [
        EMPTY,
        replace(ROW, path="first/rejected.jpg", status="corrupt", reason="it crashed the decoder (signal 11)"),
        replace(ROW, path="first/z.jpg"),
        replace(ROW, path="second/a.jpg", accession="second"),
        replace(ROW, path="second/b.jpg", accession="second", image_id="a" * 32, page=1),
        replace(ROW, path="second/blank.jpg", accession="second", image_id="c" * 32, status="blank"),
    ]
    write_manifest(tmp_path / "manifest.parquet", rows)
    images = unique_images(read_manifest(tmp_path / "manifest.parquet"))
    assert images[["image_id", "path", "page", "accession", "width", "height"]].to_dict("records") == [
        {"image_id": "a" * 32, "path": "second/b.jpg", "page": 1, "accession": "second", "width": 400, "height": 300},
        {"image_id": "b" * 32, "path": "first/z.jpg", "page": 0, "accession": "first", "width": 400, "height": 300},
    ]
    assert images["width"].dtype == "int64"
    assert images.index.tolist() == [0, 1]


def test_accessions_named_by_the_time_of_their_landing_come_after_all_others(tmp_path: Path) -> None:
    names = ["20261125T051000Z", "press", "20251125T051000Z", "1921"]
    rows = [replace(ROW, accession=name, path=f"{name}/a.jpg") for name in names]
    write_manifest(tmp_path / "manifest.parquet", rows)
    manifest = read_manifest(tmp_path / "manifest.parquet")
    assert in_order(manifest)["accession"].tolist() == ["1921", "press", "20251125T051000Z", "20261125T051000Z"]
    assert unique_images(manifest)["path"].tolist() == ["1921/a.jpg"]
