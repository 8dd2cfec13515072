"""Stage embed: a vector for every image of the archive."""

import logging
from typing import Annotated

from annotated_types import Ge
from tqdm import tqdm

from cbir.archive.manifest import read_manifest, unique_images
from cbir.embedding.files import DType
from cbir.embedding.inference import Device, embed_archive
from cbir.encoders.devices import Precision, keep_memory
from tasks.harness.settings import Paths
from tasks.harness.stage import main

log = logging.getLogger(__name__)


def embed(
    paths: Paths,
    *,
    longest_side: int,
    batch_size: Annotated[int, Ge(1)],
    precision: Precision,
    device: Device,
    dtype: DType,
    part_rows: Annotated[int, Ge(1)],
) -> None:
    """Writes the embeddings; images that this encoder has embedded before come from the store."""
    keep_memory()
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
        device=device,
        dtype=dtype,
        part_rows=part_rows,
        progress=tqdm,
    )
    computed = "%s: %d images computed, %d taken from the store"
    log.info(computed, paths.embeddings, counts.computed, counts.stored)


if __name__ == "__main__":
    main(embed)
