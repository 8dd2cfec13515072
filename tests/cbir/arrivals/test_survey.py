import os
from pathlib import Path

import pytest

from cbir.arrivals.survey import Skipped, SourceFile, examine, survey

JPEG = b"\xff\xd8\xff\xe0" + bytes(100)


def test_images_are_known_by_extension_or_first_bytes_and_the_rest_is_named(tmp_path: Path) -> None:
    for name, content in {"b/scan.TIF": b"damaged", "a": JPEG, "list.xlsx": b"PK\x03\x04", ".hidden.jpg": JPEG}.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(content)
    files, skipped = survey(tmp_path)
    assert [(file.path, file.size) for file in files] == [("a", 104), ("b/scan.TIF", 7)]
    assert skipped == [
        Skipped(".hidden.jpg", "hidden, or left behind by a file manager"),
        Skipped("list.xlsx", "no image"),
    ]


def test_facts_tell_a_changed_file_though_its_time_was_set_back(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(JPEG)
    before = examine(path, tmp_path)
    path.write_bytes(JPEG)
    assert isinstance(before, SourceFile)
    os.utime(path, ns=(before.mtime, before.mtime))
    after = examine(path, tmp_path)
    assert isinstance(after, SourceFile)
    assert after.facts == before.facts
    assert after.changed > before.changed


def test_links_in_a_circle_are_left_out(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(JPEG)
    (tmp_path / "b.jpg").symlink_to(tmp_path / "c.jpg")
    (tmp_path / "c.jpg").symlink_to(tmp_path / "b.jpg")
    files, skipped = survey(tmp_path)
    assert [file.path for file in files] == ["a.jpg"]
    assert skipped == [Skipped(name, "a link that leads back to itself") for name in ("b.jpg", "c.jpg")]


@pytest.mark.parametrize(
    ("name", "head", "format"),
    [
        ("IMG_1.HEIC", b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "HEIC"),
        ("IMG_2", b"\0\0\0\x18ftypmif1\0\0\0\0mif1heic", "HEIC"),
        ("IMG_3.avif", b"\0\0\0\x1cftypmif1\0\0\0\0mif1avif", "AVIF"),
        ("IMG_4.heif", b"damaged", "HEIC"),
        ("plate.jxl", b"\xff\x0a", "JPEG XL"),
        ("poster.PSD", b"8BPS\0\1", "PSD"),
        ("album.djvu", b"AT&TFORM\0\0\0\x20DJVM", "DjVu"),
        ("album", b"%PDF-1.4\n", "PDF"),
        ("a.raf", b"FUJIFILMCCD-RAW ", "camera raw"),
        ("a.cr3", b"\0\0\0\x18ftypcrx \0\0\0\1", "camera raw"),
        ("a.eps", b"%!PS-Adobe", "PostScript"),
        ("a.tga", b"\0\0\2", "TGA"),
        ("a.svg", b"<svg>", "SVG"),
    ],
)
def test_a_picture_of_a_format_that_is_not_read_is_left_by_its_format(
    tmp_path: Path, name: str, head: bytes, format: str
) -> None:
    (tmp_path / name).write_bytes(head + bytes(100))
    files, (left,) = survey(tmp_path)
    assert (files, left.path, left.format) == ([], name, format)
    assert left.reason == f"{format}, a format that is not read; convert it to TIFF or JPEG"


def test_what_was_thrown_away_is_left_as_one_wastebasket(tmp_path: Path) -> None:
    for name in ("$RECYCLE.BIN/S-1-5-21/$RABC.jpg", "b/#Recycle/old.jpg", "a.jpg"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(JPEG)
    files, skipped = survey(tmp_path)
    assert [file.path for file in files] == ["a.jpg"]
    assert skipped == [Skipped("$RECYCLE.BIN", "a wastebasket"), Skipped("b/#Recycle", "a wastebasket")]
