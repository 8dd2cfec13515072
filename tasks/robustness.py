"""Stage ``robustness``: altered copies of images go into the gallery; at which rank does each come back?"""

import logging
from typing import Annotated, Any

import numpy as np
from annotated_types import Ge
from numpy.typing import NDArray
from tqdm import tqdm

from cbir.archive.manifest import read_manifest, unique_images
from cbir.embedding.files import read_embeddings
from cbir.encoders.devices import Precision, keep_memory
from cbir.files import write_json
from cbir.images.reduced import ReducedImages
from cbir.labels.files import read_groundtruth
from cbir.robustness.alterations import KINDS
from cbir.robustness.copies import Copies, copy_vectors
from cbir.robustness.measuring import Robustness, choose, document, measure, table, take
from cbir.robustness.page import Kept, Name, Read, write_page, write_sheet
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
    """Alter images, find the copies, and write where they came back: as numbers, as a table, a page and a picture."""
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
    found = measure(asked, vectors, read_embeddings(paths.embeddings), read_groundtruth(paths.groundtruth))
    numbers = document(found, seed=seed)
    kept = Kept(Store(paths.store / "thumbnails.sqlite"), _namer(found, source, copies))
    _write(paths, found, numbers, _reader(found, source, copies), kept)
    by_kind = ", ".join(f"{kind} {numbers[f'recall@1_{kind}']:.3f}" for kind in KINDS)
    log.info("%d copies of %d images: recall@1 %.3f (%s)", found.rank.size, len(asked), numbers["recall@1"], by_kind)


def _reader(found: Robustness, source: ReducedImages, copies: Copies) -> Read:
    def read(row: int, kind: str) -> NDArray[np.uint8]:
        image_id, path, page = found.images.loc[row, ["image_id", "path", "page"]]
        if not kind:
            return source.read(image_id, path, int(page))
        return copies.read(f"{image_id}/{kind}", path, int(page))

    return read


def _namer(found: Robustness, source: ReducedImages, copies: Copies) -> Name:
    def name(row: int, kind: str) -> str:
        pixels = source.key(found.images.loc[row, "image_id"])
        return f"{pixels}/{kind}/{copies.recipe}" if kind else pixels

    return name


def _write(paths: Paths, found: Robustness, numbers: dict[str, Any], read: Read, kept: Kept) -> None:
    write_csv(paths.reports / "robustness.csv", table(found))
    write_page(paths.reports / "robustness.html", found, numbers, read=read, kept=kept)
    write_sheet(paths.reports / "robustness.png", found, read=read)
    write_json(paths.reports / "robustness.json", numbers)


if __name__ == "__main__":
    main(robustness)
