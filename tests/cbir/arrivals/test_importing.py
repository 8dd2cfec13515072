import os
import unicodedata
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import TypeVar

import pandas as pd
import pytest

from cbir.arrivals.importing import bring_in, bring_reference, write_left_out
from cbir.base.errors import UserError
from tests.support.workbooks import write_workbook

JPEG = b"\xff\xd8\xff\xe0" + bytes(100)
T = TypeVar("T")


def tree(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A folder of three images, one of them named as if it were none."""
    folder = tmp_path / "Scans de l'été 1914"
    files = {"été.jpg": JPEG, "deep/er/b 1.TIF": b"damaged", "no extension": JPEG + b"1"}
    for number, (name, content) in enumerate(files.items()):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        os.utime(path, ns=(10**18 + number, 10**18 + number))
    return folder


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    return tmp_path / "data" / "raw"


@pytest.mark.parametrize("link", [False, True])
def test_the_images_of_a_folder_become_an_accession(source: Path, archive: Path, link: bool) -> None:
    made = bring_in(source, archive, name="été-1914", link=link)
    assert made.path == archive / "été-1914"
    assert tree(made.path) == tree(source)
    assert (made.files, made.bytes, made.skipped) == (3, sum(map(len, tree(source).values())), ())
    assert made.linked == (3 if link else 0)
    assert [(made.path / name).stat().st_mtime_ns for name in tree(source)] == [
        (source / name).stat().st_mtime_ns for name in tree(source)
    ]
    assert sorted(path.name for path in archive.iterdir()) == ["été-1914"]


def test_links_to_another_disk_become_copies(source: Path, archive: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr(os, "link", refuse)
    made = bring_in(source, archive, link=True)
    assert (made.linked, tree(made.path)) == (0, tree(source))


def test_the_name_is_made_from_the_folders_with_its_accents(source: Path, archive: Path) -> None:
    assert bring_in(source, archive).name == "Scans-de-l-été-1914"


def test_a_folders_name_in_the_other_unicode_form_gives_the_same_accession(source: Path, archive: Path) -> None:
    moved = source.rename(source.with_name(unicodedata.normalize("NFD", "Été")))
    assert bring_in(moved, archive).name == "Été"


def test_what_is_no_image_or_leads_out_is_left_and_reported(source: Path, archive: Path, tmp_path: Path) -> None:
    (tmp_path / "secret.jpg").write_bytes(JPEG)
    (tmp_path / "elsewhere").mkdir()
    for name in ("Thumbs.db", ".hidden.jpg", ".hidden/a.jpg", "groundtruth.xlsx", "empty"):
        (source / name).parent.mkdir(exist_ok=True)
        (source / name).write_bytes(b"PK\x03\x04" if name != "empty" else b"")
    (source / "out.jpg").symlink_to(tmp_path / "secret.jpg")
    (source / "outer").symlink_to(tmp_path / "elsewhere")
    (source / "loop").symlink_to(source)
    (source / "gone.jpg").symlink_to(source / "nothing")
    (source / "inner.jpg").symlink_to(source / "été.jpg")
    os.mkfifo(source / "pipe.jpg")
    Path(os.fsdecode(os.fsencode(source) + b"/\xe9.jpg")).write_bytes(JPEG)
    made = bring_in(source, archive, name="a")
    assert {(skip.path, skip.reason) for skip in made.skipped} == {
        ("Thumbs.db", "hidden, or left behind by a file manager"),
        (".hidden.jpg", "hidden, or left behind by a file manager"),
        (".hidden", "hidden, or left behind by a file manager"),
        ("groundtruth.xlsx", "no image"),
        ("empty", "no image"),
        ("out.jpg", "a link that leads out of the folder"),
        ("outer", "a link that leads out of the folder"),
        ("loop", "a link to a folder"),
        ("gone.jpg", "cannot be read"),
        ("pipe.jpg", "no regular file"),
        ("\\xe9.jpg", "its name is not valid UTF-8"),
    }
    assert made.skipped_by_reason["no image"] == 2
    assert set(tree(made.path)) == {"été.jpg", "deep/er/b 1.TIF", "no extension", "inner.jpg"}
    assert not any(path.is_symlink() for path in made.path.rglob("*"))


def stopping_after(count: int) -> object:
    def progress(iterable: Iterable[T], /, *, total: int | None = None, desc: str = "", unit: str = "") -> Iterator[T]:
        for number, item in enumerate(iterable):
            if number == count:
                raise KeyboardInterrupt
            yield item

    return progress


def test_after_an_interruption_nothing_is_there_and_the_next_call_goes_on(source: Path, archive: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        bring_in(source, archive, name="a", progress=stopping_after(2))  # type: ignore[arg-type]
    assert not (archive / "a").exists()
    assert all(path.name.startswith(".") for path in archive.iterdir())  # hidden, so no stage reads it
    copied: list[object] = []

    def progress(iterable: Iterable[T], /, *, total: int | None = None, desc: str = "", unit: str = "") -> Iterator[T]:
        for item in iterable:
            copied.append(item)
            yield item

    made = bring_in(source, archive, name="a", progress=progress)
    assert len(copied) == 1
    assert tree(made.path) == tree(source)
    assert sorted(path.name for path in archive.iterdir()) == ["a"]


def test_what_changed_in_the_source_since_an_interruption_is_brought_in_anew(source: Path, archive: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        bring_in(source, archive, name="a", progress=stopping_after(3 - 1))  # type: ignore[arg-type]
    (source / "été.jpg").write_bytes(JPEG + b"changed")
    (source / "deep" / "er" / "b 1.TIF").unlink()
    assert tree(bring_in(source, archive, name="a").path) == tree(source)


@pytest.mark.parametrize("name", ["", "a b", "a/b", "../a", ".a", "-a", "a.dvc", "a.tmp", "a:b", "a" * 101, "é" * 51])
def test_a_name_that_would_make_trouble_is_refused(source: Path, archive: Path, name: str) -> None:
    with pytest.raises(UserError, match="would do") as caught:
        bring_in(source, archive, name=name)
    assert "\n" not in str(caught.value)
    assert not any(archive.iterdir())


@pytest.mark.parametrize("taken", ["Scans", "SCANS", "scans.dvc"])
def test_a_name_that_is_taken_is_refused(source: Path, archive: Path, taken: str) -> None:
    (archive / taken).mkdir(parents=True)
    with pytest.raises(UserError, match="give this one another name with --accession"):
        bring_in(source, archive, name="scans")


def test_a_source_that_is_no_folder_of_images_is_refused(source: Path, archive: Path, tmp_path: Path) -> None:
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts" / "a.txt").write_text("text")
    (tmp_path / "void").mkdir()
    for folder, what in [
        (tmp_path / "nowhere", "is not there"),
        (source / "été.jpg", "is not a folder"),
        (tmp_path / "texts", r"^no images in .*texts \(1 skipped: no image\)"),
        (tmp_path / "void", "it is empty"),
        (tmp_path, "holds the archive"),
        (tmp_path / "data", "holds the archive"),
    ]:
        with pytest.raises(UserError, match=what):
            bring_in(folder, archive, name="a")
    inside = bring_in(source, archive, name="a").path
    with pytest.raises(UserError, match="lies in the archive"):
        bring_in(inside, archive, name="b")


def test_a_disk_without_room_is_told_before_anything_is_copied(
    source: Path, archive: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=100_000_050))
    with pytest.raises(UserError, match="100 MB free, but the copies need 0 MB and 100 MB have to stay"):
        bring_in(source, archive, name="a")
    assert not any(archive.iterdir())
    assert bring_in(source, archive, name="a", link=True).files == 3


def test_a_file_that_cannot_be_copied_is_named(source: Path, archive: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "utime", fail)
    with pytest.raises(UserError, match=r"b 1\.TIF did not get into .*\(No space left on device\)"):
        bring_in(source, archive, name="a")
    assert not (archive / "a").exists()


def test_reference_files_get_their_own_name_among_the_reference_files(tmp_path: Path) -> None:
    reference = tmp_path / "data" / "reference"
    groundtruth = write_workbook(tmp_path / "gt.xlsx", ["a", "b"])
    captions = tmp_path / "captions.csv"
    captions.write_text("a;b;c\n")
    write_workbook(tmp_path / "sheets" / "Album.xlsx", ["legende", "Num photo"], ["text", 1])
    (tmp_path / "sheets" / "other.txt").write_text("x")
    assert bring_reference(groundtruth, reference, kind="groundtruth") == reference / "gt.xlsx"
    assert bring_reference(captions, reference, kind="captions") == reference / "captions.csv"
    assert bring_reference(tmp_path / "sheets", reference, kind="captions") == reference / "sheets"
    assert set(tree(reference)) == {"gt.xlsx", "captions.csv", "sheets/Album.xlsx"}
    for again in (groundtruth, reference / "gt.xlsx"):
        assert bring_reference(again, reference, kind="groundtruth") == reference / "gt.xlsx"
    assert bring_reference(tmp_path / "sheets", reference, kind="captions") == reference / "sheets"


def test_another_reference_file_of_that_name_is_never_replaced(tmp_path: Path) -> None:
    reference = tmp_path / "reference"
    bring_reference(write_workbook(tmp_path / "gt.xlsx", ["a", "b"]), reference, kind="groundtruth")
    before = tree(reference)
    with pytest.raises(UserError, match="is there already with other content"):
        bring_reference(write_workbook(tmp_path / "other" / "gt.xlsx", ["a", "c"]), reference, kind="groundtruth")
    assert tree(reference) == before


def test_a_reference_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    (tmp_path / "gt.xlsx").write_text("no workbook")
    sheet = write_workbook(tmp_path / "Album.xlsx", ["a", "b"], [1, 2])
    for file, kind, what in [
        (tmp_path / "gt.xlsx", "groundtruth", "is not an Excel workbook"),
        (tmp_path / "nowhere.csv", "groundtruth", "--groundtruth .* is not there"),
        (sheet, "captions", "must have a column of captions"),
    ]:
        with pytest.raises(UserError, match=what):
            bring_reference(file, tmp_path / "reference", kind=kind)  # type: ignore[arg-type]
    assert not (tmp_path / "reference").exists()


@pytest.mark.parametrize("target", ["raw", "disk that is gone/raw"])
def test_an_archive_behind_a_link_that_leads_nowhere_is_told_with_the_way_out(tmp_path: Path, target: str) -> None:
    (tmp_path / "scans").mkdir()
    (tmp_path / "scans" / "a.jpg").write_bytes(b"\xff\xd8\xff")
    (tmp_path / "raw").symlink_to(tmp_path / target)
    with pytest.raises(UserError, match=r"raw \(a link to .*bring the disk or network folder back"):
        bring_in(tmp_path / "scans", tmp_path / "raw")


@pytest.mark.parametrize("name", ["99991231T235959Z", "20261125T051000Z", "00000000T000000Z"])
def test_a_name_that_says_when_it_landed_is_kept_for_what_lands(tmp_path: Path, name: str) -> None:
    (tmp_path / "scans").mkdir()
    (tmp_path / "scans" / "a.jpg").write_bytes(b"\xff\xd8\xff")
    with pytest.raises(UserError, match=f"accession {name} is named by a time.*another name with --accession"):
        bring_in(tmp_path / "scans", tmp_path / "raw", name=name)


def test_what_was_left_is_counted_by_format_and_listed_in_a_table(source: Path, archive: Path, tmp_path: Path) -> None:
    for name in ("1.heic", "2.HEIC", "=a.psd", "list.xlsx"):
        (source / name).write_bytes(b"PK\x03\x04")
    made = bring_in(source, archive, name="a")
    assert made.unread_formats == {"HEIC": 2, "PSD": 1}
    assert made.skipped_by_reason == {"no image": 1}
    write_left_out(tmp_path / "reports" / "imports" / "a.csv", made)
    table = pd.read_csv(tmp_path / "reports" / "imports" / "a.csv", encoding="utf-8-sig")
    assert table["path"].tolist() == ["1.heic", "2.HEIC", "'=a.psd", "list.xlsx"]
    assert table["reason"].str.split(",").str[0].tolist() == ["HEIC", "HEIC", "PSD", "no image"]
