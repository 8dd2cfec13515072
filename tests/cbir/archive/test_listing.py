import os
from collections.abc import Callable
from pathlib import Path

import pytest

from cbir.archive.listing import list_archive, require_names, require_plain
from cbir.base.errors import UserError


def make(path: Path, content: bytes = b"x") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def test_files_are_sorted_by_accession_and_path_at_any_depth(tmp_path: Path) -> None:
    for name in ("b/z.jpg", "b/a/b/c/d.jpg", "a b/x (1).tif", "B/é.png"):
        make(tmp_path / name)
    entries = list_archive(tmp_path).entries
    assert [entry.path for entry in entries] == ["B/é.png", "a b/x (1).tif", "b/a/b/c/d.jpg", "b/z.jpg"]
    assert [entry.accession for entry in entries] == ["B", "a b", "b", "b"]
    assert all(entry.readable and not entry.problem and entry.size == 1 for entry in entries)


def test_hidden_files_dvc_files_and_what_file_managers_leave_are_left_out(tmp_path: Path) -> None:
    for name in (".gitignore", "a.dvc", "a/.hidden.jpg", "a/.cache/x.jpg", "a/Thumbs.db", "a/desktop.ini"):
        make(tmp_path / name)
    for name in ("a/.DS_Store", "a/._x.jpg", "a/@eaDir/x.jpg", "a/__MACOSX/x.jpg", "a/b.dvc", "a/x.jpg"):
        make(tmp_path / name)
    listing = list_archive(tmp_path)
    assert [entry.path for entry in listing.entries] == ["a/x.jpg"]
    assert listing.loose == []


def test_files_directly_in_the_archive_belong_to_no_accession(tmp_path: Path) -> None:
    make(tmp_path / "loose.jpg")
    listing = list_archive(tmp_path)
    assert (listing.entries, listing.loose) == ([], ["loose.jpg"])


def test_a_decomposed_accent_stays_as_it_is_on_disk(tmp_path: Path) -> None:
    make(tmp_path / "a" / "caf\u0065\u0301.jpg")
    make(tmp_path / "a" / "caf\u00e9.jpg")
    assert {entry.path for entry in list_archive(tmp_path).entries} == {"a/cafe\u0301.jpg", "a/caf\u00e9.jpg"}


def test_a_name_that_is_no_utf8_costs_one_row(tmp_path: Path) -> None:
    make(Path(os.fsdecode(os.fsencode(tmp_path) + b"/a/caf\xe9.jpg")))
    (entry,) = list_archive(tmp_path).entries
    assert entry.path == "a/caf\\xe9.jpg"
    assert entry.problem == "its name is not valid UTF-8; rename the file"
    assert entry.readable and entry.file.read_bytes() == b"x"


def test_links_never_lead_out_of_the_archive_nor_to_folders(tmp_path: Path) -> None:
    archive, outside = tmp_path / "raw", make(tmp_path / "secret" / "s.jpg")
    inside = make(archive / "a" / "x.jpg")
    (archive / "a" / "inside.jpg").symlink_to(inside)
    (archive / "a" / "out.jpg").symlink_to(outside)
    (archive / "a" / "up.jpg").symlink_to("../../secret/s.jpg")
    (archive / "a" / "out_folder").symlink_to(outside.parent)
    (archive / "a" / "cycle").symlink_to(archive)
    (archive / "a" / "broken.jpg").symlink_to(archive / "a" / "nowhere.jpg")
    (archive / "linked accession").symlink_to(outside.parent)
    listed = {entry.path: (entry.readable, entry.problem) for entry in list_archive(archive).entries}
    out = (False, "it is a link that leads out of the archive; put the file itself here")
    assert listed == {
        "a/x.jpg": (True, ""),
        "a/inside.jpg": (True, ""),
        "a/out.jpg": out,
        "a/up.jpg": out,
        "a/out_folder": out,
        "a/cycle": (False, "it is a link to a folder, which is not followed"),
        "a/broken.jpg": (False, "it cannot be read: No such file or directory"),
        "linked accession": out,
    }


def test_an_archive_that_is_itself_a_link_is_read(tmp_path: Path) -> None:
    make(tmp_path / "disk" / "a" / "x.jpg")
    (tmp_path / "raw").symlink_to(tmp_path / "disk")
    assert [entry.path for entry in list_archive(tmp_path / "raw").entries] == ["a/x.jpg"]


def test_links_in_a_circle_cost_a_row_each(tmp_path: Path) -> None:
    make(tmp_path / "a" / "x.jpg")
    (tmp_path / "a" / "one.jpg").symlink_to(tmp_path / "a" / "two.jpg")
    (tmp_path / "a" / "two.jpg").symlink_to(tmp_path / "a" / "one.jpg")
    (tmp_path / "self").symlink_to(tmp_path / "self")
    listing = list_archive(tmp_path)
    assert [(entry.path, entry.problem) for entry in listing.entries] == [
        ("a/one.jpg", "it is a link that leads back to itself"),
        ("a/two.jpg", "it is a link that leads back to itself"),
        ("a/x.jpg", ""),
    ]
    assert listing.loose == ["self"]


