"""Makes the words that descriptors of local features are sorted by, `cbir/matching/local/words.npy`, of the photographs
that may train: `python -m benchmarks.words`. Minutes.
"""

import faiss
import numpy as np

from benchmarks.photographs import PHOTOS, photographs, read_grey
from cbir.matching.local.cores import on_each_core
from cbir.matching.local.features import extract
from cbir.matching.local.voting import SCALE
from tests.support.workspace import ROOT

WORDS, EVERY, OF_EACH, FOR_EACH_WORD, STEPS = 2048, 3, 200, 64, 8


def main() -> None:
    """Clusters descriptors of every third photograph."""
    photos = photographs()
    paths = photos.loc[photos["split"] != "val", "path"].iloc[::EVERY]
    described = on_each_core(lambda path: extract(read_grey(PHOTOS / path), most=300), paths.tolist())
    chosen = [image.roots[np.random.default_rng(0).permutation(len(image.roots))[:OF_EACH]] for image in described]
    clustering = faiss.Kmeans(128, WORDS, niter=STEPS, seed=0, max_points_per_centroid=FOR_EACH_WORD)
    clustering.train(np.concatenate(chosen))
    words = (clustering.centroids * SCALE).round().clip(0, 255).astype(np.uint8)
    np.save(ROOT / "cbir/matching/local/words.npy", words)


if __name__ == "__main__":
    main()
