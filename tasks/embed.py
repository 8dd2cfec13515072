"""Stage embed: a vector for every image of the archive."""

import logging
import time

from tqdm import tqdm

from cbir.devices import Precision, keep_memory
from cbir.embedding import DType
from cbir.inference import embed_archive
from cbir.manifest import read_manifest, unique_images
from tasks.stage import Paths, main

log = logging.getLogger(__name__)


def embed(
    paths: Paths, *, longest_side: int, batch_size: int, precision: Precision, dtype: DType, part_rows: int
) -> None:
    """Write the embeddings; images that this encoder has embedded before come from the store."""
    keep_memory()
    started = time.monotonic()
    images = unique_images(read_manifest(paths.manifest))[["image_id", "path", "page"]]
    counts = embed_archive(
        paths.embeddings,
        images,
        encoder_folder=paths.encoder,
        archive=paths.raw,
        store=paths.store,
        longest_side=longest_side,
        batch_size=batch_size,
        precision=precision,
        dtype=dtype,
        part_rows=part_rows,
        progress=tqdm,
    )
    rate = counts.computed / (time.monotonic() - started)
    log.info(
        "%s: %d images computed, %d taken from the store",
        *(paths.embeddings, counts.computed, counts.stored),
        extra={"measured": {"images_per_second": rate} if counts.computed else {}},
    )


if __name__ == "__main__":
    main(embed)
