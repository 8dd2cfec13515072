"""Names the files of a saved encoder and computes the digest that identifies it; loads no network."""

import hashlib
from pathlib import Path

WEIGHTS_FILE = "model.safetensors"
CONFIG_FILE = "config.json"
TEXT_FOLDER = "text"  # files that the text tower needs beside its weights


def encoder_digest(folder: Path) -> str:
    """Computes the SHA-256 of weights and configuration, 64 hex characters that change with anything that changes an
    embedding.
    """
    digest = hashlib.sha256()
    for name in (WEIGHTS_FILE, CONFIG_FILE):
        with (folder / name).open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()
