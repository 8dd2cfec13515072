"""Makes altered copies of an archive's images and embeds them; vectors are kept in the store."""

import hashlib
from dataclasses import dataclass, replace
from functools import cache
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cbir.base.display import Progress, silent
from cbir.embedding.inference import Images, compute, plan, ready
from cbir.embedding.vectors import StoredVectors
from cbir.encoders.devices import Precision
from cbir.encoders.encoder import load_encoder
from cbir.images.reduced import ReducedImages
from cbir.robustness.alterations import KINDS, altered

# The code that has a part in altering an image: an edit in any of these may give other copies.
PACKAGE = Path(__file__).parents[1]
CODE = [
    PACKAGE / "robustness/alterations.py",
    PACKAGE / "base/display.py",
    PACKAGE / "base/errors.py",
    PACKAGE / "encoders/devices.py",
    *sorted((PACKAGE / "reprints").glob("[!_]*.py")),
]
_LIBRARIES = ("matplotlib", "numpy", "opencv-python-headless", "pillow", "torch")


class Copies:
    """Alters the images of a source whenever they are read; the id of a copy is ``<image_id>/<kind>``."""

    def __init__(self, source: Images, *, seed: int) -> None:
        self._source, self._seed = source, seed

    def read(self, image_id: str, path: str, page: int) -> NDArray[np.uint8]:
        """Returns the pixels of a copy; the archive around its image has no part in them."""
        original, _, kind = image_id.partition("/")
        return altered(self._source.read(original, path, page), kind, key=f"{self._seed}/{original}")

    @property
    def recipe(self) -> str:
        """The key of the store for copies of given pixels: everything that determines them."""
        return f"{self._seed}/{code_digest()}"


@dataclass(frozen=True)
class Pictures:
    """Gives the pictures of a measurement by the row of their image and their kind; no kind: the image itself."""

    images: pd.DataFrame
    source: ReducedImages
    copies: Copies

    def read(self, row: int, kind: str) -> NDArray[np.uint8]:
        """Returns the pixels of a picture."""
        image_id, path, page = self.images.loc[row, ["image_id", "path", "page"]]
        if not kind:
            return self.source.read(image_id, path, int(page))
        return self.copies.read(f"{image_id}/{kind}", path, int(page))

    def name(self, row: int, kind: str) -> str:
        """Names a picture by everything that determines its pixels."""
        pixels = self.source.key(self.images.loc[row, "image_id"])
        return f"{pixels}/{kind}/{self.copies.recipe}" if kind else pixels


@cache
def code_digest() -> str:
    """Returns a digest of the code that alters images, and of the libraries that it calls."""
    digest = hashlib.sha256(repr([version(name) for name in _LIBRARIES]).encode())
    for path in CODE:
        digest.update(path.read_bytes())
    return digest.hexdigest()[:32]


def copy_vectors(
    images: pd.DataFrame,
    copies: Copies,
    encoder_folder: Path,
    store: Path,
    *,
    longest_side: int,
    batch_size: int,
    precision: Precision,
    progress: Progress = silent,
) -> NDArray[np.float32]:
    """Embeds every kind of copy of Q images: (Q, kinds, d), in the order of ``KINDS``.

    The vectors are the same whether they were stored or are computed now; the encoder is loaded only to compute.

    Args:
        images: image_id, path, page.
        store: folder of the stores; the vectors are in its ``embeddings.sqlite``.
        longest_side: px, of the reduced images that the copies are made of.
    """
    names = pd.Series([f"{image_id}/{kind}" for image_id in images["image_id"] for kind in KINDS], dtype=object)
    recipe = plan(encoder_folder, device="auto", precision=precision, batch_size=batch_size, longest_side=longest_side)
    vectors = StoredVectors(store, replace(recipe, source=copies.recipe))
    missing = ~vectors.known(names)
    if missing.any():
        encoder = ready(load_encoder(encoder_folder), recipe)
        wanted = images.loc[images.index.repeat(len(KINDS)), ["image_id", "path", "page"]]
        wanted = wanted.assign(image_id=names.to_numpy())[missing]
        for batch in compute(wanted, copies, encoder, recipe, progress=progress):
            vectors.put(*batch)
    stacked = np.concatenate([rows for _, rows in vectors.stream(names)])
    return stacked.reshape(len(images), len(KINDS), -1)
