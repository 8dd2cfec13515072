"""Stage embed: a vector for every image of the archive."""

import json
import logging
import time

import pyarrow.parquet as pq
from tqdm import tqdm

from cbir.archive.manifest import read_manifest, unique_images
from cbir.embedding.files import DType
from cbir.embedding.inference import Device, embed_archive
from cbir.encoders.devices import Precision, keep_memory
from cbir.store import Store
from tasks.harness.settings import Paths
from tasks.harness.stage import main

log = logging.getLogger(__name__)


def embed(
    paths: Paths,
    *,
    longest_side: int,
    batch_size: int,
    precision: Precision,
    device: Device,
    dtype: DType,
    part_rows: int,
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
        device=device,
        dtype=dtype,
        part_rows=part_rows,
        progress=tqdm,
    )
    rate = counts.computed / (time.monotonic() - started)
    log.info(
        "%s: %d images computed, %d taken from the store",
        *(paths.embeddings, counts.computed, counts.stored),
        extra={"measured": _first_rate(paths, rate)},
    )


def _first_rate(paths: Paths, rate: float) -> dict[str, float]:
    """Images in a second when this encoder computed first: then it was all of them, later it is what is new."""
    schema = pq.read_schema(paths.embeddings / "part-00000.parquet")
    key = f"{schema.metadata[b'encoder_digest'].decode()}/{schema.metadata[b'precision'].decode()}"
    rates = Store(paths.store / "embedding_rates.sqlite")
    if rate:
        rates.put_many([(key, json.dumps(rate).encode("ascii"))])
    known = rates.get(key)
    return {"images_per_second": json.loads(known)} if known else {}


if __name__ == "__main__":
    main(embed)
