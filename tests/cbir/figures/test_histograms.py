"""Tests of cbir.figures.histograms."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cbir.evaluation.retrieval.evaluation import Evaluation, evaluate_retrieval
from cbir.figures.histograms import probability_histogram, random_pairs, similarity_histogram, true_pairs
from tests.support.retrievals import Archive, archive, scattered

HARD = scattered(groups=30, distractors=60, noise=1.1, seed=1)
UNKNOWN = archive(np.random.default_rng(0).normal(size=(20, 4)), groups=[None] * 20)


def evaluate(made: Archive, **matches: pd.DataFrame) -> Evaluation:
    options = {"target_precision": 0.95, "default_threshold": 0.9, "resamples": 20, "seed": 0}
    return evaluate_retrieval(
        made.task(), made.vectors, made.neighbours, queries="all", rule="f1", **options, **matches
    )


def test_each_kind_of_pairs_adds_up_to_a_hundred_percent(tmp_path: Path) -> None:
    similarity_histogram(tmp_path, tmp_path, evaluate(HARD), HARD.vectors, HARD.neighbours, seed=0)
    sums = pd.read_csv(tmp_path / "similarities.csv").drop(columns="similarity").sum()
    expected = {"true_pairs": 100, "wrong_neighbours": 100, "neighbours": 0, "random_pairs": 100}
    assert sums.to_dict() == pytest.approx(expected, abs=0.01)


def test_the_probabilities_of_right_and_wrong_pairs_add_up_to_a_hundred_percent_each(tmp_path: Path) -> None:
    matches = HARD.neighbours.assign(probability=((HARD.neighbours["similarity"] + 1) / 2))
    probability_histogram(tmp_path, tmp_path, evaluate(HARD, matches=matches))
    sums = pd.read_csv(tmp_path / "probabilities.csv").drop(columns="probability").sum()
    assert sums.to_dict() == pytest.approx({"true_pairs": 100, "wrong_neighbours": 100}, abs=0.01)
    assert (tmp_path / "probabilities.png").exists()


def test_the_cosines_of_pairs_do_not_change_with_their_probabilities(tmp_path: Path) -> None:
    matches = HARD.neighbours.assign(probability=0.5)
    for name, evaluation in (("one", evaluate(HARD)), ("two", evaluate(HARD, matches=matches))):
        (tmp_path / name).mkdir()
        similarity_histogram(tmp_path / name, tmp_path / name, evaluation, HARD.vectors, HARD.neighbours, seed=0)
    first, second = (tmp_path / name / "similarities.csv" for name in ("one", "two"))
    assert first.read_bytes() == second.read_bytes()


def test_without_ground_truth_the_histogram_shows_all_neighbours(tmp_path: Path) -> None:
    similarity_histogram(tmp_path, tmp_path, evaluate(UNKNOWN), UNKNOWN.vectors, UNKNOWN.neighbours, seed=0)
    sums = pd.read_csv(tmp_path / "similarities.csv").drop(columns="similarity").sum()
    expected = {"true_pairs": 0, "wrong_neighbours": 0, "neighbours": 100, "random_pairs": 100}
    assert sums.to_dict() == pytest.approx(expected, abs=0.01)
    assert (tmp_path / "similarities.png").exists()


def test_an_archive_of_one_image_has_a_table_and_no_histogram(tmp_path: Path) -> None:
    alone = archive(np.eye(1), groups=[None])
    similarity_histogram(tmp_path, tmp_path, evaluate(alone), alone.vectors, alone.neighbours, seed=0)
    assert len(pd.read_csv(tmp_path / "similarities.csv")) == 60
    assert not (tmp_path / "similarities.png").exists()


def test_pairs_that_are_all_equal_are_drawn(tmp_path: Path) -> None:
    alike = archive(np.ones((6, 3)), groups=["a"] * 6)
    similarity_histogram(tmp_path, tmp_path, evaluate(alike), alike.vectors, alike.neighbours, seed=0)
    assert (tmp_path / "similarities.png").exists()


def test_true_pairs_are_all_of_them_once_listed_or_not() -> None:
    evaluation = evaluate(HARD)
    assert len(true_pairs(evaluation, HARD.vectors)) == evaluation.pairs.total == 90


def test_random_pairs_join_no_group() -> None:
    vectors = np.repeat(np.eye(3), 4, axis=0)
    made = archive(vectors, groups=[name for name in "abc" for _ in range(4)])
    assert not random_pairs(made.task(), made.vectors, seed=0).any()


def test_the_same_evaluation_gives_the_same_bytes(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        similarity_histogram(tmp_path / name, tmp_path / name, evaluate(HARD), HARD.vectors, HARD.neighbours, seed=0)
        probability_histogram(tmp_path / name, tmp_path / name, evaluate(HARD))
    first, second = (sorted((tmp_path / name).iterdir()) for name in ("one", "two"))
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]
    assert len(first) == 4
