"""Tests of cbir.baseline.sift, on photographs that scikit-image carries and on what a press makes of them."""

import cv2
import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from cbir.baseline.sift import agreeing, build_gallery, local_neighbours, similarity
from cbir.evaluation.retrieval.evaluation import evaluate_retrieval, metrics_document, query_table
from cbir.evaluation.retrieval.relevance import retrieval_task
from cbir.matching.local.features import extract
from cbir.reprints.press import PRESS_SIZE
from cbir.reprints.reprint import MILD, reprint
from tests.support.pictures import cropped, picture, turned

PHOTOGRAPHS = (0, 3, 6, 8, 11, 14)


def printed(pixels: np.ndarray, seed: int = 0) -> np.ndarray:
    grey = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY) if pixels.ndim == 3 else pixels
    image = torch.from_numpy(grey).float()[None, None] / 255
    made = reprint(image, MILD.scaled(512 / PRESS_SIZE), generator=torch.Generator().manual_seed(seed))
    return (255 * made[0, 0]).round().byte().numpy()


def found(query: np.ndarray, gallery: dict[str, np.ndarray], **options: int) -> pd.DataFrame:
    pictures = {**gallery, "query": query}
    built = build_gallery(list(gallery), pictures.__getitem__)
    return local_neighbours(["query"], pictures.__getitem__, built, **options)


GALLERY = {f"scene {number:02}": picture(number) for number in PHOTOGRAPHS}


@pytest.mark.parametrize("number", [0, 3, 11])
@pytest.mark.parametrize(
    "change",
    [lambda p: turned(cropped(p), 25.0), lambda p: np.ascontiguousarray(p[:, ::-1])],
    ids=["turned and cropped", "mirrored"],
)
def test_a_changed_copy_is_found_at_rank_1(number: int, change: object) -> None:
    assert callable(change)
    table = found(change(picture(number)), GALLERY)
    assert table["neighbour_id"].iloc[0] == f"scene {number:02}"
    assert (table["similarity"].iloc[0] > 2 * table["similarity"].iloc[1:]).all()


def test_most_reprints_of_newspapers_are_found_at_rank_1() -> None:
    reprints = {f"{number:02} {seed}": printed(picture(number), seed) for number in PHOTOGRAPHS for seed in (0, 1)}
    pictures = {**GALLERY, **reprints}
    table = local_neighbours(list(reprints), pictures.__getitem__, build_gallery(list(GALLERY), pictures.__getitem__))
    first = table[table["rank"] == 1]
    right = first["neighbour_id"].str[-2:] == first["query_id"].str[:2]
    assert right.all()
    assert right.sum() >= 8


@pytest.mark.parametrize(("first", "other"), [(0, 3), (3, 11), (11, 0)])
def test_unrelated_pictures_have_no_features_that_agree(first: int, other: int) -> None:
    assert agreeing(extract(picture(first)), extract(picture(other))) == 0


def test_a_query_without_a_copy_lists_nothing_and_its_columns_stay() -> None:
    others = {name: pixels for name, pixels in GALLERY.items() if name != "scene 00"}
    table = found(picture(0), others)
    assert table.empty
    assert list(table.columns) == ["query_id", "rank", "neighbour_id", "similarity"]


def test_a_query_of_the_gallery_is_not_its_own_neighbour() -> None:
    pictures = {"a": picture(0), "b": turned(picture(0), 10), "c": picture(3)}
    table = local_neighbours(["b", "a"], pictures.__getitem__, build_gallery(list(pictures), pictures.__getitem__))
    assert table[["query_id", "rank", "neighbour_id"]].to_numpy().tolist() == [["a", 1, "b"], ["b", 1, "a"]]


def test_lists_are_as_long_as_asked_for_and_of_equals_the_first_id_comes_first() -> None:
    copies = {name: picture(0) for name in "dacb"}
    table = found(turned(picture(0), 15), copies, k=3)
    assert table["neighbour_id"].tolist() == ["a", "b", "c"]
    assert table["rank"].tolist() == [1, 2, 3]


@pytest.mark.parametrize("pixels", [np.zeros((64, 64), np.uint8), np.full((1, 1), 9, np.uint8)])
def test_a_blank_image_has_no_features_and_finds_nothing(pixels: np.ndarray) -> None:
    assert len(extract(pixels).points) == 0
    assert found(pixels, GALLERY).empty
    assert found(picture(0), {"blank": pixels}).empty


def test_an_empty_gallery_finds_nothing() -> None:
    assert found(picture(0), {}).empty


@given(st.integers(0, 500), st.integers(0, 500))
def test_similarity_rises_with_the_features_that_agree_and_stays_below_1(first: int, other: int) -> None:
    low, high = similarity(np.array([min(first, other), max(first, other)]))
    assert 0 <= low <= high < 1
    assert (low < high) == (first != other)


def test_the_same_images_give_the_same_table() -> None:
    query = turned(picture(11), 20)
    pd.testing.assert_frame_equal(found(query, GALLERY), found(query, GALLERY))


def test_the_evaluation_measures_the_lists_alone() -> None:
    pictures = {
        f"{number}-{copy}": change(picture(number))
        for number in PHOTOGRAPHS
        for copy, change in enumerate((lambda p: p, lambda p: turned(p, 12), lambda p: cropped(p)))
    }
    ids = np.array(sorted(pictures), dtype=object)
    truth = pd.DataFrame({"image_id": ids, "group_id": [name.partition("-")[0] for name in ids], "class": None})
    truth["split"] = np.where(truth["group_id"].isin(["0", "3", "6"]), "test", "val")
    gallery = build_gallery(list(ids), pictures.__getitem__)
    task = retrieval_task(ids, truth, relevance="group", gallery="all")
    evaluation = evaluate_retrieval(
        task,
        None,
        local_neighbours(list(ids), pictures.__getitem__, gallery),
        queries="test",
        rule="f1",
        target_precision=0.95,
        default_threshold=0.5,
        resamples=20,
        seed=0,
    )
    document = metrics_document(evaluation)
    assert document["map@10"] == document["threshold_precision"] == 1
    assert document["counts"]["queries"] == len(query_table(evaluation, None)) == 9
