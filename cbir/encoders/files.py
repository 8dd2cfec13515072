"""The files of a saved encoder, and the digest by which one is known; loads no network."""

import hashlib
from pathlib import Path

WEIGHTS_FILE = "model.safetensors"
CONFIG_FILE = "config.json"
TEXT_FOLDER = "text"  # what the text tower needs beside its weights


def encoder_digest(folder: Path) -> str:
    """64 hex characters that change with anything that changes an embedding: SHA-256 over weights and configuration."""
    digest = hashlib.sha256()
    for name in (WEIGHTS_FILE, CONFIG_FILE):
        with (folder / name).open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()
