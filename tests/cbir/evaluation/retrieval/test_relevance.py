"""Tests of cbir.evaluation.retrieval.relevance."""

import numpy as np
import pytest

from tests.support.retrievals import archive

VECTORS = np.eye(6)
GROUPS = ["a", "a", "b", "b", "lonely", None]
SPLITS = ["val", "val", "test", "test", "test", None]


def test_queries_are_the_images_of_a_split_whose_group_has_another_member() -> None:
    task = archive(VECTORS, groups=GROUPS, splits=SPLITS).task()
    assert task.queries("test").tolist() == [2, 3]
    assert task.queries("val").tolist() == [0, 1]
    assert task.queries().tolist() == [0, 1, 2, 3]


def test_an_image_without_a_group_and_one_alone_in_its_group_are_distractors() -> None:
    task = archive(VECTORS, groups=GROUPS, splits=SPLITS).task()
    assert task.label.tolist() == [0, 0, 1, 1, -1, -1]
    assert task.names == ("a", "b")
    assert task.split.tolist() == ["val", "val", "test", "test", "test", ""]


def test_a_group_whose_other_members_are_not_embedded_is_no_group() -> None:
    made = archive(VECTORS, groups=GROUPS, splits=SPLITS)
    few = np.delete(made.ids, 1)
    from cbir.evaluation.retrieval.relevance import retrieval_task

    task = retrieval_task(few, made.groundtruth, relevance="auto", gallery="all")
    assert task.names == ("b",)
    assert task.queries().tolist() == [1, 2]


def test_the_labelled_gallery_holds_no_distractor() -> None:
    task = archive(VECTORS, groups=GROUPS, splits=SPLITS).task(gallery="labelled")
    assert task.gallery.tolist() == [0, 1, 2, 3]


def test_the_query_itself_is_not_among_the_right_images() -> None:
    task = archive(np.eye(5), groups=["a", "a", "a", "b", "b"]).task()
    assert task.relevant(task.queries()).tolist() == [2, 2, 2, 1, 1]


@pytest.mark.parametrize(("relevance", "expected"), [("auto", "group"), ("group", "group"), ("class", "class")])
def test_auto_takes_groups_where_there_are_any(relevance: str, expected: str) -> None:
    made = archive(np.eye(4), groups=["a", "a", None, None], classes=["x", "y", "x", "y"])
    assert made.task(relevance=relevance).relevance == expected


def test_auto_takes_classes_where_there_are_no_groups() -> None:
    task = archive(np.eye(4), groups=[None] * 4, classes=["x", "y", "x", None]).task()
    assert task.relevance == "class"
    assert task.label.tolist() == [0, -1, 0, -1]


def test_the_bootstrap_resamples_groups_but_images_where_labels_are_classes() -> None:
    made = archive(np.eye(4), groups=["a", "a", "b", "b"], classes=["x", "x", "x", "x"])
    assert made.task().unit.tolist() == [0, 0, 1, 1]
    assert made.task(relevance="class").unit.tolist() == [0, 1, 2, 3]


def test_without_any_ground_truth_all_images_are_distractors() -> None:
    task = archive(np.eye(3), groups=[None] * 3, splits=[None] * 3).task()
    assert len(task.queries()) == len(task.names) == 0
    assert task.gallery.tolist() == [0, 1, 2]
