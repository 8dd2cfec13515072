from pathlib import Path

import openpyxl
import pytest

from cbir.base.errors import UserError
from cbir.labels.reference import Known, Reference, read_reference, require_believable
from tests.support.manifests import image_id_of, manifest
from tests.support.workbooks import write_workbook

ARCHIVE = manifest("acc/covid/a.jpg", "acc/covid/b.jpg", "acc/c.jpg")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "gt.csv").write_text("a;b\nnobody;c\n", encoding="utf-8")
    (tmp_path / "captions.csv").write_text("a.jpg;;Une tranchée\ngone.jpg;;Rien\n", encoding="utf-8")
    return tmp_path


def test_groups_captions_notes_and_an_account_come_from_the_reference_files(folder: Path) -> None:
    known = read_reference(Reference(folder, file="gt.csv", captions="captions.csv"), ARCHIVE)
    a, b = image_id_of("acc/covid/a.jpg"), image_id_of("acc/covid/b.jpg")
    assert known.groups == (tuple(sorted([a, b])),)
    assert known.captions == {a: "Une tranchée"}
    assert (known.names, known.matched) == (4, 3)
    assert [(note.file, note.name) for note in known.notes if note.problem == "no such file"] == [
        ("gt.csv", "nobody"),
        ("captions.csv", "gone.jpg"),
    ]
    assert known.account == (
        "layout row (found): 4 names in 2 groups",
        "3 names matched, 1 unmatched, 0 ambiguous, 0 rejected",
        "1 groups of two or more, 2 images in them",
        "2 captions for 1 images, 1 unmatched, 0 ambiguous, 0 rejected",
    )


def test_images_that_are_not_in_the_manifest_leave_no_trace_in_groups_and_captions(folder: Path) -> None:
    known = read_reference(Reference(folder, file="gt.csv", captions="captions.csv"), manifest("acc/c.jpg"))
    assert (known.groups, known.captions, known.matched) == ((), {}, 1)


def test_layout_folders_gives_classes_and_reads_no_file(folder: Path) -> None:
    known = read_reference(Reference(folder, layout="folders"), ARCHIVE)
    assert known.classes == {image_id_of(f"acc/covid/{name}.jpg"): "covid" for name in "ab"}
    assert (known.groups, known.account) == ((), ("layout folders: 2 images in 1 classes",))
    assert read_reference(Reference(folder, layout="folders", unlabelled=("COVID",)), ARCHIVE).classes == {}
    with pytest.raises(UserError, match=r"groundtruth\.file is gt\.csv, but layout folders reads no file"):
        read_reference(Reference(folder, file="gt.csv", layout="folders"), ARCHIVE)


def test_without_a_ground_truth_nothing_is_known_and_a_layout_for_one_is_a_mistake(folder: Path) -> None:
    account = ("no ground truth: groups can be found, but not evaluated",)
    assert read_reference(Reference(folder), ARCHIVE) == Known(account=account)
    with pytest.raises(UserError, match=r"groundtruth\.file is empty, but groundtruth\.layout is pairs"):
        read_reference(Reference(folder, layout="pairs"), ARCHIVE)


PAIRS = [(f"photo_{number}a.jpg", f"photo_{number}b.jpg") for number in range(1, 9)]
OF_PAIRS = manifest(*(f"acc/{name}" for pair in PAIRS for name in pair))


def read_rows(folder: Path, rows: list[list[object]], layout: str = "auto") -> Known:
    write_workbook(folder / "gt.xlsx", *rows)
    return read_reference(Reference(folder, file="gt.xlsx", layout=layout), OF_PAIRS)  # type: ignore[arg-type]


def test_headings_between_groups_are_told_in_the_account(tmp_path: Path) -> None:
    known = read_rows(
        tmp_path, [[None, None, None, cell] for n, pair in enumerate(PAIRS) for cell in (f"Groupe {n}", *pair)]
    )
    assert [len(group) for group in known.groups] == [2] * 8
    assert known.account == (
        'layout column (found): 16 names in 8 groups, parted by 8 headings or rules such as "Groupe 0"',
        "16 names matched, 0 unmatched, 0 ambiguous, 0 rejected",
        "8 groups of two or more, 16 images in them",
    )
    require_believable(known)


def test_a_ground_truth_that_makes_one_group_of_most_names_is_not_believed_but_as_a_layout_that_is_set(
    tmp_path: Path,
) -> None:
    rows: list[list[object]] = [[None, None, None, name.removesuffix(".jpg")] for pair in PAIRS for name in pair]
    known = read_rows(tmp_path, rows)
    assert [len(group) for group in known.groups] == [16]
    with pytest.raises(UserError, match=r"gt\.xlsx puts 16 of the 16 images that it names into one group") as caught:
        require_believable(known)
    assert "or --set groundtruth.layout=column if they do show one photograph" in str(caught.value)
    require_believable(read_rows(tmp_path, rows, "column"))


@pytest.mark.parametrize("heading", ["Marne {}", "{}", "Verdun, {} août"])
def test_names_without_extensions_below_headings_of_any_words_are_not_believed(tmp_path: Path, heading: str) -> None:
    cells = [cell.removesuffix(".jpg") for n, pair in enumerate(PAIRS) for cell in (heading.format(n), *pair)]
    with pytest.raises(UserError, match="one group"):
        require_believable(read_rows(tmp_path, [[None, None, None, cell] for cell in cells]))


def test_a_few_images_of_one_photograph_and_two_large_groups_are_believed(tmp_path: Path) -> None:
    names = [name for pair in PAIRS for name in pair]
    require_believable(read_rows(tmp_path, [[None, None, None, name] for name in names[:5]]))
    cells = [*names[:10], None, *names[10:]]
    known = read_rows(tmp_path, [[None, None, None, cell] for cell in cells])
    assert [len(group) for group in known.groups] == [10, 6] or [len(group) for group in known.groups] == [6, 10]
    require_believable(known)


def test_sheets_that_are_not_read_are_told_and_reported(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    draft, groups, more = book.active, book.create_sheet("groups"), book.create_sheet("1922")
    draft.title, draft.sheet_state, book.active = "draft", "hidden", 1
    draft.append([name for name, _ in PAIRS])
    groups.append(PAIRS[0])
    more.append(PAIRS[1])
    book.save(tmp_path / "gt.xlsx")
    known = read_reference(Reference(tmp_path, file="gt.xlsx"), OF_PAIRS)
    assert known.groups == (tuple(sorted(image_id_of(f"acc/{name}") for name in PAIRS[0])),)
    assert known.account[0] == 'gt.xlsx: sheet "groups" was read, not "draft" (hidden), "1922"'
    assert [(note.name, note.problem) for note in known.notes] == [
        ('sheet "draft" (hidden)', "sheet not read"),
        ('sheet "1922"', "sheet not read"),
    ]


def test_incomplete_rows_are_counted_in_the_account(tmp_path: Path) -> None:
    (tmp_path / "gt.csv").write_text("group,file\n1,photo_1a\n1,photo_1b\n2,\n", encoding="utf-8")
    (tmp_path / "captions.csv").write_text("photo_1a;one\nphoto_1b\nphoto_2a;two\n", encoding="utf-8")
    known = read_reference(Reference(tmp_path, file="gt.csv", captions="captions.csv"), OF_PAIRS)
    assert known.account[1] == "2 names matched, 0 unmatched, 0 ambiguous, 0 rejected, 1 rows incomplete"
    assert known.account[3] == "2 captions for 2 images, 0 unmatched, 0 ambiguous, 0 rejected, 1 rows incomplete"
