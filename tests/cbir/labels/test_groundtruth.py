from collections.abc import Sequence

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cbir.archive.manifest import unique_images
from cbir.labels.files import GROUNDTRUTH, TRAINING
from cbir.labels.groundtruth import (
    Groups,
    count_labels,
    folder_classes,
    keep_splits,
    label_images,
    resolve_groups,
    split_sizes,
    unite,
)
from cbir.labels.layouts.reading import Fault, Mention, Reading
from cbir.labels.names import NameIndex
from cbir.labels.notes import Note
from cbir.labels.splits import split_of
from tests.support.manifests import image_id_of, manifest

ARCHIVE = manifest(*(f"acc/{letter}.jpg" for letter in "abcdefgh"), copies={"new/copy of a.jpg": "acc/a.jpg"})
A, B, C, D, E, F = (image_id_of(f"acc/{letter}.jpg") for letter in "abcdef")


def reading(*groups: str, apart: Sequence[str] = (), faults: Sequence[Fault] = (), layout: str = "column") -> Reading:
    """Groups of names, divided by commas, one name a row."""
    row = 0
    read = []
    for group in groups:
        read.append(tuple(Mention(row := row + 1, name) for name in group.split(",")))
        row += layout == "column"
    pairs = [tuple(Mention(row + 1, name) for name in pair.split(",")) for pair in apart]
    return Reading(layout, tuple(read), tuple(pairs), tuple(faults))  # type: ignore[arg-type]


def resolve(given: Reading) -> tuple[set[frozenset[str]], list[Note]]:
    groups = resolve_groups(given, NameIndex(ARCHIVE), file="gt.xlsx")
    return {frozenset(group) for group in groups.members}, list(groups.notes)


@given(st.lists(st.lists(st.sampled_from("abcdefghij"), max_size=5), max_size=12))
def test_union_joins_exactly_what_shares_members(groups: list[list[str]]) -> None:
    united = unite(groups)
    reached = {letter: {letter} for letter in "abcdefghij"}
    for _ in reached:  # the naive way: spread until nothing more is reached
        for group in groups:
            everything = set().union(*(reached[letter] for letter in group))
            for letter in group:
                reached[letter] = reached[letter] | everything
        for letter, others in reached.items():
            reached[letter] = set().union(*(reached[other] for other in others))
    expected = {frozenset(component) for component in reached.values() if len(component) > 1}
    assert {frozenset(group) for group in united} == expected
    assert sum(map(len, united)) == len(set().union(*united))


@given(st.permutations([["a", "b"], ["b", "c"], ["d", "e"], ["e", "f", "d"], ["g"]]))
def test_union_does_not_depend_on_the_order(groups: list[list[str]]) -> None:
    assert unite(groups) == [["a", "b", "c"], ["d", "e", "f"]]


def test_groups_that_share_an_image_are_one_and_a_note_says_so() -> None:
    groups, notes = resolve(reading("a,b", "c,d", "b.JPG,c"))
    assert groups == {frozenset((A, B, C, D))}
    assert [(note.row, note.name, note.problem) for note in notes] == [
        (2, "b", "in several groups (rows 2, 7)"),
        (4, "c", "in several groups (rows 4, 8)"),
    ]


def test_a_group_of_one_is_none_and_a_note_says_so() -> None:
    groups, notes = resolve(reading("a", "b,missing", "c,d", "c"))
    assert groups == {frozenset((C, D))}
    assert [note.name for note in notes if note.problem == "alone in its group"] == ["a", "b"]


def test_an_image_twice_in_its_group_counts_once() -> None:
    groups, notes = resolve(reading("a,b,a,new/copy of a"))
    assert groups == {frozenset((A, B))}
    assert [(note.row, note.problem) for note in notes] == [
        (3, "twice in its group (row 1)"),
        (4, "the same image as a (row 1)"),
    ]


def test_names_that_match_nothing_are_reported_with_row_and_nearest_names() -> None:
    archive = manifest("acc/soldats 01.jpg", "acc/b.jpg", "acc/c.jpg")
    groups = resolve_groups(reading("soldats 1,b,c"), NameIndex(archive), file="gt.xlsx")
    assert groups.notes == (
        Note(
            "gt.xlsx", 1, "soldats 1", "no such file", ("acc/soldats 01.jpg",), "correct the name, or bring the file in"
        ),
    )
    assert (groups.matched, groups.images) == (2, 2)


def test_pairs_unite_and_contradictions_are_reported() -> None:
    groups, notes = resolve(reading("a,b", "b,c", apart=("a,c", "a,d", "e,f", "a,new/copy of a"), layout="pairs"))
    assert groups == {frozenset((A, B, C))}
    assert [note.name for note in notes] == ["a | c", "a | new/copy of a"]
    assert all(note.problem.startswith("labelled different") for note in notes)


def test_rows_that_cannot_be_read_are_reported() -> None:
    _, notes = resolve(reading("a,b", faults=[Fault(9, "c | d | ?", "no label")], layout="pairs"))
    assert [(note.row, note.name, note.problem) for note in notes] == [(9, "c | d | ?", "no label")]


