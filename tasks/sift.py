"""Stage ``sift``, of studies alone: matches images without learning, by local features that agree on one geometry."""

import logging

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from tqdm import tqdm

from cbir.archive.manifest import read_manifest, unique_images
from cbir.base.files import write_json
from cbir.baseline.robustness import measure_local
from cbir.baseline.sift import build_gallery, local_neighbours
from cbir.evaluation.retrieval.protocol import Protocol, write_evaluation
from cbir.images.reduced import ReducedImages
from cbir.labels.files import read_groundtruth
from cbir.robustness.measuring import choose, document, take
from tasks.harness.settings import Paths
from tasks.harness.stage import main

log = logging.getLogger(__name__)


def sift(paths: Paths, *, longest_side: int, k: int, protocol: Protocol, images: int, chosen: list[str]) -> None:
    """Matches the images of known groups against the archive, and measures the lists as an encoder's are measured."""
    manifest, groundtruth = read_manifest(paths.manifest), read_groundtruth(paths.groundtruth)
    archive = unique_images(manifest)[["image_id", "path", "page"]].sort_values("image_id", ignore_index=True)
    source = ReducedImages(paths.store, paths.raw, longest_side=longest_side)
    seed = protocol.seed
    neighbours = _neighbours(archive, source, _query_ids(groundtruth, protocol.queries), k=k)
    evaluation = protocol.evaluate(archive["image_id"].to_numpy(dtype=object), None, neighbours, groundtruth)
    write_evaluation(paths.reports, evaluation, None)
    originals = take(manifest, chosen) if chosen else choose(archive, count=images, seed=seed)
    ranks = measure_local(originals, archive, source, groundtruth, seed=seed, progress=tqdm)
    write_json(paths.reports / "robustness.json", document(ranks, seed=seed))


def _query_ids(groundtruth: pd.DataFrame, queries: str) -> list[str]:
    """Lists the images whose neighbours the evaluation needs: labelled ones, by default not those of train."""
    known = groundtruth["split"].notna() & ((queries == "all") | (groundtruth["split"] != "train"))
    return groundtruth.loc[known, "image_id"].tolist()


def _neighbours(archive: pd.DataFrame, source: ReducedImages, queries: list[str], *, k: int) -> pd.DataFrame:
    files = archive.set_index("image_id")

    def read(image_id: str) -> NDArray[np.uint8]:
        path, page = files.loc[image_id, ["path", "page"]]
        return source.read(image_id, path, int(page))

    gallery = build_gallery(archive["image_id"].tolist(), read, progress=tqdm)
    log.info("%d images described", len(archive))
    return local_neighbours(queries, read, gallery, k=k, progress=tqdm)


if __name__ == "__main__":
    main(sift)
