"""Tests of cbir.baseline.robustness."""

import numpy as np
import pandas as pd

from cbir.baseline.robustness import measure_local
from cbir.robustness.alterations import KINDS
from cbir.sample.scenes import make_scene

NUMBERS = {"0": 0, "1": 3, "2": 6, "3": 8, "4": 11, "5": 14}  # photographs of the sample's scenes


class Photographs:
    def read(self, image_id: str, path: str, page: int) -> np.ndarray:
        if image_id == "9":
            return np.full((60, 80), 128, np.uint8)
        if image_id == "8":  # another print of the first
            return np.array(make_scene(NUMBERS["0"], seed=0, longest_side=400).picture)[20:, 30:]
        return np.array(make_scene(NUMBERS[image_id], seed=0, longest_side=512).picture)


def measured(groups: dict[str, str]) -> pd.DataFrame:
    archive = pd.DataFrame({"image_id": [*NUMBERS, "8", "9"], "path": "p", "page": 0})
    truth = pd.DataFrame({"image_id": list(groups), "group_id": list(groups.values())}, dtype=object)
    asked = archive[archive["image_id"].isin(["0", "1", "9"])].reset_index(drop=True)
    measured = measure_local(asked, archive, Photographs(), truth, seed=0)
    assert measured.gallery == 8
    assert measured.similarity.shape == (3, 5)
    return pd.DataFrame(measured.rank, index=asked["image_id"], columns=list(KINDS))


def test_most_copies_of_a_photograph_come_back_first_and_none_of_a_blank_page() -> None:
    rank = measured({"0": "g", "8": "g"})
    assert (rank.loc[["0", "1"], ["flip", "rotation", "colour", "crop"]] == 1).all(axis=None)
    assert (rank.loc["9"] == 8 + 15).all()


def test_another_print_is_a_fault_before_a_copy_only_where_the_ground_truth_does_not_know_it() -> None:
    known, unknown = measured({"0": "g", "8": "g"}), measured({"0": "g"})
    assert (unknown.loc["0"] >= known.loc["0"]).all()
    assert unknown.loc["0"].sum() > known.loc["0"].sum()
