"""Turns the evidence of a pair into the probability that both images show the same photograph, and into a relation.

The model is logistic and monotone: more evidence never makes a pair less likely. It comes with the package, fitted on
simulated reprints (benchmarks/probability.py), so that an archive without a label has probabilities on its first day.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from cbir.matching.evidence import mapped
from cbir.matching.table import SAME_PHOTOGRAPH, SAME_SCENE, UNRELATED

_MOST_INLIERS, _MOST_SIGNIFICANCE, _WIDEST = 200.0, 300.0, 0.3  # more says nothing more
_CERTAIN = 4.0  # log10 of pairs to one; from here on chance is no explanation, and as far below nothing else is
LIKELY = 0.5  # probability of a pair that is taken for the same photograph, and implies others
_WITHOUT_MAP = (
    -0.5
)  # log-odds, at most, of a pair that nothing lays on one another: embeddings alone find no photograph


@dataclass(frozen=True)
class Logistic:
    """A logistic model over standardised features.

    Attributes:
        names: of the features.
        mean, scale, weight: of each feature; no weight is negative.
        intercept: of the log-odds.
    """

    names: tuple[str, ...]
    mean: NDArray[np.float64]
    scale: NDArray[np.float64]
    weight: NDArray[np.float64]
    intercept: float

    def odds(self, values: Mapping[str, NDArray[np.float64]]) -> NDArray[np.float64]:
        """Returns log-odds that two images show the same subject, (m,)."""
        standard = (np.stack([values[name] for name in self.names], axis=1) - self.mean) / self.scale
        return standard @ self.weight + self.intercept


@dataclass(frozen=True)
class Model:
    """Logistic models of the two kinds of evidence, and the appearance that a print of the same photograph has.

    Attributes:
        by_features: of pairs that were verified by features and tones, over what :func:`features` makes.
        by_points: of pairs in doubt that were looked at by learned points, over what :func:`point_features` makes.
        least, softness: correlation of forms after warping at which half of the prints that geometry lays on one
            another show the same moment, and how softly that turns; another shot of a scene lies below.
    """

    by_features: Logistic
    by_points: Logistic
    least: float
    softness: float

    def probability(self, values: Mapping[str, NDArray[np.float64]], evidence: NDArray[np.void]) -> NDArray[np.float64]:
        """Returns the probability that two images show the same photograph, (m,)."""
        odds = self.by_features.odds(values)
        odds = np.where(evidence["learned"] > 0, self.by_points.odds(point_features(evidence)), odds)
        return expit(np.where(mapped(evidence), odds, np.minimum(odds, _WITHOUT_MAP))) * self.same_moment(evidence)

    def same_moment(self, evidence: NDArray[np.void]) -> NDArray[np.float64]:
        """Returns the probability that two pictures which lie on one another were taken at one moment, (m,).

        It is 1 where the part is too small or flat to tell, and where tones alone lay the pictures on one another: that
        they agree is all there is.
        """
        comparable = (evidence["inliers"] > 0) & np.isfinite(evidence["forms"])
        forms = np.where(comparable, evidence["forms"], 1)
        return np.where(comparable, expit((forms - self.least) / self.softness), 1.0)


@cache
def shipped_model() -> Model:
    """Reads the model that comes with the package."""
    return read_model(json.loads((files("cbir.matching") / "probability.json").read_text(encoding="utf-8")))


def read_model(document: Mapping[str, Any]) -> Model:
    """Reads a model from the content of probability.json."""
    appearance = document["appearance"]
    by_features, by_points = (read_logistic(document[kind]) for kind in ("by_features", "by_points"))
    return Model(by_features, by_points, appearance["least"], appearance["softness"])


def read_logistic(document: Mapping[str, Any]) -> Logistic:
    """Reads a part of probability.json, as :func:`cbir.calibration.fitting.fit_logistic` makes it."""
    rows = document["features"]
    mean, scale, weight = (np.array([row[name] for row in rows.values()]) for name in ("mean", "scale", "weight"))
    return Logistic(tuple(rows), mean, scale, weight, document["intercept"])


def features(
    evidence: NDArray[np.void],
    *,
    images: int,
    nearness: NDArray[np.float64],
    ranks: NDArray[np.int64],
) -> dict[str, NDArray[np.float64]]:
    """Returns the features of the model by name, (m,) each; all rise with the likelihood of a pair.

    Args:
        evidence: (m,) EVIDENCE.
        images: of the archive, whose pairs are the tests that chance has.
        nearness: (m,), see :func:`cbir.matching.standing.Standing`.
        ranks: (m, 2), of either image in the other's list of neighbours.
    """
    seen = mapped(evidence)
    significance = np.where(seen, -log_false_alarms(evidence, images=images), 0)
    # What chance explains in an archive of this size counts the less, the better chance explains it.
    counts = np.where(seen, np.clip(significance / _CERTAIN + 1, 0, 2) / 2, 0)
    values = point_features(evidence) | {
        "significance": np.log1p(np.clip(significance, 0, _MOST_SIGNIFICANCE)),
        "overlap": np.maximum(evidence["overlap_query"], evidence["overlap_neighbour"]),
    }
    return {name: counts * value.astype(float) for name, value in values.items()} | {
        "nearness": nearness,
        "better rank": -np.log2(ranks.min(axis=1)),
        "worse rank": -np.log2(ranks.max(axis=1)),
    }


def point_features(evidence: NDArray[np.void]) -> dict[str, NDArray[np.float64]]:
    """Returns what a pair shows whatever lays its images on one another, by name, (m,) each."""
    return {
        "inliers": np.log1p(np.minimum(evidence["inliers"], _MOST_INLIERS)),
        "share": evidence["share"],
        "spread": np.minimum(evidence["spread"], _WIDEST),
        "tone": np.clip(np.nan_to_num(evidence["tone"]), 0, 1),
        "forms": np.clip(np.nan_to_num(evidence["forms"]), 0, 1),
    }


def log_false_alarms(evidence: NDArray[np.void], *, images: int) -> NDArray[np.float64]:
    """Returns log10 of the number of pairs of an archive that chance lets agree as well as this one, (m,).

    Without a map every pair of the archive agrees as well.
    """
    tests = np.log10(max(images * (images - 1) / 2, 1))
    return np.where(mapped(evidence), evidence["log_nfa"], 0) + tests


def relations(
    probability: NDArray[np.float64], same_moment: NDArray[np.float64], false_alarms: NDArray[np.float64]
) -> NDArray[np.object_]:
    """Returns the relation of each pair: same photograph where that is likelier than not; same scene where the geometry
    holds and the appearance does not; else unrelated.
    """
    scene = (false_alarms < 0) & (same_moment < LIKELY)
    return np.select([probability >= LIKELY, scene], [SAME_PHOTOGRAPH, SAME_SCENE], UNRELATED).astype(object)
