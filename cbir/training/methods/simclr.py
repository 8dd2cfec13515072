"""SimCLR: two views of an image attract each other, views of different images repel.

Source: Chen, Kornblith, Norouzi and Hinton, A Simple Framework for Contrastive Learning of Visual Representations, ICML
2020. The KoLeo term, which spreads the embeddings evenly: Sablayrolles, Douze, Schmid and Jégou, Spreading Vectors for
Similarity Search, ICLR 2019; with a contrastive loss as in Pizzi et al., A Self-Supervised Descriptor for Image Copy
Detection, CVPR 2022.
"""

import pandas as pd
import torch
from lightly.loss.koleo_loss import KoLeoLoss
from lightly.loss.ntx_ent_loss import NTXentLoss
from lightly.models.modules.heads import SimCLRProjectionHead
from torch import Tensor, nn

from cbir.encoders.encoder import Encoder
from cbir.training.batches import Batch
from cbir.training.objective import Objective
from cbir.training.settings import Settings
from cbir.training.views import build_view


class SimCLR(Objective):
    """Contrasts two views of each image; its projection head, if it has one, is thrown away after training."""

    def __init__(self, encoder: Encoder, settings: Settings) -> None:
        super().__init__(settings)
        width = encoder.dimension
        self.head: nn.Module = (
            SimCLRProjectionHead(width, hidden_dim=width, output_dim=settings.projection)
            if settings.projection
            else nn.Identity()
        )
        self.contrast = NTXentLoss(temperature=settings.temperature, gather_distributed=True)
        self.spread = KoLeoLoss()
        self.koleo = settings.koleo
        size = encoder.config.image_size
        self.view = build_view(settings.augmentation, image_size=size, clean=settings.clean_views)

    def loss(self, encoder: Encoder, batch: Batch, *, generator: torch.Generator) -> Tensor:
        """Returns the loss of images (B, C, S, S), float in 0..1, each seen in two views."""
        images = batch["images"]
        views = torch.cat([self.view(images, generator), self.view(images, generator)])
        features = encoder.features(views)
        projections = self.head(features)
        with torch.autocast(features.device.type, enabled=False):  # similarities need more digits than bfloat16 has
            first, second = projections.float().chunk(2)
            loss = self.contrast(first, second)
            if self.koleo:
                loss = loss + self.koleo * sum(self.spread(view) for view in features.chunk(2)) / 2
        return loss

    def copies(self, encoder: Encoder, batch: Batch, *, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Returns the features of the images and of a view of each."""
        images = batch["images"]
        return encoder.features(images), encoder.features(self.view(images, generator))


def objective(encoder: Encoder, images: pd.DataFrame, settings: Settings) -> SimCLR:
    """Returns the contrastive loss and its projection head."""
    return SimCLR(encoder, settings)
