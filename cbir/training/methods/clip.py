"""CLIP: an image and its caption attract each other, images and captions of different pictures repel.

Sources: Radford et al., Learning Transferable Visual Models From Natural Language Supervision, ICML 2021, for the
softmax over a batch; Zhai, Mustafa, Kolesnikov and Beyer, Sigmoid Loss for Language Image Pre-Training, ICCV 2023, for
pairs each by itself. Both losses are open_clip's.
"""

import math
from typing import Any

import pandas as pd
import torch
from lightly.utils.dist import gather
from open_clip.loss import ClipLoss, SigLipLoss
from torch import Tensor, nn
from torch.nn import functional

from cbir.base.errors import UserError
from cbir.encoders.encoder import Encoder
from cbir.encoders.text import TextTower
from cbir.training.batches import FEWEST, Batch, group_names, split_images, trainable
from cbir.training.objective import Objective
from cbir.training.ranks import place
from cbir.training.rules.start import reads_no_texts
from cbir.training.settings import Settings
from cbir.training.tuning import finish_towers, prepare_towers
from cbir.training.views import build_view

LARGEST_SCALE = math.log(100)  # of the published softmax loss, against a temperature that falls without end
FIRST_BIAS = -10.0  # of the published sigmoid loss: nearly all pairs are negative at first


class MaskedClipLoss(ClipLoss):
    """Computes open_clip's loss without the pairs (i, j) of ``same`` (B, B) bool, which are neither positive nor
    negative.
    """

    def __init__(self, same: Tensor) -> None:
        super().__init__()
        self.same = same

    def get_logits(self, *args: Any, **kwargs: Any) -> tuple[Tensor, Tensor]:
        """Returns the logits per image and per text, (B, B) each."""
        images, texts = super().get_logits(*args, **kwargs)
        return images.masked_fill(self.same, -torch.inf), texts.masked_fill(self.same.T, -torch.inf)


class MaskedSigLipLoss(SigLipLoss):
    """Computes open_clip's loss without the pairs (i, j) of ``same`` (B, B) bool, which are neither positive nor
    negative.
    """

    def __init__(self, same: Tensor) -> None:
        super().__init__()
        self.same = same

    def get_logits(self, *args: Any, **kwargs: Any) -> Tensor:
        """Returns the logits (B, B); a negative pair of the least value adds nothing."""
        logits = super().get_logits(*args, **kwargs)
        return logits.masked_fill(self.same, torch.finfo(logits.dtype).min)


class Clip(Objective):
    """Trains both towers; of its own it has the bias of the sigmoid loss where the model has none.

    Args:
        images: those with a caption are learned from.

    Raises:
        UserError: the encoder has no text tower, or too few images have a caption.
    """

    def __init__(self, encoder: Encoder, images: pd.DataFrame, settings: Settings) -> None:
        super().__init__(settings)
        text = _text_of(encoder)
        count = int((trainable(images) & _captions(images, settings).notna()).sum())
        if count < FEWEST:
            raise UserError(
                f"train.method clip needs at least {FEWEST} images with a caption that may train, there are {count}; "
                "set groundtruth.captions, or another method"
            )
        self.tokenize = text.tokenize
        prepare_towers(encoder, text, settings)
        without = settings.contrast == "siglip" and text.logit_bias is None
        self.bias = nn.Parameter(torch.tensor(FIRST_BIAS)) if without else None
        self.view = build_view(settings.augmentation, image_size=encoder.config.image_size, clean=settings.clean_views)

    def select(self, images: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Selects among the images with a caption."""
        return split_images(images[_captions(images, self.settings).notna()], seed=self.settings.seed)

    def describe(self, images: pd.DataFrame) -> Batch:
        """Returns ``tokens``, (n, context) int64, of the captions, and ``group``, (n,) int64, a number for each
        group.
        """
        groups = pd.factorize(pd.Series(group_names(images)))[0]
        return {
            "tokens": self.tokenize(_captions(images, self.settings).tolist()),
            "group": torch.from_numpy(groups),
        }

    def loss(self, encoder: Encoder, batch: Batch, *, generator: torch.Generator) -> Tensor:
        """Returns the loss of pairs; equal captions and images of one group are not negatives of each other."""
        text = _text_of(encoder)
        images = self.view(batch["images"], generator) if self.training else batch["images"]
        vectors = functional.normalize(encoder.features(images)), functional.normalize(text(batch["tokens"]))
        vectors = gathered(vectors[0]), gathered(vectors[1])
        same = same_pairs(gathered(batch["tokens"]), gathered(batch["group"]))
        with torch.autocast(same.device.type, enabled=False):  # similarities need more digits than bfloat16 has
            if self.settings.contrast == "siglip":
                bias = text.logit_bias if self.bias is None else self.bias
                return MaskedSigLipLoss(same)(*vectors, text.logit_scale.exp(), bias)
            with torch.no_grad():
                text.logit_scale.clamp_(max=LARGEST_SCALE)
            return MaskedClipLoss(same)(*vectors, text.logit_scale.exp())

    def finish(self, encoder: Encoder) -> None:
        """Adapters become part of the weights."""
        finish_towers(encoder, _text_of(encoder))


def gathered(part: Tensor) -> Tensor:
    """Gathers the parts of a batch, (B, …), of all processes that train together; gradients find their way back."""
    return torch.cat(gather(part)) if place()[1] > 1 else part


def same_pairs(tokens: Tensor, group: Tensor) -> Tensor:
    """Marks the pairs of an image and another's caption that say the same, or whose images are of one group; (B, B)
    bool.
    """
    equal = (tokens[:, None] == tokens[None]).all(dim=2) | (group[:, None] == group[None])
    return equal & ~torch.eye(len(group), dtype=torch.bool, device=group.device)


def _text_of(encoder: Encoder) -> TextTower:
    if encoder.text is None:
        raise reads_no_texts(encoder.config.backbone, encoder.config.pooling)
    return encoder.text


def _captions(images: pd.DataFrame, settings: Settings) -> pd.Series:
    """Returns the caption that is read, null where there is none or an empty one."""
    given = images["caption"]
    chosen = images["caption_en"].fillna(given) if settings.captions == "english" else given
    return chosen.where(chosen.fillna("").str.strip() != "")


def objective(encoder: Encoder, images: pd.DataFrame, settings: Settings) -> Clip:
    """Returns the contrastive loss over images and captions."""
    return Clip(encoder, images, settings)
