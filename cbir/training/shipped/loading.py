"""Reads the encoder that comes with this package, and checks it by a picture whose embedding is stored beside it."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file
from safetensors.torch import load_file as load_tensors
from safetensors.torch import save_file as save_tensors

from cbir.base.errors import UserError
from cbir.encoders.encoder import Encoder, load_encoder
from cbir.encoders.files import WEIGHTS_FILE
from cbir.training.rules.start import FOLDER, require_own

CHECK_FILE = "check.safetensors"
ALIKE = 0.999  # cosine of the picture's embedding to the stored one, at least


def load_shipped(stated: Mapping[str, Any], *, image_size: int = 0, folder: Path = FOLDER) -> Encoder:
    """Loads the encoder that comes with this package, with its whitening, on the CPU and in evaluation mode.

    Args:
        stated: other settings of the section ``train`` that describe an encoder, by their names; those that are not
            empty must be the encoder's own.
        image_size: px, side of the square that it embeds; 0: its own.

    Raises:
        UserError: a setting is not the encoder's, or it is damaged, or embeds its picture otherwise than when it was
            made.
    """
    try:
        encoder, check = load_encoder(folder), load_file(folder / CHECK_FILE)
    except (OSError, SafetensorError, UserError) as error:
        raise UserError(f"the weights that come with cbir cannot be read from {folder}; install cbir again") from error
    own = encoder.config
    for name, value in stated.items():
        require_own(name, value, getattr(own, name))
    _check(encoder, **check)
    encoder.config = replace(own, image_size=image_size or own.image_size)
    return encoder


def _check(encoder: Encoder, *, picture: NDArray[np.uint8], embedding: NDArray[np.float32]) -> None:
    cosine = float(encoder.embed([picture], batch_size=1, precision="float32")[0] @ embedding)
    if not cosine >= ALIKE:
        raise UserError(
            f"the weights that come with cbir embed their picture with a cosine of {cosine:.4f} to what they gave when "
            f"they were made, which must be at least {ALIKE}; install cbir again with the versions of constraints.txt"
        )


def save_shipped(encoder: Encoder, folder: Path, *, picture: NDArray[np.uint8]) -> None:
    """Writes an encoder in half the bytes (float16), with a picture (H, W) and its embedding."""
    encoder.save(folder)
    state = load_tensors(folder / WEIGHTS_FILE)
    save_tensors({name: value.half() for name, value in state.items()}, folder / WEIGHTS_FILE)
    embedding = load_encoder(folder).embed([picture], batch_size=1, precision="float32")[0]
    save_file({"picture": np.ascontiguousarray(picture), "embedding": embedding}, folder / CHECK_FILE)
