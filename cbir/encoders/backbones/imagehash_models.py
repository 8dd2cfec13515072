"""Perceptual hashes of the library imagehash as backbones, a baseline that learns nothing."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from cbir.base.errors import UserError
from cbir.encoders.backbones.names import HASHES
from cbir.encoders.backbones.refusals import unknown
from cbir.encoders.backbones.towers import Backbone, Towers
from cbir.encoders.preprocess import Preparation

BITS = 64


class HashBackbone(Backbone):
    """Computes the 64 bits of a hash as -1 and 1; the cosine of two hashes is 1 - 2/64 of their Hamming distance.

    Sources: N. Krawetz, Looks Like It (2011) for ``phash``, the signs of a cosine transform's low frequencies, and Kind
    of Like That (2013) for ``dhash``, the signs of differences between neighbours; both on hackerfactor.com.
    """

    def __init__(self, name: str, *, preparation: Preparation) -> None:
        import imagehash

        super().__init__(nn.Identity(), native=True, preparation=preparation)
        self._hash = {"phash": imagehash.phash, "dhash": imagehash.dhash}[name]

    def forward(self, images: Tensor) -> Tensor:
        """Hashes images (B, 3, H, W) in 0..1 to float32 (B, 64)."""
        pixels = (images.detach() * 255).round().byte().permute(0, 2, 3, 1).cpu().numpy()
        bits = np.stack([self._hash(Image.fromarray(image)).hash.ravel() for image in pixels])
        return torch.from_numpy(bits * np.float32(2) - 1).to(images.device)


def build(name: str, options: Mapping[str, Any], *, native: bool, weights: str, **_text: Any) -> Towers:
    """Builds ``phash`` or ``dhash``, which have no feature map, no weights and no options."""
    backbone = f"imagehash/{name}"
    if name not in HASHES:
        raise unknown(backbone, [f"imagehash/{known}" for known in HASHES])
    if not native:
        raise UserError(f"backbone {backbone} gives no feature map for pooling; use pooling native")
    if options or weights != "none":
        given = f"backbone_options {dict(options)}" if options else f"weights {weights!r}"
        raise UserError(f"backbone {backbone} has neither weights nor options, there is {given}; leave it out")
    unchanged = ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0))
    preparation = Preparation(
        size=HASHES[name], mean=unchanged[0], std=unchanged[1], fit="squash", crop=1.0, interpolation="lanczos"
    )
    return Towers(HashBackbone(name, preparation=preparation))
