from pathlib import Path

import pytest

from cbir.errors import UserError
from cbir.labels.reference import Known, Reference, read_reference
from tests.support.manifests import image_id_of, manifest

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
