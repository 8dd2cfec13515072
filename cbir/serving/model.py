"""Serves the encoder as a model from image files, as bytes, to embeddings, as MLflow loads and calls models."""

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd

from cbir.base.errors import UserError
from cbir.encoders.devices import Precision, choose_device
from cbir.encoders.encoder import Encoder, load_encoder
from cbir.images.reading import UnreadableImage, read_image

COLUMN = "image"


@dataclass(frozen=True)
class Serving:
    """The settings that determine an embedding beside the encoder; with the pipeline's values it is the pipeline's,
    number for number.

    Args:
        longest_side: px to which an image is shrunk before the encoder's own preprocessing.
        batch_size: images in one pass; every pass is filled up to it.
        precision: as in :meth:`cbir.encoders.encoder.Encoder.embed`.
    """

    longest_side: int
    batch_size: int
    precision: Precision


class ImageEmbedder:
    """Embeds image files: an encoder with everything before it."""

    def __init__(self, encoder: Encoder, serving: Serving) -> None:
        self._encoder = encoder
        self._serving = serving

    def predict(
        self, model_input: pd.DataFrame | np.ndarray | Sequence[bytes], params: Mapping[str, Any] | None = None
    ) -> np.ndarray:
        """Embeds images as float32 (n, d), L2-normalised.

        Args:
            model_input: the content of n image files, in any format that the pipeline reads; a table has them in its
                column ``image``. Only the first page of a file counts.
            params: MLflow hands them to every model; there are none.

        Raises:
            UserError: there is no such column, or a row is no image.
        """
        files = _files(model_input)
        size = self._serving.batch_size
        parts = [self._embed(files[start : start + size], start) for start in range(0, len(files), size)]
        return np.concatenate(parts) if parts else np.empty((0, self._encoder.dimension), np.float32)

    def _embed(self, files: list[bytes], first: int) -> np.ndarray:
        images = [self._read(file, row) for row, file in enumerate(files, start=first)]
        return self._encoder.embed(images, batch_size=self._serving.batch_size, precision=self._serving.precision)

    def _read(self, content: bytes, row: int) -> np.ndarray:
        if not isinstance(content, bytes | bytearray | memoryview):
            kind = type(content).__name__
            raise UserError(f"row {row} of the column {COLUMN} must be the bytes of an image file, is {kind}")
        with tempfile.NamedTemporaryFile() as file:  # decoders read files
            file.write(content)
            file.flush()
            try:
                return read_image(Path(file.name), longest_side=self._serving.longest_side)
            except UnreadableImage as error:
                raise UserError(f"row {row} of the column {COLUMN}: {error.reason}") from error


def _files(model_input: pd.DataFrame | np.ndarray | Sequence[bytes]) -> list[bytes]:
    if isinstance(model_input, pd.DataFrame):
        if COLUMN not in model_input:
            raise UserError(f"the table has no column {COLUMN} with the bytes of image files, only {list(model_input)}")
        return list(model_input[COLUMN])
    if isinstance(model_input, np.ndarray) and model_input.dtype != object:  # the type S drops zero bytes at the end
        raise UserError(f"an array of image files must be of the type object, is {model_input.dtype}")
    return list(model_input)


def example_file() -> bytes:
    """Returns the content of a small image file, as the model takes it."""
    shades = np.linspace(0, 255, 64, dtype=np.uint8)
    return cv2.imencode(".png", np.minimum.outer(shades, shades))[1].tobytes()


def _load_pyfunc(path: str, model_config: Mapping[str, Any]) -> ImageEmbedder:
    """Loads the model for MLflow from the encoder's folder and the fields of :class:`Serving`."""
    encoder = load_encoder(Path(path))
    encoder.to(choose_device())
    return ImageEmbedder(encoder, Serving(**model_config))
