"""Stage robustness: adds altered copies of images to the gallery, and measures the rank at which each comes back."""

import logging
from typing import Annotated, Any

from annotated_types import Ge
from tqdm import tqdm

from cbir.archive.manifest import read_manifest, unique_images
from cbir.base.files import write_json
from cbir.embedding.files import read_embeddings
from cbir.encoders.devices import Precision, keep_memory
from cbir.images.reduced import ReducedImages
from cbir.labels.files import read_groundtruth
from cbir.robustness.alterations import KINDS
from cbir.robustness.copies import Copies, Pictures, copy_vectors
from cbir.robustness.measuring import Robustness, choose, document, measure, table, take
from cbir.robustness.page import Kept, Read, write_page, write_sheet
from cbir.spreadsheet import write_csv
from cbir.store import Store
from tasks.harness.settings import Paths
from tasks.harness.stage import main

log = logging.getLogger(__name__)


def robustness(
    paths: Paths,
    *,
    longest_side: int,
    batch_size: int,
    precision: Precision,
    images: Annotated[int, Ge(1), "to choose by hand name files in robustness.chosen"],
    chosen: list[str],
    seed: int,
) -> None:
    """Alters images, find the copies, and write where they came back: as numbers, as a table, a page and a picture."""
    keep_memory()
    manifest = read_manifest(paths.manifest)
    asked = take(manifest, chosen) if chosen else choose(unique_images(manifest), count=images, seed=seed)
    source = ReducedImages(paths.store, paths.raw, longest_side=longest_side)
    copies = Copies(source, seed=seed)
    vectors = copy_vectors(
        asked,
        copies,
        paths.encoder,
        paths.store,
        longest_side=longest_side,
        batch_size=batch_size,
        precision=precision,
        progress=tqdm,
    )
    measured = measure(asked, vectors, read_embeddings(paths.embeddings), read_groundtruth(paths.groundtruth))
    numbers = document(measured, seed=seed)
    pictures = Pictures(measured.images, source, copies)
    _write(paths, measured, numbers, pictures.read, Kept(Store(paths.store / "thumbnails.sqlite"), pictures.name))
    by_kind = ", ".join(f"{kind} {numbers[f'recall@1_{kind}']:.3f}" for kind in KINDS)
    log.info("%d copies of %d images: recall@1 %.3f (%s)", measured.rank.size, len(asked), numbers["recall@1"], by_kind)


def _write(paths: Paths, measured: Robustness, numbers: dict[str, Any], read: Read, kept: Kept) -> None:
    write_csv(paths.reports / "robustness.csv", table(measured))
    write_page(paths.reports / "robustness.html", measured, numbers, read=read, kept=kept)
    write_sheet(paths.reports / "robustness.png", measured, read=read)
    write_json(paths.reports / "robustness.json", numbers)


if __name__ == "__main__":
    main(robustness)
