"""The encoder: embeds images as L2-normalised vectors, and is saved to and loaded from a folder."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, get_args

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional

from cbir.base.errors import UserError
from cbir.encoders.backbones.build import build_towers
from cbir.encoders.config import EncoderConfig, choose_size, read_config
from cbir.encoders.devices import Precision, autocast, choose_device, choose_precision
from cbir.encoders.files import CONFIG_FILE, TEXT_FOLDER, WEIGHTS_FILE
from cbir.encoders.layers import (
    Head,
    Pooling,
    WhiteningKind,
    build_head,
    build_pooling,
    empty_whitening,
    learn_whitening,
)
from cbir.encoders.preprocess import Preprocessing, Resize, channels
from cbir.encoders.text import TextTower

__all__ = [
    "Encoder",
    "EncoderConfig",
    "attach_heads",
    "autocast",
    "build_encoder",
    "choose_device",
    "choose_precision",
    "load_encoder",
    "to_images",
    "unwhiten",
    "whiten",
]

TEXT = "text."  # prefix of the names of the text tower's weights


class Encoder(nn.Module):
    """Backbone, pooling, head and whitening behind one preprocessing.

    Built by :func:`build_encoder` and :func:`load_encoder`.

    Attributes:
        head: an identity, or what :func:`attach_heads` put on top of the pooled features.
        text: the tower for texts, whose vectors lie in the space of :meth:`features`; None where the backbone has none.
    """

    def __init__(
        self, config: EncoderConfig, backbone: nn.Module, whitening: nn.Module, *, text: TextTower | None = None
    ) -> None:
        super().__init__()
        self.config = config
        self.backbone = backbone
        self.pooling = build_pooling(config.pooling)
        self.head: nn.Module = nn.Identity()
        self.text = text
        self.whitening = whitening
        self.mean: Tensor
        self.std: Tensor
        self.register_buffer("mean", torch.tensor(config.mean).view(1, -1, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(config.std).view(1, -1, 1, 1), persistent=False)

    @property
    def dimension(self) -> int:
        """Components of an embedding."""
        return self.config.dimension

    @property
    def preprocess(self) -> Preprocessing:
        """Converts an image, uint8 (H, W) or (H, W, 3) RGB, to the uint8 square (S, S, C) that the network reads."""
        config = self.config
        return Preprocessing(config.image_size, config.resize, config.greyscale, config.scaling)

    def features(self, images: Tensor) -> Tensor:
        """Computes pooled features (B, d), float32, not normalised, of images (B, C, S, S), float in 0..1."""
        normalised = (images - self.mean) / self.std  # one grey channel becomes three here
        activations = self.backbone(normalised.contiguous(memory_format=torch.channels_last))
        with torch.autocast(activations.device.type, enabled=False):  # powers and means lose too much in bfloat16
            return self.head(self.pooling(activations.float()))

    def forward(self, batch: Tensor) -> Tensor:
        """Embeds preprocessed images, uint8 (B, S, S, C), as (B, d), float32 and L2-normalised."""
        pooled = functional.normalize(self.features(to_images(batch)))
        with torch.autocast(batch.device.type, enabled=False):
            return functional.normalize(self.whitening(pooled))

    def embed_preprocessed(
        self, squares: np.ndarray, *, batch_size: int = 64, precision: Precision = "auto"
    ) -> np.ndarray:
        """Embeddings of preprocessed images, uint8 (n, S, S, C), on the device where the encoder is: float32 (n, d).

        Every batch is filled up to ``batch_size`` rows, because a library may compute batches of different sizes in
        different orders: so an image's embedding does not depend on the images beside it.
        """
        parts = [
            self._embed_batch(squares[at : at + batch_size], batch_size, precision)
            for at in range(0, len(squares), batch_size)
        ]
        return np.concatenate(parts) if parts else np.empty((0, self.dimension), np.float32)

    def embed(self, images: Sequence[np.ndarray], *, batch_size: int = 64, precision: Precision = "auto") -> np.ndarray:
        """Embeds images, each uint8 (H, W) or (H, W, 3), as float32 (n, d), L2-normalised."""
        parts = [
            self._embed_batch(np.stack([self.preprocess(image) for image in batch]), batch_size, precision)
            for batch in _batches(images, batch_size)
        ]
        return np.concatenate(parts) if parts else np.empty((0, self.dimension), np.float32)

    def embed_texts(self, texts: Sequence[str], *, batch_size: int = 64) -> np.ndarray:
        """Embeddings of texts among those of the images, whitened as they are: float32 (n, d), L2-normalised.

        Raises:
            UserError: the encoder has no text tower, or a text holds no words.
        """
        if self.text is None:
            raise UserError(self.config.why_no_texts or "the encoder was loaded without its text tower")
        vectors = torch.from_numpy(self.text.encode(texts, batch_size=batch_size)).to(self.mean.device)
        with torch.inference_mode():
            return functional.normalize(self.whitening(vectors)).cpu().numpy()

    def _embed_batch(self, squares: np.ndarray, batch_size: int, precision: Precision) -> np.ndarray:
        full = np.zeros((batch_size, *squares.shape[1:]), np.uint8)
        full[: len(squares)] = squares
        device = self.mean.device
        self.eval()
        with torch.inference_mode(), autocast(device, choose_precision(precision, device)):
            vectors = self(torch.from_numpy(full).to(device))
        return vectors[: len(squares)].cpu().numpy()

    def save(self, folder: Path) -> None:
        """Writes the weights and the configuration into ``folder``, with the same bytes for the same encoder."""
        folder.mkdir(parents=True, exist_ok=True)
        state = {name: value.detach().cpu().contiguous() for name, value in self.state_dict().items()}
        save_file(state, folder / WEIGHTS_FILE)
        text = json.dumps(asdict(self.config), indent=2, sort_keys=True, ensure_ascii=False)
        (folder / CONFIG_FILE).write_text(text + "\n", encoding="utf-8")
        if self.text is not None:
            self.text.save(folder / TEXT_FOLDER)


def build_encoder(
    *,
    backbone: str,
    backbone_options: Mapping[str, Any] | None = None,
    weights: str = "none",
    image_size: int = 224,
    resize: Resize = "stretch",
    greyscale: bool = False,
    mean: Sequence[float] = (),
    std: Sequence[float] = (),
    pooling: Pooling = "gem",
    seed: int = 0,
) -> Encoder:
    """Returns an encoder that was not trained here, without whitening, on the CPU and in evaluation mode.

    Args:
        weights: ``none`` (random, from ``seed``), ``pretrained`` (the library's own) or a .safetensors file.
        image_size: px; 0: as the backbone's configuration says.
        mean, std: per channel (one value or three), in 0..1; empty: as the backbone's configuration says.
        The others are those of :class:`EncoderConfig`.

    Raises:
        UserError: a value that is none of the allowed, or weights that do not fit.
    """
    if resize not in get_args(Resize):
        raise UserError(f"resize must be stretch, letterbox or model, is {resize!r}")
    _check_preparation(backbone, pooling, [*mean, *std])
    options = dict(backbone_options or {})
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        towers = build_towers(backbone, options, native=pooling == "native", weights=weights)
    own = towers.image.preparation
    size = choose_size(image_size, backbone=backbone, own=own)
    config = EncoderConfig(
        backbone=backbone,
        backbone_options=options,
        image_size=size,
        resize=resize,
        greyscale=greyscale,
        mean=channels("mean", mean, own.mean),
        std=channels("std", std, own.std),
        pooling=pooling,
        whitening="none",
        dimension=0,
        scaling=own.scaling(size) if resize == "model" else None,
    )
    encoder = Encoder(config, towers.image, nn.Identity(), text=towers.text)
    encoder.to(memory_format=torch.channels_last).eval()
    encoder.config = replace(config, dimension=_measure_dimension(encoder))
    return encoder


def _check_preparation(backbone: str, pooling: Pooling, normalisation: Sequence[float]) -> None:
    build_pooling(pooling)  # raises UserError for a name that is none
    if backbone.startswith("imagehash/") and normalisation:
        raise UserError(f"backbone {backbone} reads images as they are; leave mean and std empty")


def load_encoder(folder: Path, *, text: bool = False) -> Encoder:
    """Returns the encoder that :meth:`Encoder.save` wrote, on the CPU and in evaluation mode.

    Args:
        text: with its text tower, if it has one; without it less is read and held.

    Raises:
        UserError: the folder holds no such encoder.
    """
    try:
        config = read_config(folder / CONFIG_FILE)
        with safe_open(folder / WEIGHTS_FILE, framework="pt") as file:
            state = {name: file.get_tensor(name) for name in file.keys() if text or not name.startswith(TEXT)}  # noqa: SIM118
    except (OSError, ValueError, TypeError, KeyError, SafetensorError) as error:
        raise UserError(f"{folder} holds no encoder ({error}); run the stage train") from error
    native, options = config.pooling == "native", config.backbone_options
    with torch.random.fork_rng(devices=[]):
        towers = build_towers(config.backbone, options, native=native, text=text, text_folder=folder / TEXT_FOLDER)
    pooled = state["whitening.mean"].numel() if "whitening.mean" in state else config.dimension
    whitening = empty_whitening(config.whitening, pooled=pooled, dimension=config.dimension)
    encoder = Encoder(config, towers.image, whitening, text=towers.text)
    if config.head is not None and "head.0.weight" in state:
        _put_heads(encoder, config.head, pooled=state["head.0.weight"].shape[1])
    try:
        encoder.load_state_dict(state)
    except RuntimeError as error:
        raise UserError(
            f"{folder} holds weights that do not fit its {CONFIG_FILE}; run the stage train again"
        ) from error
    return encoder.to(memory_format=torch.channels_last).eval()


def attach_heads(encoder: Encoder, head: Head) -> None:
    """Puts a new head on each tower, with torch's global generator; from then on embeddings have its width.

    The encoder must not be whitened yet: a whitening belongs behind the head.
    """
    _put_heads(encoder, head, pooled=encoder.dimension)
    encoder.config = replace(encoder.config, head=head, dimension=head.width)


def _put_heads(encoder: Encoder, head: Head, *, pooled: int) -> None:
    for tower in (encoder, encoder.text):
        if tower is not None:
            tower.head = build_head(head, pooled=pooled).to(encoder.mean.device)


def whiten(encoder: Encoder, vectors: np.ndarray, kind: WhiteningKind) -> None:
    """Gives an encoder the whitening learned on ``vectors`` (n, d), its own embeddings of the training images."""
    encoder.whitening = learn_whitening(torch.from_numpy(vectors), kind).to(encoder.mean.device)
    projection = getattr(encoder.whitening, "projection", None)
    dimension = encoder.dimension if projection is None else len(projection)
    encoder.config = replace(encoder.config, whitening=kind, dimension=dimension)


def unwhiten(encoder: Encoder) -> None:
    """Takes an encoder's whitening away: training changes the vectors that it was learned on."""
    mean = dict(encoder.whitening.named_buffers()).get("mean")
    pooled = encoder.dimension if mean is None else len(mean)
    encoder.whitening = nn.Identity()
    encoder.config = replace(encoder.config, whitening="none", dimension=pooled)


def to_images(batch: Tensor) -> Tensor:
    """Converts preprocessed images, uint8 (B, S, S, C), to float (B, C, S, S) in 0..1."""
    return batch.permute(0, 3, 1, 2).float() / 255


def _measure_dimension(encoder: Encoder) -> int:
    config = encoder.config
    blank = torch.zeros(1, *encoder.preprocess.shape, dtype=torch.uint8)
    try:
        with torch.inference_mode():
            pooled = encoder.features(to_images(blank))
    except (RuntimeError, AssertionError, ValueError, IndexError, TypeError) as error:
        reason = " ".join(str(error).split())[:200]
        raise UserError(
            f"backbone {config.backbone} cannot take images of {config.image_size} px with pooling {config.pooling} "
            f"({reason}); change image_size, pooling or backbone_options"
        ) from error
    if pooled.ndim != 2:
        raise UserError(
            f"backbone {config.backbone} gives no feature map for pooling {config.pooling}; use pooling native"
        )
    return pooled.shape[1]


def _batches(images: Sequence[np.ndarray], size: int) -> Iterator[Sequence[np.ndarray]]:
    for start in range(0, len(images), size):
        yield images[start : start + size]
