"""Tunes the backbone to tell the scenes of the archive apart; its features then serve for retrieval.

Source: Babenko, Slesarev, Chigorin and Lempitsky, Neural Codes for Image Retrieval, ECCV 2014.
"""

import numpy as np
import pandas as pd
import pyarrow as pa
import torch
from torch import Tensor, nn
from torch.utils.data import BatchSampler

from cbir.base.errors import UserError
from cbir.encoders.devices import autocast, choose_device, choose_precision
from cbir.encoders.encoder import Encoder, to_images
from cbir.images.reduced import ReducedImages
from cbir.training.batches import BalancedBatches, Batch, Batches, SpreadBatches, Squares, hold_back, load_batches
from cbir.training.objective import PREDICTIONS, Objective
from cbir.training.settings import Settings
from cbir.training.views import build_view


class Classifier(Objective):
    """Trains the backbone by the cross-entropy over scenes; its own linear layer is thrown away after training.

    Args:
        images: those of split train say which scenes there are.

    Raises:
        UserError: they are of fewer than two.
    """

    def __init__(self, encoder: Encoder, images: pd.DataFrame, settings: Settings) -> None:
        super().__init__(settings)
        labels = scenes(images)[images["split"] == "train"].value_counts().sort_index()
        if len(labels) < 2:
            raise UserError(
                f"train.method classifier needs training images of at least 2 classes or groups, there are "
                f"{len(labels)}; set groundtruth.file or groundtruth.layout: folders, or another method"
            )
        self.names = labels.index.astype(str).tolist()
        weights = (labels.sum() / len(labels) / labels).to_numpy(np.float32)
        self.weights: Tensor
        self.register_buffer("weights", torch.from_numpy(weights) if settings.class_balance == "loss" else None)
        self.head = nn.Linear(encoder.dimension, len(labels))
        self.view = build_view(settings.augmentation, image_size=encoder.config.image_size, clean=settings.clean_views)

    def select(self, images: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Images of known scenes; where too few of split val are, some of each scene's training images validate."""
        known = images[scenes(images).isin(self.names)]
        training, validation = known[known["split"] == "train"], known[known["split"] == "val"]
        return hold_back(training, validation, groups=scenes(training), seed=self.settings.seed)

    def batches(self, images: pd.DataFrame, *, validates: bool) -> Batches:
        """Deals the images in any order, or each scene as often as any other."""
        size, seed = self.settings.batch_size, self.settings.seed
        if self.settings.class_balance == "batches" and not validates:
            return BalancedBatches(self._numbers(images).tolist(), batch_size=size, seed=seed)
        return SpreadBatches(images["image_id"], batch_size=size, seed=seed)

    def describe(self, images: pd.DataFrame) -> Batch:
        """Returns ``label``, (n,) int64, the number of each image's scene."""
        return {"label": torch.from_numpy(self._numbers(images))}

    def loss(self, encoder: Encoder, batch: Batch, *, generator: torch.Generator) -> Tensor:
        """Returns the cross-entropy; with ``class_balance: loss`` an image weighs the less, the more images its scene
        has.
        """
        images = batch["images"]
        scores = self.head(encoder.features(self.view(images, generator) if self.training else images))
        return nn.functional.cross_entropy(scores.float(), batch["label"], weight=self.weights)

    @torch.inference_mode()
    def predictions(self, encoder: Encoder, images: pd.DataFrame, reduced: ReducedImages) -> pa.Table:
        """Returns the scene of each image of val and test whose scene was trained on, by image_id."""
        asked = images[images["split"].isin(["val", "test"]) & scenes(images).isin(self.names)].sort_values("image_id")
        device = choose_device()
        self.to(device).eval()
        encoder.to(device).eval()
        predicted: list[int] = []
        rows = BatchSampler(range(len(asked)), self.settings.batch_size, drop_last=False)
        squares = Squares(asked, reduced, encoder.preprocess)
        with autocast(device, choose_precision(self.settings.precision, device)):
            for batch in load_batches(squares, rows, workers=self.settings.workers):
                predicted += self.head(encoder.features(to_images(batch.to(device)))).argmax(dim=1).tolist()
        columns = [asked["image_id"], asked["split"], scenes(asked), [self.names[number] for number in predicted]]
        return pa.table([pa.array(column, pa.string()) for column in columns], schema=PREDICTIONS)

    def _numbers(self, images: pd.DataFrame) -> np.ndarray:
        return pd.Index(self.names).get_indexer(scenes(images)).astype(np.int64)


def scenes(images: pd.DataFrame) -> pd.Series:
    """Returns the scene of each image: its class where it has one, else its group; null where neither is known."""
    return images["class"].fillna(images["group_id"])


def objective(encoder: Encoder, images: pd.DataFrame, settings: Settings) -> Classifier:
    """Returns the cross-entropy over scenes and its linear layer."""
    return Classifier(encoder, images, settings)
