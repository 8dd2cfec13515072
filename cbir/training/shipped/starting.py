"""Makes the encoder that a training starts from, by weights that ship, that the backbone brings, or of a file."""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cbir.encoders.encoder import Encoder, build_encoder
from cbir.encoders.files import encoder_digest
from cbir.training.rules.start import FOLDER, NAMED, SHIPPED
from cbir.training.shipped.loading import load_shipped


def starting_encoder(stated: Mapping[str, Any], *, weights: str, image_size: int, seed: int) -> Encoder:
    """Makes the encoder of the settings ``stated``, with the weights that are named or lie at a path."""
    if weights == SHIPPED:
        return load_shipped(stated, image_size=image_size)
    return build_encoder(**stated, weights=weights, image_size=image_size, seed=seed)


def identity_of(weights: str) -> str:
    """Names the weights by their content, wherever the file lies."""
    if weights == SHIPPED:
        return f"{SHIPPED}, sha256:{encoder_digest(FOLDER)}"
    if weights in NAMED:
        return weights
    return f"sha256:{hashlib.sha256(Path(weights).read_bytes()).hexdigest()}"
