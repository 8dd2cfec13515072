"""Images as directions in space, and pairs of them as likely as their cosine: matches for the tests of groups."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from cbir.embedding.files import Embeddings
from tests.support.manifests import image_id_of

EVIDENCE = {
    "relation": "same photograph",
    "inliers": 9,
    "overlap_query": 1.0,
    "overlap_neighbour": 1.0,
    "tone": 1.0,
}  # of every pair


def embeddings(vectors: np.ndarray, ids: Sequence[str] | None = None) -> Embeddings:
    named = [f"{place:032x}" for place in range(len(vectors))] if ids is None else list(ids)
    order = np.argsort(np.array(named, dtype=object))
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return Embeddings(np.array(named, dtype=object)[order], unit[order].astype(np.float32), "digest")


def matches(of: Embeddings, *, k: int = 1000) -> pd.DataFrame:
    """The k nearest of each image, with their cosine as probability."""
    cosines = of.vectors.astype(float) @ of.vectors.T.astype(float)
    np.fill_diagonal(cosines, -np.inf)
    nearest = np.argsort(-cosines, axis=1)[:, : min(k, len(of.ids) - 1)]
    rows = pd.DataFrame(
        {
            "query_id": np.repeat(of.ids, nearest.shape[1]),
            "neighbour_id": of.ids[nearest.ravel()],
            "probability": np.take_along_axis(cosines, nearest, axis=1).ravel(),
        }
    )
    return rows.assign(**EVIDENCE)


def scenes(seed: int, *, scenes: int, images: int, dimension: int = 6, noise: float = 0.6) -> Embeddings:
    random = np.random.default_rng(seed)
    centres = random.standard_normal((scenes, dimension))
    vectors = centres[random.integers(0, scenes, images)] + noise * random.standard_normal((images, dimension))
    return embeddings(vectors)


def angles(*degrees: float) -> Embeddings:
    radians = np.radians(degrees)
    return embeddings(np.stack([np.cos(radians), np.sin(radians)], axis=1))


def archive(**degrees: float) -> Embeddings:
    """Embeddings of images by path, as angles."""
    paths = [path.replace("__", "/") for path in degrees]
    radians = np.radians(list(degrees.values()))
    return embeddings(np.stack([np.cos(radians), np.sin(radians)], axis=1), [image_id_of(path) for path in paths])
