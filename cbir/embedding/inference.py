"""Embeds an archive: computes only the vectors that this encoder has not stored, in memory that does not grow with the
archive.
"""

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import Literal, Protocol, TypeVar

import numpy as np
import pandas as pd
import torch
from torch import nn

from cbir.base.display import Progress, silent
from cbir.base.errors import UserError
from cbir.embedding.ahead import work_ahead
from cbir.embedding.files import Batch, DType, write_embeddings
from cbir.embedding.vectors import Recipe, StoredVectors, versions_here
from cbir.encoders.devices import Precision, choose_device
from cbir.encoders.encoder import Encoder, load_encoder
from cbir.encoders.files import encoder_digest
from cbir.images.reduced import ReducedImages

# Forward passes run side by side on a processor, on a core each: the number of cores changes no sum, and no pass waits
# for another. Passes on all cores wait at every layer for the slowest, which is worst where something else runs too.
# No more than these: each takes 170 MB (ResNet-50, 224 px, float32), and all of the stage is to stay below 2 GB.
SIDE_BY_SIDE = 3
_READERS_FOR_GPU = 8

Device = Literal["auto", "cpu", "cuda"]
Item = TypeVar("Item")
Result = TypeVar("Result")


class Images(Protocol):
    """The source of pixels; :class:`cbir.images.reduced.ReducedImages` is one."""

    def read(self, image_id: str, path: str, page: int) -> np.ndarray:
        """Reads an image as uint8, (H, W) for grey or (H, W, 3) RGB."""
        ...


@dataclass(frozen=True)
class Counts:
    """The number of vectors that an embedding computed and found stored.

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
    device: Device = "auto",
    dtype: DType = "float32",
    part_rows: int = 65536,
    progress: Progress = silent,
) -> Counts:
    """Writes the embeddings of all images to ``folder``.

    The bytes are the same whether vectors were stored or are computed now. Each batch is stored when it is computed, so
    a run that was killed goes on where it stopped.

    Args:
        images: columns image_id, path and page, sorted by image_id, each once.
        encoder_folder: as :meth:`cbir.encoders.encoder.Encoder.save` wrote it.
        archive: folder that the paths are relative to.
        store: folder of the stores; the vectors are in its ``embeddings.sqlite``.
        longest_side: px, of the reduced images that are read.
        batch_size: images in one forward pass on a GPU; see :func:`cbir.embedding.vectors.pass_size`.
        device: where it is computed; vectors of a cpu and of a cuda device are kept apart.

    Raises:
        UserError: there are no images, one cannot be read, numbers are not finite, or only another machine can compute.
    """
    if images.empty:
        raise UserError("no image of the archive can be used; reports/cleaning.csv gives the reason for each file")
    encoder = load_encoder(encoder_folder)
    recipe = plan(encoder_folder, device=device, precision=precision, batch_size=batch_size, longest_side=longest_side)
    vectors, source = StoredVectors(store, recipe), ReducedImages(store, archive, longest_side=longest_side)
    missing = vectors.missing(images)
    for batch in _compute_missing(missing, source, encoder, recipe, progress=progress):
        vectors.put(*batch)
    write_embeddings(
        folder,
        vectors.stream(images["image_id"]),
        dimension=encoder.dimension,
        encoder_digest=recipe.encoder_digest,
        precision=recipe.precision,
        dtype=dtype,
        part_rows=part_rows,
    )
    return Counts(computed=len(missing), stored=len(images) - len(missing))


def plan(encoder_folder: Path, *, device: Device, precision: Precision, batch_size: int, longest_side: int) -> Recipe:
    """Returns the recipe by which this machine, or others for it, compute vectors; the settings are those of
    the stage.
    """
    chosen = choose_device() if device == "auto" else torch.device(device)
    digest = encoder_digest(encoder_folder)
    return Recipe.of(digest, device=chosen, precision=precision, batch_size=batch_size, longest_side=longest_side)


def _compute_missing(
    missing: pd.DataFrame, source: Images, encoder: Encoder, recipe: Recipe, *, progress: Progress
) -> Iterable[Batch]:
    if missing.empty:
        return ()
    if recipe.device == "cuda" and not torch.cuda.is_available():
        raise UserError(
            f"embed.device is cuda, this machine has no GPU, and {len(missing)} images have no vector yet; set "
            "shards.runner: ray with GPUs in the cluster, or embed.device: auto"
        )
    ready(encoder, recipe)
    return compute(missing, source, encoder, recipe, progress=progress)


def ready(encoder: Encoder, recipe: Recipe) -> Encoder:
    """Returns an encoder on the device and in the precision of a recipe; it computes in that precision alone from then
    on.
    """
    if recipe.precision == "bfloat16":
        cast_convolutions(encoder)
    return encoder.to(torch.device(recipe.device))


def cast_convolutions(encoder: Encoder) -> None:
    """Casts the weights of convolutions to bfloat16 for good; from then on the encoder computes in bfloat16 alone.

    Autocast would do it anew in every pass, 6 % of one of ResNet-18; the numbers are the same.
    """
    for module in encoder.modules():
        if isinstance(module, nn.Conv2d):
            module.to(torch.bfloat16)


def embed_shard(
    images: pd.DataFrame,
    recipe: Recipe,
    *,
    encoder_folder: Path,
    archive: Path,
    store: Path,
    progress: Progress = silent,
) -> Batch:
    """Embeds a shard of the images for :func:`embed_archive`, in a process of its own, maybe on another machine;
    returns their ids and vectors.

    Args:
        images: columns image_id, path and page.
        recipe: as :func:`plan` gave it where the vectors will be stored.
        store: folder of the store of reduced images, on a disk of this machine.

    Raises:
        UserError: this process cannot compute as the recipe says, or as :func:`embed_archive`.
    """
    if recipe.versions != versions_here():
        raise UserError(
            f"its code or libraries ({', '.join(map(str, versions_here()))}) are not those of the machine that asks "
            f"({', '.join(map(str, recipe.versions))}), so its vectors would differ; install the same versions on both"
        )
    encoder = _encoder_for(recipe, encoder_folder)
    source = ReducedImages(store, archive, longest_side=recipe.longest_side)
    batches = list(compute(images, source, encoder, recipe, progress=progress))
    ids = [image_id for batch_ids, _ in batches for image_id in batch_ids]
    return ids, np.concatenate([vectors for _, vectors in batches])


@lru_cache(maxsize=1)
def _encoder_for(recipe: Recipe, folder: Path) -> Encoder:
    """Returns the encoder on the recipe's device, read once a process."""
    if recipe.device != "cpu" and choose_device().type != recipe.device:
        raise UserError(
            f"it has no {recipe.device} device, which the machine that asks computes on; set embed.device: cpu, "
            "or use workers with a GPU"
        )
    if encoder_digest(folder) != recipe.encoder_digest:
        raise UserError(f"{folder} there holds another encoder than here; let both machines read the same folder")
    return ready(load_encoder(folder), recipe)


