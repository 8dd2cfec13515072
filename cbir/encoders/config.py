"""The configuration of an encoder: everything that determines an embedding beside the weights, read from and written to
a file.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cbir.base.errors import UserError
from cbir.encoders.layers import Head, Pooling, WhiteningKind
from cbir.encoders.preprocess import Preparation, Resize, Scaling, require_size


@dataclass(frozen=True)
class EncoderConfig:
    """The settings needed to embed an image, except the weights.

    Args:
        backbone: as :func:`cbir.encoders.backbones.build.build_towers` takes it.
        backbone_options: keyword arguments of its constructor.
        image_size: side of the square that the backbone sees, in px.
        resize: ``stretch`` to the square, ``letterbox``: keep the proportions and pad with grey, or ``model``: as the
            model's own evaluation does.
        greyscale: images are read as one channel.
        mean, std: of the three input channels, in 0..1.
        pooling: ``gem``, ``avg`` or ``native``.
        whitening: ``none``, ``centre`` or ``pca``.
        dimension: of the embedding.
        scaling: what ``resize: model`` does; else None.
        head: of a network that was trained on top of each tower; None: there is none.
        training: facts about how the weights came to be; they change nothing.
    """

    backbone: str
    backbone_options: Mapping[str, Any]
    image_size: int
    resize: Resize
    greyscale: bool
    mean: tuple[float, ...]
    std: tuple[float, ...]
    pooling: Pooling
    whitening: WhiteningKind
    dimension: int
    scaling: Scaling | None = None
    head: Head | None = None
    training: Mapping[str, Any] = field(default_factory=dict)

    @property
    def why_no_texts(self) -> str:
        """Says why such an encoder reads no texts; empty where it reads them."""
        if self.backbone.startswith("open_clip/") and self.pooling == "native":
            return ""
        return (
            f"an encoder of backbone {self.backbone} with pooling {self.pooling} reads no texts; "
            "train one with backbone open_clip/NAME and pooling native"
        )


def read_config(path: Path) -> EncoderConfig:
    """Reads the configuration that :meth:`cbir.encoders.encoder.Encoder.save` wrote.

    Raises:
        OSError, ValueError, TypeError, KeyError: it is not there, or no such configuration.
    """
    values = json.loads(path.read_text(encoding="utf-8"))
    if scaling := values.get("scaling"):
        values["scaling"] = Scaling(**{**scaling, "fill": tuple(scaling["fill"])})
    if head := values.get("head"):
        values["head"] = Head(**head)
    return EncoderConfig(**{**values, "mean": tuple(values["mean"]), "std": tuple(values["std"])})


def choose_size(given: int, *, backbone: str, own: Preparation) -> int:
    """Returns the side of the square in px: as given, or the backbone's own where 0 is given.

    Raises:
        UserError: it is too small, or the backbone's own is no square.
    """
    if given == 0 and own.size == 0:
        raise UserError(f"image_size 0 takes the size of {backbone}, which is no square; give a number of px")
    require_size(size := given or own.size)
    return size