@pytest.mark.parametrize(
    ("sizes", "named", "giant"),
    [
        ([16], 16, 16),
        ([6], 11, 6),
        ([6], 12, 0),  # not most of the names
        ([5], 5, 0),  # few images
        ([12, 4], 16, 12),
        ([11, 5], 16, 0),  # groups of two sizes
        ([], 0, 0),
    ],
)
def test_a_giant_is_a_group_of_most_images_with_no_other_of_a_third_its_size(
    sizes: list[int], named: int, giant: int
) -> None:
    members = tuple(tuple(str(image) for image in range(size)) for size in sizes)
    assert Groups(members, named=named).giant == giant


def test_the_images_that_the_names_mean_are_counted_once() -> None:
    groups = resolve_groups(reading("a,b,a", "c", "missing"), NameIndex(ARCHIVE), file="gt.xlsx")
    assert (groups.matched, groups.named) == (4, 3)


def label(table: pd.DataFrame, **known: object) -> pd.DataFrame:
    return label_images(unique_images(table), train=0.6, val=0.2, seed=0, **known)  # type: ignore[arg-type]


def test_the_table_has_each_image_once_sorted_with_the_columns_of_the_schema() -> None:
    labelled = label(ARCHIVE, groups=[(A, B)], captions={C: "Verdun"})
    assert labelled["image_id"].tolist() == sorted({*ARCHIVE["image_id"]})
    assert labelled.columns.tolist() == [*TRAINING.names, "accession"]
    assert labelled.set_index("image_id").loc[C, "caption"] == "Verdun"
    assert labelled[["caption_language", "caption_en"]].isna().all(axis=None)


def test_language_and_translation_follow_the_caption() -> None:
    known = label(
        ARCHIVE, captions={A: "Soldats", B: "Soldats", C: "Verdun"}, languages={"Soldats": "fr"},
        english={"Soldats": "Soldiers"},
    ).set_index("image_id")  # fmt: skip
    assert known.loc[[A, B], "caption_language"].tolist() == ["fr", "fr"]
    assert known["caption_en"].dropna().to_dict() == {A: "Soldiers", B: "Soldiers"}
    assert pd.isna(known.loc[C, "caption_language"])


def test_a_group_has_the_id_of_its_first_member_by_accession_and_path_and_goes_whole_into_one_split() -> None:
    known = label(ARCHIVE, groups=[(D, C, B), (E, F)]).set_index("image_id")
    assert set(known.loc[[B, C, D], "group_id"]) == {B}
    assert set(known.loc[[B, C, D], "split"]) == {split_of(B, train=0.6, val=0.2, seed=0)}
    assert set(known.loc[[E, F], "group_id"]) == {E}
    assert known.loc[A, ["group_id", "split", "class"]].isna().all()


def test_the_split_stays_as_the_archive_grows() -> None:
    groups = [(A, B), (C, D, E)]
    grown = pd.concat([ARCHIVE, manifest("later/x.jpg", "later/y.jpg", copies={"later/z.jpg": "acc/c.jpg"})])
    before = label(ARCHIVE, groups=groups).set_index("image_id")
    more = [
        *groups[:1],
        (*groups[1], image_id_of("later/x.jpg")),
        (image_id_of("acc/f.jpg"), image_id_of("later/y.jpg")),
    ]
    after = label(grown, groups=more).set_index("image_id")
    columns = ["group_id", "split"]
    pd.testing.assert_frame_equal(after.loc[[A, B, C, D, E], columns], before.loc[[A, B, C, D, E], columns])


def test_the_class_is_the_folder_of_the_file_inside_its_accession() -> None:
    table = manifest(
        "x/covid/1.jpg", "x/covid/deep/2.jpg", "x/3.jpg", "y/Unlabelled/4.jpg", "y/Été/5.jpg", "z/E\u0301té/6.jpg"
    )
    classes, notes = folder_classes(table, unlabelled=["unlabelled"])
    assert classes == {
        image_id_of("x/covid/1.jpg"): "covid",
        image_id_of("x/covid/deep/2.jpg"): "deep",
        image_id_of("y/Été/5.jpg"): "Été",
        image_id_of("z/E\u0301té/6.jpg"): "Été",
    }
    assert notes == ()


def test_copies_in_several_classes_have_none_and_a_note_says_so() -> None:
    table = manifest("x/a/1.jpg", "x/a/2.jpg", copies={"x/b/1.jpg": "x/a/1.jpg", "x/unknown/2.jpg": "x/a/2.jpg"})
    classes, notes = folder_classes(table, unlabelled=["Unknown"])
    assert classes == {image_id_of("x/a/2.jpg"): "a"}
    assert [(note.problem, note.candidates) for note in notes] == [
        ("copies in several classes", ("x/a/1.jpg", "x/b/1.jpg"))
    ]


