"""Embedding an archive: only what this encoder has not seen is computed, and memory does not grow with the archive."""

import hashlib
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Protocol, TypeVar

import cv2
import numpy as np
import pandas as pd
import torch
from torch import nn

from cbir import reduced
from cbir.ahead import work_ahead
from cbir.devices import Precision, choose_device, choose_precision
from cbir.embedding import Batch, DType, write_embeddings
from cbir.encoder import Encoder, load_encoder
from cbir.encoder_files import encoder_digest
from cbir.errors import UserError
from cbir.images import DECODERS
from cbir.progress import Progress, silent
from cbir.reduced import ReducedImages
from cbir.store import Store

VERSION = 1  # to be raised with any change of the code that decides a vector

# Images in one forward pass on a processor. More are slower, for feature maps outgrow its caches, and take more memory.
PASS_ON_PROCESSOR = 8
# Passes side by side on a processor, on a core each: so the number of cores leaves no trace in the sums, and none waits
# for another. Passes on all cores wait at every layer for the slowest, which is worst where something else runs too.
# No more than these: each takes 170 MB (ResNet-50, 224 px, float32), and all of the stage is to stay below 2 GB.
_SIDE_BY_SIDE = 3
_READERS_FOR_GPU = 8
_FETCHED = 4096  # images looked up in the store at a time

Item = TypeVar("Item")
Result = TypeVar("Result")


class Images(Protocol):
    """Where pixels come from; :class:`cbir.reduced.ReducedImages` is one."""

    def read(self, image_id: str, path: str, page: int) -> np.ndarray:
        """uint8, (H, W) for grey or (H, W, 3) RGB."""
        ...


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
        batch_size: images in one forward pass on a GPU; see :func:`pass_size`.

    Raises:
        UserError: there are no images, one cannot be read, or the encoder gives numbers that are not finite.
    """
    if images.empty:
        raise UserError("no image of the archive can be used; reports/cleaning.csv gives the reason for each file")
    encoder = load_encoder(encoder_folder).to(choose_device())
    digest, device = encoder_digest(encoder_folder), encoder.mean.device
    used: Precision = "bfloat16" if choose_precision(precision, device) == torch.bfloat16 else "float32"
    if used == "bfloat16":
        cast_convolutions(encoder)
    entries = Store(store / "embeddings.sqlite")
    vectors = StoredVectors(entries, digest, used, pass_size(batch_size, device), device.type, longest_side)
    missing = images[~vectors.known(images["image_id"])]
    source = ReducedImages(store, archive, longest_side=longest_side)
    for batch in compute(missing, source, encoder, batch_size=batch_size, precision=used, progress=progress):
        vectors.put(*batch)
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
    """Images in one forward pass: ``batch_size``, of which a processor takes only a few at a time."""
    return min(batch_size, PASS_ON_PROCESSOR) if device.type == "cpu" else batch_size


def cast_convolutions(encoder: Encoder) -> None:
    """Cast the weights of convolutions to bfloat16 for good; from then on the encoder computes in bfloat16 alone.

    Autocast would do it anew in every pass, 6 % of one of ResNet-18; the numbers are the same.
    """
    for module in encoder.modules():
        if isinstance(module, nn.Conv2d):
            module.to(torch.bfloat16)


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


def compute(
    images: pd.DataFrame,
    source: Images,
    encoder: Encoder,
    *,
    batch_size: int,
    precision: Precision,
    progress: Progress = silent,
) -> Iterable[Batch]:
    """Ids and vectors of images, one forward pass after the other, in their order.

    On a processor a few threads each read images and pass them through the encoder; a GPU is fed by threads that read.

    Args:
        images: columns image_id, path and page.

    Raises:
        UnreadableImage: an image that is neither in the store nor, unchanged, in the archive.
        UserError: the encoder gives numbers that are not finite.
    """
    device = encoder.mean.device
    size = pass_size(batch_size, device)
    preprocess = encoder.preprocess

    def read(start: int) -> tuple[list[str], np.ndarray]:
        rows = images.iloc[start : start + size]
        files = zip(rows["image_id"], rows["path"], rows["page"], strict=True)
        return rows["image_id"].tolist(), np.stack([preprocess(source.read(*file)) for file in files])

    def embed(batch: tuple[list[str], np.ndarray]) -> Batch:
        vectors = encoder.embed_preprocessed(batch[1], batch_size=size, precision=precision)
        if not np.isfinite(vectors).all():
            raise UserError("the encoder gives vectors that are not finite; train it with a lower train.learning_rate")
        return batch[0], vectors

    starts = range(0, len(images), size)
    if device.type == "cpu":
        batches = side_by_side(lambda start: embed(read(start)), starts)
    else:
        batches = map(embed, work_ahead(read, starts, threads=min(_READERS_FOR_GPU, os.cpu_count() or 1)))
    return progress(batches, total=len(starts), desc="embed", unit="batch")


def side_by_side(work: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
    """The results of ``work`` on each item, done by threads of which each computes on one core."""
    cores = torch.get_num_threads()
    one_core = partial(torch.set_num_threads, 1)  # holds for the thread that calls it, and for those it starts
    try:
        yield from work_ahead(work, items, threads=min(cores, _SIDE_BY_SIDE), begin=one_core)
    finally:
        torch.set_num_threads(cores)
