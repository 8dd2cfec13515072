"""The photographs outside this repository: those that the shipped weights learn from, those that choose the epoch and
distract, and those that measure.
"""

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cbir.archive.inspection import perceptual_hash
from cbir.baseline.sift import Gallery, agreeing, build_gallery
from cbir.images.ids import image_ids
from cbir.images.reduced import ReducedImages
from cbir.matching.local.features import extract
from tests.support.workspace import ROOT

SHARED = ROOT.parent / "shared"
PHOTOS = SHARED / "data/photos"
MEASURED = (SHARED / "data/historical/images", SHARED / "data/reprints/images")
LONGEST_SIDE = 512  # px, of the reduced images

# Whole sources, so that no book is on both sides: they choose the epoch, and are distractors where it is measured.
HELD_OUT = (
    "distant-viewing/dvexplorer",
    "GITenberg/Ypres-to-Verdun-A-Collection-of-Photographs-of-the-War-areas-in-France-Flanders_57144",
)
NEAR_BITS = 10  # of 64 by which perceptual hashes of near-duplicates differ, at most
NEAR_FEATURES = 12  # local features that agree in near-duplicates, at least; some strangers have as many: no matter
_FEATURES = 200  # of each image: near-duplicates that are not screened share many
_CANDIDATES = 2  # whose features are compared

Pixels = NDArray[np.uint8]


def photographs() -> pd.DataFrame:
    """Lists the photographs that may train, and those held out, as data/training.parquet lists images.

    Returns:
        image_id, path (in ``PHOTOS``), page, group_id, split (None: trains; val: held out), class, caption, caption_en,
        repository and licence.
    """
    sources = pd.read_csv(PHOTOS / "sources.csv")
    sources = sources[sources["public_domain"] == "yes"].copy()
    sources["path"] = "images/" + sources["image"]
    sources["image_id"] = [image_ids(PHOTOS / path)[0] for path in sources["path"]]
    sources["page"] = 0
    sources["split"] = np.where(sources["repository"].isin(HELD_OUT), "val", None)
    for name in ("group_id", "class", "caption", "caption_en"):
        sources[name] = pd.Series(None, index=sources.index, dtype="str")
    return sources.drop_duplicates("image_id").sort_values("image_id", ignore_index=True)


def reduced_photographs(store: Path) -> ReducedImages:
    """Returns the store of the photographs' reduced images."""
    return ReducedImages(store, PHOTOS, longest_side=LONGEST_SIDE)


def near_measured(photos: pd.DataFrame, reduced: ReducedImages) -> pd.DataFrame:
    """Lists the photographs that show what an image of the measurements shows, by hash or by local features.

    Returns:
        path, measured (the nearest of those images), bits (distance of the hashes), features (that agree).
    """
    files = sorted(path for folder in MEASURED for path in folder.rglob("*") if path.is_file())
    pixels = {str(path): read_grey(path) for path in files}
    hashes = np.array([_bits(image) for image in pixels.values()])
    gallery = build_gallery(list(pixels), pixels.__getitem__, features=_FEATURES)
    rows = []
    for photo in photos.itertuples():
        image = reduced.read(photo.image_id, photo.path, 0)
        distances = (hashes != _bits(image)).sum(axis=1)
        agree = {gallery.ids[at]: number for at, number in _agreements(image, gallery)}
        nearest, features = max(agree.items(), key=lambda pair: pair[1], default=("", 0))
        if distances.min() <= NEAR_BITS or features >= NEAR_FEATURES:
            measured = nearest if features >= NEAR_FEATURES else gallery.ids[int(distances.argmin())]
            rows.append((photo.path, str(Path(measured).relative_to(SHARED)), int(distances.min()), features))
    return pd.DataFrame(rows, columns=["path", "measured", "bits", "features"])


def read_grey(path: Path) -> Pixels:
    """Reads an image in grey, reduced as the pipeline reduces it."""
    image = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
    scale = min(1.0, LONGEST_SIDE / max(image.shape))
    return cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)


def _agreements(image: Pixels, gallery: Gallery) -> Iterator[tuple[int, int]]:
    own = extract(image, most=_FEATURES)
    for side in (own, own.mirrored):
        for at in gallery.index.candidates(side, most=_CANDIDATES):
            yield at, agreeing(side, gallery.features[at])


def _bits(image: Pixels) -> NDArray[np.bool_]:
    return np.array([int(digit) for digit in f"{int(perceptual_hash(image), 16):064b}"], bool)
