"""Tests of cbir.matching.table: what is written is read, and both directions of a pair agree."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from cbir.base.errors import UserError
from cbir.matching.table import MATCHES, RELATIONS, both_directions, inverse, read_matches, write_matches

TURN = np.array([0.0, -2.0, 30.0, 2.0, 0.0, 5.0], np.float32)  # by a right angle, twice as large


def pair(query: str, neighbour: str, **values: Any) -> dict[str, Any]:
    return {
        "query_id": query,
        "neighbour_id": neighbour,
        "similarity": 0.5,
        "probability": 0.9,
        "relation": "same photograph",
        "mirrored": False,
        "inliers": 40,
        "overlap_query": 0.25,
        "overlap_neighbour": 1.0,
        "map": TURN,
        "tone": 0.75,
        "log_nfa": -20.0,
    } | values


APART: dict[str, Any] = {"probability": 0.1, "relation": "unrelated", "inliers": 0, "map": None, "tone": np.nan}
PAIRS = pd.DataFrame([pair("a", "b"), pair("a", "c", **APART), pair("b", "c", **APART | {"similarity": 0.75})])


def test_what_is_written_is_read_in_the_types_of_the_schema(tmp_path: Path) -> None:
    written = both_directions(PAIRS)
    write_matches(tmp_path / "matches.parquet", written)
    assert pq.read_schema(tmp_path / "matches.parquet").equals(MATCHES)
    table = read_matches(tmp_path / "matches.parquet")
    assert table["relation"].isin(RELATIONS).all()
    pd.testing.assert_frame_equal(table.drop(columns="map"), written.drop(columns="map"), check_dtype=False)
    for affine, other in zip(table["map"], written["map"], strict=True):
        assert affine is None if other is None else np.array_equal(affine, other)


def test_the_same_matches_give_the_same_bytes(tmp_path: Path) -> None:
    for name in ("first", "second"):
        write_matches(tmp_path / name, both_directions(PAIRS))
    assert (tmp_path / "first").read_bytes() == (tmp_path / "second").read_bytes()


def test_matches_are_ranked_by_probability_then_similarity_then_id() -> None:
    equal = pd.DataFrame([pair("q", "d"), pair("q", "c"), pair("q", "b", similarity=0.6), pair("q", "a", **APART)])
    ranked = both_directions(equal).query("query_id == 'q'")
    assert ranked["neighbour_id"].tolist() == ["b", "c", "d", "a"]
    assert ranked["rank"].tolist() == [1, 2, 3, 4]


def test_both_directions_of_a_pair_agree() -> None:
    rows = both_directions(PAIRS).set_index(["query_id", "neighbour_id"])
    ahead, back = rows.loc[("a", "b")], rows.loc[("b", "a")]
    same = ["similarity", "probability", "relation", "mirrored", "inliers", "tone", "log_nfa"]
    assert ahead[same].tolist() == back[same].tolist()
    assert (ahead["overlap_query"], ahead["overlap_neighbour"]) == (back["overlap_neighbour"], back["overlap_query"])
    corner = np.array([10.0, 20.0, 1.0])
    moved = ahead["map"].reshape(2, 3) @ corner
    assert moved.tolist() == [-10.0, 25.0]
    np.testing.assert_allclose(back["map"].reshape(2, 3) @ np.append(moved, 1), corner[:2])


def test_a_map_inverted_twice_is_the_map() -> None:
    np.testing.assert_allclose(inverse(inverse(TURN)), TURN, atol=1e-5)


def test_an_archive_without_a_pair_has_an_empty_table(tmp_path: Path) -> None:
    write_matches(tmp_path / "matches.parquet", both_directions(PAIRS.iloc[:0]))
    table = read_matches(tmp_path / "matches.parquet")
    assert table.empty
    assert list(table.columns) == MATCHES.names


def test_a_table_that_is_not_there_names_the_stage_that_makes_it(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"matches\.parquet, the table of matches, is not there; .*stage match"):
        read_matches(tmp_path / "matches.parquet")
