"""Stage match: looks at the pairs of images that may show the same photograph, and says how likely each is."""

import logging

from tqdm import tqdm

from cbir.archive.manifest import read_manifest, unique_images
from cbir.embedding.files import read_embeddings
from cbir.images.reduced import ReducedImages
from cbir.index.neighbours import read_neighbours
from cbir.matching.archive import Matching, match_archive
from cbir.matching.table import SAME_PHOTOGRAPH, write_matches
from tasks.harness.settings import Paths
from tasks.harness.stage import main

log = logging.getLogger(__name__)


def match(paths: Paths, *, longest_side: int, matching: Matching) -> None:
    """Writes the table of matches."""
    images = unique_images(read_manifest(paths.manifest))
    matches = match_archive(
        images,
        read_neighbours(paths.neighbours),
        read_embeddings(paths.embeddings),
        ReducedImages(paths.store, paths.raw, longest_side=longest_side),
        paths.store,
        matching,
        progress=tqdm,
    )
    write_matches(paths.matches, matches)
    same = int((matches["relation"] == SAME_PHOTOGRAPH).sum()) // 2
    log.info("%d pairs of %d images looked at, %d show the same photograph", len(matches) // 2, len(images), same)


if __name__ == "__main__":
    main(match)