def test_images_with_a_class_and_no_group_are_split_one_by_one() -> None:
    table = manifest(*(f"x/covid/{number}.jpg" for number in range(200)), "x/1.jpg")
    classes, _ = folder_classes(table, unlabelled=[])
    labelled = label(table, classes=classes)
    classed = labelled[labelled["class"].notna()]
    assert classed["group_id"].isna().all()
    assert classed["split"].tolist() == [split_of(i, train=0.6, val=0.2, seed=0) for i in classed["image_id"]]
    assert labelled.loc[labelled["class"].isna(), "split"].isna().all()
    assert set(split_sizes(labelled)) == {"train", "val", "test"}


def by_image(table: pd.DataFrame, **known: object) -> pd.Series:
    return label(table, split_by="image", **known).set_index("image_id")["split"]


def test_by_image_the_first_of_a_scene_trains_and_the_others_follow_their_own_hash() -> None:
    table = manifest(
        *(f"x/covid/{number:03}.jpg" for number in range(200)), *(f"x/{number}.jpg" for number in range(90))
    )
    classes, _ = folder_classes(table, unlabelled=[])
    groups = [tuple(image_id_of(f"x/{number}.jpg") for number in range(first, first + 2)) for first in range(0, 60, 2)]
    split = by_image(table, classes=classes, groups=groups)
    firsts = {image_id_of("x/covid/000.jpg"), *label(table, groups=groups)["group_id"].dropna()}
    assert set(split[list(firsts)]) == {"train"}
    others = split.dropna().drop(list(firsts))
    assert others.to_dict() == {group: split_of(group, train=0.6, val=0.2, seed=0) for group in others.index}
    assert set(others) == {"train", "val", "test"}
    assert split[[image_id_of(f"x/{number}.jpg") for number in range(60, 90)]].isna().all()


def test_by_image_a_split_stays_as_its_group_grows() -> None:
    table = manifest(*(f"a/{number:02}.jpg" for number in range(20)))
    grown = pd.concat([table, manifest(*(f"b/{number:02}.jpg" for number in range(20)))])
    old, new = (sorted(labelled["image_id"]) for labelled in (table, grown))
    before, after = by_image(table, groups=[old]), by_image(grown, groups=[new])
    assert after[old].to_dict() == before.to_dict()


def test_by_image_a_class_counts_before_the_group() -> None:
    table = manifest("x/covid/1.jpg", "x/normal/2.jpg")
    classes, _ = folder_classes(table, unlabelled=[])
    split = by_image(table, classes=classes, groups=[tuple(classes)])
    assert split.tolist() == ["train", "train"]


def test_pages_of_a_file_are_classed_with_it() -> None:
    classes, _ = folder_classes(manifest(pages={"x/album/1.tif": 3}), unlabelled=[])
    assert list(classes.values()) == ["album"] * 3


@pytest.mark.parametrize("known", [{}, {"groups": []}, {"classes": {}}])
def test_nothing_known_gives_a_table_of_nulls(known: dict[str, object]) -> None:
    labelled = label(ARCHIVE, **known)
    assert labelled[GROUNDTRUTH.names[1:]].isna().all(axis=None)
    assert split_sizes(labelled) == {}


def test_a_group_stays_where_an_encoder_has_seen_a_member_and_train_counts_before_val() -> None:
    rows = [  # image_id, group_id, split, the split in which it was seen, the split that is kept
        ("a", "g1", "test", "train", "train"),
        ("b", "g1", "test", None, "train"),
        ("c", "g2", "test", "val", "val"),
        ("d", "g2", "test", None, "val"),
        ("e", "g3", "test", "val", "train"),
        ("f", "g3", "test", "train", "train"),
        ("g", "g4", "val", None, "val"),
        ("h", None, "test", "train", "test"),  # a class, but no group: it is split by its own hash
        ("i", None, None, None, None),
    ]
    table = pd.DataFrame(rows, columns=["image_id", "group_id", "split", "seen", "kept"]).astype("str")
    labelled = table[["image_id", "group_id", "split"]]
    training = table.loc[table["seen"].notna(), ["image_id", "seen"]].rename(columns={"seen": "split"})
    pd.testing.assert_frame_equal(keep_splits(labelled, training), labelled.assign(split=table["kept"]))
    assert labelled["split"].equals(table["split"])


def test_split_sizes_count_groups_and_images() -> None:
    labelled = label(ARCHIVE, groups=[(A, B, C)])
    assert list(split_sizes(labelled).values()) == [(1, 3)]


def test_the_counts_are_of_groups_captions_and_images_by_split() -> None:
    captions = {A: "Soldats", B: "Soldats", C: "Verdun"}
    labelled = label(ARCHIVE, groups=[(A, B)], captions=captions, english={"Soldats": "Soldiers"})
    counts = count_labels(labelled)
    (split,) = labelled["split"].dropna().unique()
    assert {name: count for name, count in counts.items() if count} == {
        "groups": 1,
        "images_in_groups": 2,
        "captions": 3,
        "captions_in_english": 2,
        f"{split}_images": 2,
        "unlabelled": len(labelled) - 2,
    }
