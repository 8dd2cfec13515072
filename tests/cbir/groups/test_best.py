"""Tests of cbir.groups.best."""

import numpy as np
import pandas as pd

from cbir.groups.best import best_copies


def images(*rows: tuple[str, int, int], cluster: int = 0) -> pd.DataFrame:
    table = pd.DataFrame(rows, columns=["image_id", "width", "height"])
    return table.assign(cluster=cluster)


def pairs(*rows: tuple[str, str, float, float], tone: float = 1.0) -> pd.DataFrame:
    """Pairs with the part of the first that the second covers, and of the second that the first covers."""
    listed = pd.DataFrame(rows, columns=["query_id", "neighbour_id", "overlap_query", "overlap_neighbour"])
    names = {"query_id": "neighbour_id", "neighbour_id": "query_id"}
    names |= {"overlap_query": "overlap_neighbour", "overlap_neighbour": "overlap_query"}
    return pd.concat([listed, listed.rename(columns=names)], ignore_index=True).assign(tone=tone)


def best(table: pd.DataFrame, matches: pd.DataFrame) -> list[str]:
    return table.loc[best_copies(table, matches), "image_id"].tolist()


def test_the_whole_picture_is_better_than_a_finer_crop_of_it() -> None:
    table = images(("crop", 3000, 2000), ("whole", 2000, 1500))
    assert best(table, pairs(("whole", "crop", 0.5, 1.0))) == ["whole"]


def test_a_crop_that_is_much_finer_is_better_than_the_whole() -> None:
    crop_of_half = pairs(("whole", "crop", 0.5, 1.0))
    assert best(images(("crop", 1000, 1000), ("whole", 400, 400)), crop_of_half) == ["whole"]  # 3.5 times as fine
    assert best(images(("crop", 1000, 1000), ("whole", 300, 300)), crop_of_half) == ["crop"]  # 4.7 times


def test_of_whole_copies_the_finest_is_the_best_and_of_those_the_first() -> None:
    whole = pairs(("a", "b", 1, 1), ("b", "c", 1, 1), ("a", "c", 1, 1))
    assert best(images(("a", 30, 20), ("b", 60, 40), ("c", 45, 30)), whole) == ["b"]
    assert best(images(("a", 60, 40), ("b", 60, 40), ("c", 45, 30)), whole) == ["a"]


def test_pixels_of_a_page_around_the_picture_count_for_nothing() -> None:
    table = images(("page", 4000, 4000), ("print", 3000, 3000), ("crop", 500, 500))
    matches = pairs(("page", "print", 0.25, 1.0), ("page", "crop", 0.1, 1.0), ("print", "crop", 0.4, 1.0))
    assert best(table, matches) == ["page"]
    more = images(("page", 4000, 4000), ("print", 3000, 3000), ("crop", 500, 500), ("proof", 800, 800))
    known = pairs(
        *(("page", "print", 0.25, 1.0), ("page", "crop", 0.1, 1.0), ("print", "crop", 0.4, 1.0)),
        *(("page", "proof", 0.25, 1.0), ("print", "proof", 1.0, 1.0), ("proof", "crop", 0.4, 1.0)),
    )
    assert best(more, known) == ["print"]


def test_of_copies_that_are_alike_otherwise_the_one_whose_tones_the_others_have_is_the_best() -> None:
    table = images(("negative", 60, 40), ("a", 60, 40), ("b", 60, 40))
    matches = pd.concat(
        [pairs(("negative", "a", 1, 1), ("negative", "b", 1, 1), tone=-0.9), pairs(("a", "b", 1, 1), tone=0.9)]
    )
    assert best(table, matches) == ["a"]
    assert best(table, matches.assign(tone=np.nan)) == ["negative"]


def test_without_maps_the_most_pixels_decide_and_an_image_without_any_comes_last() -> None:
    table = images(("a", 30, 20), ("b", 70_000, 30_000), ("c", 45, 30))
    assert best(table, pairs(("a", "b", 0, 0))) == ["b"]  # more pixels than 32 bits hold
    assert best(table, pairs(("a", "c", 1, 1))) == ["c"]


def test_each_group_has_one_best_copy_and_pairs_with_other_groups_do_not_count() -> None:
    table = pd.concat([images(("a", 30, 20), ("b", 60, 40)), images(("c", 9, 9), cluster=1)], ignore_index=True)
    matches = pairs(("a", "b", 1, 1), ("a", "c", 0.1, 0.9), ("b", "c", 0.9, 0.1))
    assert best(table, matches) == ["b", "c"]
    assert best_copies(table.iloc[:0], matches).tolist() == []


def test_the_copy_that_people_chose_last_is_the_best_one() -> None:
    table, whole = images(("a", 30, 20), ("b", 60, 40), ("c", 45, 30)), pairs(("a", "b", 1, 1), ("b", "c", 1, 1))
    assert table.loc[best_copies(table, whole, ["c", "a", "x"]), "image_id"].tolist() == ["a"]
    assert table.loc[best_copies(table, whole, ["x"]), "image_id"].tolist() == ["b"]
