"""Tests of cbir.figures.query_sheets."""

import numpy as np

from cbir.evaluation.retrieval.evaluation import Evaluation, evaluate_retrieval
from cbir.figures.contact_sheets import Sheet
from cbir.figures.query_sheets import nearest_sheet, query_sheets
from tests.support.retrievals import Archive, archive, scattered


def evaluate(made: Archive) -> Evaluation:
    options = {"target_precision": 0.95, "default_threshold": 0.9, "resamples": 0, "seed": 0}
    return evaluate_retrieval(made.task(), made.vectors, made.neighbours, queries="all", rule="f1", **options)


def sheets_of(made: Archive) -> dict[str, Sheet]:
    return {sheet.name: sheet for sheet in query_sheets(evaluate(made), made.vectors)}


# Image 2 belongs to images 0 and 1 but lies away, behind eleven distractors; images 14 and 15 find each other.
AWAY = np.concatenate(
    [
        np.array([[1, 0, 0], [1, 0.01, 0], [0, 1, 0]]),
        np.stack([np.ones(11), np.linspace(0.1, 0.5, 11), np.zeros(11)], axis=1),
        np.array([[0, 0, 1], [0, 0.01, 1]]),
    ]
)
MISSING = archive(AWAY, groups=["a"] * 3 + [None] * 11 + ["b"] * 2, k=15)


def test_right_neighbours_wrong_ones_and_those_after_the_last_right_one_are_told_apart() -> None:
    best = sheets_of(MISSING)["contact_best"]
    row = next(row for row in best.rows if row.query.position == 14)
    assert [picture.verdict for picture in row.neighbours] == ["right"] + ["neither"] * 7
    worst = sheets_of(MISSING)["contact_worst"].rows[0]
    assert {picture.verdict for picture in worst.neighbours} == {"wrong"}


def test_a_missed_image_stands_at_the_end_with_its_rank_and_similarity() -> None:
    missed = sheets_of(MISSING)["contact_missed"]
    row = next(row for row in missed.rows if row.query.position == 0)
    assert [picture.position for picture in row.missed] == [2]
    cosines = MISSING.vectors @ MISSING.vectors[0]
    rank = (np.delete(cosines, 0) > cosines[2]).sum() + 1
    assert row.missed[0].text == f"{rank} · {cosines[2]:.3f}"


def test_a_row_shows_the_neighbours_by_rank() -> None:
    row = sheets_of(MISSING)["contact_best"].rows[0]
    assert [picture.text.split()[0] for picture in row.neighbours] == [str(rank) for rank in range(1, 9)]


def test_sheets_that_would_be_empty_are_left_out() -> None:
    assert set(sheets_of(archive(np.eye(4) + 0.1, groups=["a", "a", None, None]))) == {"contact_best"}


def test_groups_take_turns() -> None:
    sheets = sheets_of(scattered(groups=30, distractors=60, noise=1.1, seed=1))
    task = scattered(groups=30, distractors=60, noise=1.1, seed=1).task()
    for sheet in sheets.values():
        labels = [int(task.label[row.query.position]) for row in sheet.rows]
        assert len(labels) == len(set(labels)) == 8


def test_the_worst_sheet_begins_with_the_lowest_average_precision() -> None:
    made = scattered(groups=30, distractors=60, noise=1.1, seed=1)
    evaluation = evaluate(made)
    values = dict(zip(evaluation.lists.queries.tolist(), evaluation.values["map@10"].tolist(), strict=True))
    worst = [values[row.query.position] for row in sheets_of(made)["contact_worst"].rows]
    assert worst[0] == min(values.values())
    assert worst == sorted(worst)


def test_without_ground_truth_the_most_similar_images_are_shown_none_of_them_in_two_rows() -> None:
    made = archive(np.array([[1, 0], [1, 0.01], [0, 1], [0.1, 1]]), groups=[None] * 4, k=1)
    (sheet,) = nearest_sheet(made.task(), made.neighbours)
    assert [row.query.position for row in sheet.rows] == [0, 2]
    assert {picture.verdict for row in sheet.rows for picture in row.neighbours} == {"neither"}


def test_an_archive_of_one_image_has_no_sheet() -> None:
    made = archive(np.eye(1), groups=[None])
    assert nearest_sheet(made.task(), made.neighbours) == []
    assert query_sheets(evaluate(made), made.vectors) == []
