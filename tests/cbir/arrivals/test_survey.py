import os
from pathlib import Path

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
