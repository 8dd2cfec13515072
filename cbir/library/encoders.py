"""Loads an encoder by one call: the one that comes with cbir, or one that was trained."""

from pathlib import Path

from cbir.encoders import encoder as encoders
from cbir.encoders.encoder import Encoder
from cbir.training.shipped.loading import load_shipped


def load_encoder(folder: str | Path | None = None) -> Encoder:
    """Loads an encoder, on the CPU and in evaluation mode; ``encoder.embed([pixels])`` gives L2-normalised vectors.

    Args:
        folder: of an encoder that the stage ``train`` wrote (models/encoder of a workspace); None: the shipped one.

    Raises:
        UserError: the folder holds no encoder, or the shipped one is damaged.
    """
    return load_shipped({}) if folder is None else encoders.load_encoder(Path(folder).expanduser())
