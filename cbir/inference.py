"""Embedding an archive: only what this encoder has not seen is computed, and memory does not grow with the archive."""

import hashlib
import os
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import torch

from cbir import reduced
from cbir.devices import Precision, choose_device, choose_precision
from cbir.embedding import Batch, DType, write_embeddings
from cbir.encoder import Encoder, encoder_digest, load_encoder
from cbir.errors import UserError
from cbir.images import DECODERS
from cbir.preprocess import Preprocessing
from cbir.progress import Progress, silent
from cbir.reduced import ReducedImages
from cbir.store import Store

VERSION = 1  # to be raised with any change of the code that decides a vector

# Images in one forward pass on a processor. More make no use of it: the feature maps outgrow its caches, and the memory
# allocator returns such large blocks to the system each time (a ResNet-50 takes 1.7 times as long with 64 as with 8).
PASS_ON_PROCESSOR = 8
_READ_TOGETHER = 16  # images in one task of a reading thread
_BATCHES_AHEAD = 3
_FETCHED = 4096  # images looked up in the store at a time


@dataclass(frozen=True)
class Counts:
    """What embedding an archive took.

    Attributes:
        computed: images whose vectors were computed now.
        stored: images whose vectors were there.
    """

    computed: int
    stored: int


def embed_archive(
    folder: Path,
    images: pd.DataFrame,
    *,
    encoder_folder: Path,
    archive: Path,
    store: Path,
    longest_side: int,
    batch_size: int = 64,
    precision: Precision = "auto",
    dtype: DType = "float32",
    part_rows: int = 65536,
    progress: Progress = silent,
) -> Counts:
    """Write the embeddings of all images to ``folder``.

    The same bytes, whether vectors were in the store or are computed now. What is computed is stored batch by batch, so
    that a run that was killed goes on where it stopped.

    Args:
        images: columns image_id, path and page, sorted by image_id, each once.
        encoder_folder: as :meth:`cbir.encoder.Encoder.save` wrote it.
        archive: folder that the paths are relative to.
        store: folder of the stores; the vectors are in its ``embeddings.sqlite``.
        longest_side: px, of the reduced images that are read.
        batch_size: images read and stored together, and in one forward pass on a GPU; see :func:`pass_size`.

    Raises:
        UserError: there are no images, one cannot be read, or the encoder gives numbers that are not finite.
    """
    if images.empty:
        raise UserError("no image of the archive can be used; reports/cleaning.csv gives the reason for each file")
    encoder = load_encoder(encoder_folder).to(choose_device())
    digest, device = encoder_digest(encoder_folder), encoder.mean.device
    used: Precision = "bfloat16" if choose_precision(precision, device) == torch.bfloat16 else "float32"
    entries = Store(store / "embeddings.sqlite")
    size = pass_size(batch_size, device)
    vectors = StoredVectors(entries, digest, used, size, device.type, longest_side)
    missing = images[~vectors.known(images["image_id"])]
    source = ReducedImages(store, archive, longest_side=longest_side)
    batches = read_ahead(missing, source, encoder.preprocess, batch_size=batch_size)
    for some, squares in progress(batches, total=-(-len(missing) // batch_size), desc="embed", unit="batch"):
        vectors.put(some, _embed(encoder, squares, batch_size=size, precision=used))
    write_embeddings(
        folder,
        vectors.stream(images["image_id"]),
        dimension=encoder.dimension,
        encoder_digest=digest,
        precision=used,
        dtype=dtype,
        part_rows=part_rows,
    )
    return Counts(computed=len(missing), stored=len(images) - len(missing))


def pass_size(batch_size: int, device: torch.device) -> int:
    """Images in one forward pass, where ``batch_size`` are at hand."""
    return min(batch_size, PASS_ON_PROCESSOR) if device.type == "cpu" else batch_size


class StoredVectors:
    """Vectors that one encoder computed in one way, by image_id.

    The key holds all that decides a vector: the recipe (encoder, precision, images in a pass and device, for libraries
    choose other sums for other shapes, and the size of the reduced image), and the versions of the code that made it.
    """

    def __init__(self, store: Store, *recipe: str | int) -> None:
        versions = (VERSION, reduced.VERSION, DECODERS, cv2.__version__, torch.__version__)
        self._recipe = hashlib.sha256(repr((*recipe, *versions)).encode()).hexdigest()[:32]
        self._store = store

    def known(self, ids: pd.Series) -> np.ndarray:
        """Which images have a vector: (len(ids),) bool."""
        found = np.empty(len(ids), bool)
        for start, some in _slices(ids):
            keys = self._keys(some)
            missing = set(self._store.missing(keys))
            found[start : start + len(some)] = [key not in missing for key in keys]
        return found

    def put(self, ids: Sequence[str], vectors: np.ndarray) -> None:
        """Store vectors (len(ids), d), float32, in one transaction."""
        self._store.put_many((key, vector.tobytes()) for key, vector in zip(self._keys(ids), vectors, strict=True))

    def stream(self, ids: pd.Series) -> Iterator[Batch]:
        """The vectors of images that all have one, a few thousand at a time, in the order of ``ids``."""
        for _, some in _slices(ids):
            keys = self._keys(some)
            values = self._store.get_many(keys)
            yield some, np.frombuffer(b"".join(values[key] for key in keys), np.float32).reshape(len(some), -1)

    def _keys(self, ids: Sequence[str]) -> list[str]:
        return [f"{self._recipe}/{image_id}" for image_id in ids]


def _slices(ids: pd.Series) -> Iterator[tuple[int, list[str]]]:
    for start in range(0, len(ids), _FETCHED):
        yield start, ids.iloc[start : start + _FETCHED].tolist()


def read_ahead(
    images: pd.DataFrame, source: ReducedImages, preprocess: Preprocessing, *, batch_size: int
) -> Iterator[tuple[list[str], np.ndarray]]:
    """Ids and preprocessed images, uint8 (batch, S, S, C), read by threads a few batches ahead of who takes them."""

    def fill(squares: np.ndarray, some: list[tuple[str, str, int]]) -> None:
        for row, file in enumerate(some):
            squares[row] = preprocess(source.read(*file))

    readers = ThreadPoolExecutor(max_workers=_readers(), thread_name_prefix="read")
    ahead: deque[tuple[list[str], np.ndarray, list[Future[None]]]] = deque()
    try:
        for start in range(0, len(images), batch_size):
            rows = images.iloc[start : start + batch_size]
            batch = list(zip(rows["image_id"], rows["path"], rows["page"], strict=True))
            squares = np.empty((len(batch), *preprocess.shape), np.uint8)
            parts = [slice(at, at + _READ_TOGETHER) for at in range(0, len(batch), _READ_TOGETHER)]
            tasks = [readers.submit(fill, squares[part], batch[part]) for part in parts]
            ahead.append(([image_id for image_id, _, _ in batch], squares, tasks))
            if len(ahead) > _BATCHES_AHEAD:
                yield _take(ahead)
        while ahead:
            yield _take(ahead)
    finally:
        readers.shutdown(wait=False, cancel_futures=True)


def _take(ahead: deque[tuple[list[str], np.ndarray, list[Future[None]]]]) -> tuple[list[str], np.ndarray]:
    ids, squares, tasks = ahead.popleft()
    for task in tasks:
        task.result()
    return ids, squares


def _readers() -> int:
    """Threads that read: on a processor they take their time from the forward pass, a GPU is fed by several."""
    return min(8, os.cpu_count() or 1) if torch.cuda.is_available() else 1


def _embed(encoder: Encoder, squares: np.ndarray, *, batch_size: int, precision: Precision) -> np.ndarray:
    vectors = encoder.embed_preprocessed(squares, batch_size=batch_size, precision=precision)
    if not np.isfinite(vectors).all():
        raise UserError("the encoder gives vectors that are not finite; train it anew with a lower train.learning_rate")
    return vectors
