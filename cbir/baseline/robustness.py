"""Measures the robustness of the baseline without learning: local features search for altered copies among the
archive.
"""

import numpy as np
import pandas as pd

from cbir.base.display import Progress, silent
from cbir.baseline.sift import build_gallery, local_neighbours
from cbir.embedding.inference import Images
from cbir.evaluation.retrieval.metrics import Floats, Ints
from cbir.robustness.alterations import KINDS
from cbir.robustness.copies import Copies
from cbir.robustness.measuring import Robustness, group_numbers

_VERIFIED = 40  # candidates: an image's copies and its group come first, and a stranger must have its chance too


def measure_local(
    images: pd.DataFrame,
    archive: pd.DataFrame,
    source: Images,
    groundtruth: pd.DataFrame,
    *,
    seed: int,
    progress: Progress = silent,
) -> Robustness:
    """Measures as :func:`cbir.robustness.measuring.measure` does, on the lists of local features.

    A copy that is in no list has the last rank of all, and similarity 0.

    Args:
        images: image_id, path and page of the images that ask, sorted by image_id.
        archive: the same of all images, sorted by image_id.
        source: of their pixels.
        groundtruth: image_id, group_id.
        seed: of the alterations.
    """
    files = archive.set_index("image_id")[["path", "page"]]
    copies, asked = Copies(source, seed=seed), images["image_id"].tolist()

    def read(name: str) -> np.ndarray:
        path, page = files.loc[name.partition("/")[0]]
        return (copies if "/" in name else source).read(name, path, int(page))

    names = [*archive["image_id"], *(f"{image_id}/{kind}" for image_id in asked for kind in KINDS)]
    gallery = build_gallery(names, read, progress=progress)
    lists = local_neighbours(asked, read, gallery, k=len(names), verified=_VERIFIED, progress=progress)
    number = pd.Series(group_numbers(archive["image_id"].to_numpy(dtype=object), groundtruth), archive["image_id"])
    rank, similarity = _standing(lists, asked, number, last=len(names))
    answers = images[["image_id", "path", "page"]].reset_index(drop=True)
    return Robustness(answers, rank, similarity, number[asked].to_numpy(), len(archive))


def _standing(lists: pd.DataFrame, asked: list[str], number: pd.Series, *, last: int) -> tuple[Ints, Floats]:
    """Returns ranks and similarities of the copies, (Q, kinds) each, from the lists; ``number`` is the group by
    image_id.
    """
    own = lists["query_id"].map(number).to_numpy()
    stranger = lists["neighbour_id"].str.partition("/")[0].map(number).to_numpy() != own
    rank = np.full((len(asked), len(KINDS)), last, dtype=np.int64)
    similarity = np.zeros(rank.shape)
    for row, name in enumerate(asked):
        mine = lists["query_id"] == name
        listed = lists[mine].set_index("neighbour_id")["similarity"]
        others = lists.loc[mine & stranger, "similarity"].to_numpy()
        for column, kind in enumerate(KINDS):
            if f"{name}/{kind}" in listed.index:
                similarity[row, column] = listed[f"{name}/{kind}"]
                rank[row, column] = 1 + (others >= similarity[row, column]).sum()
    return rank, similarity
