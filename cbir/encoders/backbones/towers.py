"""The interface of every library's backbone: a network, its preparation of images and, where it has one, a tower for
texts.
"""

from dataclasses import dataclass
from typing import Any

from torch import nn

from cbir.encoders.preprocess import Preparation
from cbir.encoders.text import TextTower


class Backbone(nn.Module):
    """A network without its classifier: normalised images (B, 3, H, W) to features.

    Args:
        model: the library's own.
        native: it gives what the model itself pools, (B, d), and no feature map, (B, d, h, w).
        preparation: how the library prepares images for it.
    """

    def __init__(self, model: nn.Module, *, native: bool, preparation: Preparation) -> None:
        super().__init__()
        self.model: Any = model
        self.native = native
        self.preparation = preparation


@dataclass(frozen=True)
class Towers:
    """A backbone and, where it shares a space with texts, the tower that embeds them."""

    image: Backbone
    text: TextTower | None = None