def test_an_archive_that_is_a_link_to_itself_is_an_error_of_the_system(tmp_path: Path) -> None:
    (tmp_path / "raw").symlink_to(tmp_path / "raw")
    with pytest.raises(OSError, match="Too many levels of symbolic links"):
        list_archive(tmp_path / "raw")


def test_a_pipe_is_not_opened(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    os.mkfifo(tmp_path / "a" / "pipe.jpg")
    (entry,) = list_archive(tmp_path).entries
    assert (entry.readable, entry.problem) == (False, "it is no regular file")


def test_an_archive_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        list_archive(tmp_path / "nowhere")


def test_all_that_an_accession_may_hold_is_plain(tmp_path: Path) -> None:
    make(tmp_path / "raw" / "a" / "b" / "new\nline.jpg")
    make(tmp_path / "raw" / "a" / ".hidden")
    (tmp_path / "raw" / "a" / "link.jpg").symlink_to("b/new\nline.jpg")
    require_plain(tmp_path / "raw" / "a")


@pytest.mark.parametrize(
    ("name", "make_it", "sentence"),
    [
        (
            b"bad\xff.jpg",
            lambda path: path.touch(),
            r"raw/a/b/bad\\xff\.jpg has a name that is not valid UTF-8; rename it",
        ),
        (b"bad\xff", lambda path: path.mkdir(), r"raw/a/b/bad\\xff has a name"),
        (b".dvcignore", lambda path: path.touch(), r"raw/a/b/\.dvcignore tells DVC what to leave out.*remove it"),
        (b"p.jpg", os.mkfifo, r"raw/a/b/p\.jpg is no regular file \(a pipe.*remove it"),
        (b"l", lambda path: path.symlink_to(".."), r"raw/a/b/l is a link to a folder.*put the folder itself here"),
        (b"l.jpg", lambda path: path.symlink_to("nowhere"), r"raw/a/b/l\.jpg is a link that leads nowhere"),
        (
            b"l.jpg",
            lambda path: path.symlink_to("l.jpg"),
            r"raw/a/b/l\.jpg is a link that leads nowhere or back to itself",
        ),
    ],
)
def test_what_dvc_cannot_take_is_told_by_its_path_with_the_way_out(
    tmp_path: Path, name: bytes, make_it: Callable[[Path], None], sentence: str
) -> None:
    make(tmp_path / "raw" / "a" / "b" / "x.jpg")
    make_it(Path(os.fsdecode(os.fsencode(tmp_path) + b"/raw/a/b/" + name)))
    with pytest.raises(UserError, match=sentence) as caught:
        require_plain(tmp_path / "raw" / "a")
    str(caught.value).encode()


@pytest.mark.parametrize("name", ["new\nline", " before", "behind ", "a\tb", "\u202ebox"])
def test_an_accession_whose_name_no_gitignore_can_hold_is_told_of(tmp_path: Path, name: str) -> None:
    require_names([tmp_path / "Box 1 (1910)", tmp_path / "b[1]é"])
    with pytest.raises(
        UserError, match=r"spaces at an end of its name, or characters .* that cannot be seen; rename it"
    ):
        require_names([tmp_path / "a", tmp_path / name])


@pytest.mark.parametrize(
    "name",
    [
        *("$RECYCLE.BIN", "$Recycle.Bin", "RECYCLER", "Recycled", "#recycle", "@Recycle", "@recycle", "Recycle Bin"),
        *("Recycle Bin - Volume_1", "Network Recycle Bin 1", "Network Trash Folder", "Trash-1000", "trashbox", "Trash"),
        *("files_trashbin", "FOUND.000", "lost+found", "System Volume Information", "#snapshot", "@Recently-Snapshot"),
    ],
)
def test_wastebaskets_and_what_systems_keep_for_themselves_are_left_out_at_any_depth(tmp_path: Path, name: str) -> None:
    for path in (f"a/{name}/S-1-5-21/x.jpg", f"a/b/{name}/x.jpg", f"{name}/x.jpg", "a/x.jpg"):
        make(tmp_path / path)
    assert [entry.path for entry in list_archive(tmp_path).entries] == ["a/x.jpg"]


@pytest.mark.parametrize(
    "name", ["Recycle bins.jpg", "recycling", "Trash collectors 1921", "#1", "@home", "trash-1000.jpg"]
)
def test_a_name_that_only_begins_like_a_wastebaskets_stays(tmp_path: Path, name: str) -> None:
    make(tmp_path / "a" / name)
    assert [entry.path for entry in list_archive(tmp_path).entries] == [f"a/{name}"]


def test_files_directly_in_the_archive_are_an_accession_where_they_are_wanted(tmp_path: Path) -> None:
    (tmp_path / "scans" / "a").mkdir(parents=True)
    for name in ("x.jpg", "a/y.jpg"):
        (tmp_path / "scans" / name).touch()
    entries = list_archive(tmp_path / "scans", take_loose=True).entries
    assert {entry.path: entry.accession for entry in entries} == {"a/y.jpg": "a", "x.jpg": "scans"}
