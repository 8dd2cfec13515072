"""Stage index: builds the search index over the embeddings, and finds the nearest neighbours of every image."""

import logging
from typing import Annotated

from annotated_types import Ge
from tqdm import tqdm

from cbir.embedding.files import read_embeddings
from cbir.index.faiss_index import write_index, write_neighbours
from cbir.index.kinds import Kind
from tasks.harness.settings import Paths
from tasks.harness.stage import main

Count = Annotated[int, Ge(1)]
Whole = Annotated[int, Ge(0)]

log = logging.getLogger(__name__)


def index(paths: Paths, *, kind: Kind, k: Count, seed: Whole, shards: Count, on_disk: bool) -> None:
    """Writes the index and the neighbours' table."""
    embeddings = read_embeddings(paths.embeddings, on_disk=paths.store if on_disk else None)
    built = write_index(paths.index, embeddings, kind=kind, k=k, seed=seed, shards=shards, on_disk=on_disk)
    write_neighbours(paths.neighbours, built, embeddings, k=k, memory=paths.store / "neighbours", progress=tqdm)
    count, dimension = embeddings.vectors.shape
    log.info("%s: %s, %d images of %d dimensions; %s", paths.index, built.kind, count, dimension, paths.neighbours)


if __name__ == "__main__":
    main(index)