def compute(
    images: pd.DataFrame,
    source: Images,
    encoder: Encoder,
    recipe: Recipe,
    *,
    progress: Progress = silent,
) -> Iterable[Batch]:
    """Ids and vectors of images, one forward pass after the other, in their order.

    On a processor a few threads each read images and pass them through the encoder; a GPU is fed by threads that read.

    Args:
        images: columns image_id, path and page.
        encoder: :func:`ready` for the recipe.

    Raises:
        UnreadableImage: an image that is neither in the store nor, unchanged, in the archive.
        UserError: the encoder gives numbers that are not finite.
    """
    size = recipe.pass_size
    preprocess = encoder.preprocess

    def read(start: int) -> tuple[list[str], np.ndarray]:
        rows = images.iloc[start : start + size]
        files = zip(rows["image_id"], rows["path"], rows["page"], strict=True)
        return rows["image_id"].tolist(), np.stack([preprocess(source.read(*file)) for file in files])

    def embed(batch: tuple[list[str], np.ndarray]) -> Batch:
        vectors = encoder.embed_preprocessed(batch[1], batch_size=size, precision=recipe.precision)
        if not np.isfinite(vectors).all():
            raise UserError("the encoder gives vectors that are not finite; train it with a lower train.learning_rate")
        return batch[0], vectors

    starts = range(0, len(images), size)
    if recipe.device == "cpu":
        batches = side_by_side(lambda start: embed(read(start)), starts)
    else:
        batches = map(embed, work_ahead(read, starts, threads=min(_READERS_FOR_GPU, os.cpu_count() or 1)))
    return progress(batches, total=len(starts), desc="embed", unit="batch")


def side_by_side(work: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
    """Yields the results of ``work`` on each item, done by threads of which each computes on one core."""
    cores = torch.get_num_threads()
    one_core = partial(torch.set_num_threads, 1)  # holds for the thread that calls it, and for those it starts
    try:
        yield from work_ahead(work, items, threads=min(cores, SIDE_BY_SIDE), begin=one_core)
    finally:
        torch.set_num_threads(cores)
