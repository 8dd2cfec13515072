"""Stores embeddings by image_id and by everything else that determines them (encoder, precision, batch size,
versions).
"""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
import pandas as pd
import torch

from cbir.embedding.files import Batch
from cbir.encoders.devices import Precision, choose_precision
from cbir.images import reduced
from cbir.images.reading import DECODERS
from cbir.store import Store

VERSION = 1  # raise it with any change of the code that decides a vector
Versions = tuple[int, int, str, str, str]

# Images in one forward pass on a processor. More are slower, because feature maps outgrow its caches, and take more
# memory.
PASS_ON_PROCESSOR = 8
_FETCHED = 4096  # images looked up in the store at a time


def pass_size(batch_size: int, device: torch.device) -> int:
    """Images in one forward pass: ``batch_size``, of which a processor takes only a few at a time."""
    return min(batch_size, PASS_ON_PROCESSOR) if device.type == "cpu" else batch_size


def versions_here() -> Versions:
    """Returns the versions of this process's code and libraries that decide a vector."""
    return VERSION, reduced.VERSION, DECODERS, cv2.__version__, str(torch.__version__)


@dataclass(frozen=True)
class Recipe:
    """Everything that determines a vector beside the image: two processes with the same recipe compute the same
    vectors.

    Attributes:
        encoder_digest: of the encoder's files.
        precision: in which it computes.
        pass_size: images in one forward pass; like ``device``, for libraries choose other sums for other shapes.
        device: its type, such as cpu or cuda.
        longest_side: px, of the reduced images that are read.
        versions: of the code, see :func:`versions_here`.
        source: what is done to a reduced image before the encoder sees it, where anything is.
    """

    encoder_digest: str
    precision: Literal["float32", "bfloat16"]
    pass_size: int
    device: str
    longest_side: int
    versions: Versions
    source: str = ""

    @classmethod
    def of(
        cls, encoder_digest: str, *, device: torch.device, precision: Precision, batch_size: int, longest_side: int
    ) -> "Recipe":
        """Returns the recipe of an encoder that computes on a device with this process's code.

        Args:
            batch_size: images in one forward pass on a GPU; see :func:`pass_size`.
        """
        half = choose_precision(precision, device) == torch.bfloat16
        return cls(
            encoder_digest,
            "bfloat16" if half else "float32",
            pass_size(batch_size, device),
            device.type,
            longest_side,
            versions_here(),
        )

    @property
    def key(self) -> str:
        """Key of the recipe, 32 hex characters."""
        return hashlib.sha256(repr(astuple(self)).encode()).hexdigest()[:32]


class StoredVectors:
    """The vectors that were computed by one recipe, by image_id.

    Args:
        folder: of the stores; the vectors are in its ``embeddings.sqlite``.
    """

    def __init__(self, folder: Path, recipe: Recipe) -> None:
        self._recipe = recipe.key
        self._store = Store(folder / "embeddings.sqlite")

    def missing(self, images: pd.DataFrame) -> pd.DataFrame:
        """Returns those rows of ``images``, a table with a column image_id, that have no vector yet."""
        return images[~self.known(images["image_id"])]

    def known(self, ids: pd.Series) -> np.ndarray:
        """Tells which images have a vector, (len(ids),) bool."""
        stored = np.empty(len(ids), bool)
        for start, batch in _slices(ids):
            keys = self._keys(batch)
            missing = set(self._store.missing(keys))
            stored[start : start + len(batch)] = [key not in missing for key in keys]
        return stored

    def put(self, ids: Sequence[str], vectors: np.ndarray) -> None:
        """Stores vectors (len(ids), d), float32, in one transaction."""
        self._store.put_many((key, vector.tobytes()) for key, vector in zip(self._keys(ids), vectors, strict=True))

    def stream(self, ids: pd.Series) -> Iterator[Batch]:
        """Yields the vectors of images that all have one, a few thousand at a time, in the order of ``ids``."""
        for _, batch in _slices(ids):
            keys = self._keys(batch)
            values = self._store.get_many(keys)
            yield batch, np.frombuffer(b"".join(values[key] for key in keys), np.float32).reshape(len(batch), -1)

    def _keys(self, ids: Sequence[str]) -> list[str]:
        return [f"{self._recipe}/{image_id}" for image_id in ids]


def _slices(ids: pd.Series) -> Iterator[tuple[int, list[str]]]:
    for start in range(0, len(ids), _FETCHED):
        yield start, ids.iloc[start : start + _FETCHED].tolist()
