"""cbir.training.methods.simclr: the loss is the published one, and training with it makes views find their images."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from torch.nn import functional

from cbir.encoders.encoder import Encoder, build_encoder, to_images
from cbir.training.methods.simclr import SimCLR
from cbir.training.trainer import train_encoder
from tests.support.lessons import noisy, pictures
from tests.support.training import train_settings

IMAGES = torch.rand(6, 1, 32, 32, generator=torch.Generator().manual_seed(0))


def build(**changes: Any) -> tuple[Any, SimCLR]:
    encoder = build_encoder(backbone="timm/test_resnet", image_size=32, greyscale=True)
    return encoder, SimCLR(encoder, train_settings(**{"projection": 16} | changes)).eval()


def loss(encoder: Any, objective: SimCLR) -> float:
    generator = torch.Generator().manual_seed(0)
    return objective.loss(encoder, {"images": IMAGES}, generator=generator).item()


def test_the_loss_is_that_of_a_naive_loop() -> None:
    encoder, objective = build(temperature=0.3)
    generator = torch.Generator().manual_seed(0)
    views = torch.cat([objective.view(IMAGES, generator), objective.view(IMAGES, generator)])
    with torch.no_grad():
        rows = functional.normalize(objective.head(encoder.features(views))).double().numpy()
    terms = []
    for row in range(12):
        mate = (row + 6) % 12
        powers = {other: np.exp(rows[row] @ rows[other] / 0.3) for other in range(12) if other != row}
        terms.append(-np.log(powers[mate] / sum(powers.values())))
    assert loss(encoder, objective) == pytest.approx(np.mean(terms), rel=1e-4)


def test_koleo_is_part_of_the_loss() -> None:
    encoder, plain = build()
    _, spread = build(koleo=0.5)
    spread.head.load_state_dict(plain.head.state_dict())
    assert loss(encoder, plain) != loss(encoder, spread)


def test_without_a_projection_the_embeddings_themselves_are_compared() -> None:
    encoder, objective = build(projection=0, temperature=0.3)
    generator = torch.Generator().manual_seed(0)
    views = torch.cat([objective.view(IMAGES, generator), objective.view(IMAGES, generator)])
    rows = functional.normalize(encoder.features(views))
    cosine = (rows @ rows.T / 0.3).masked_fill(torch.eye(12, dtype=torch.bool), -torch.inf)
    expected = functional.cross_entropy(cosine, torch.arange(12).roll(6)).item()
    assert loss(encoder, objective) == pytest.approx(expected, rel=1e-4)
    assert not list(objective.parameters())


def test_copies_are_views_of_the_images_they_are_compared_with() -> None:
    encoder, objective = build()
    originals, copies = objective.copies(encoder, {"images": IMAGES}, generator=torch.Generator().manual_seed(3))
    views = objective.view(IMAGES, torch.Generator().manual_seed(3))
    assert torch.equal(originals, encoder.features(IMAGES))
    assert torch.equal(copies, encoder.features(views))


@pytest.mark.heavy
def test_it_can_overfit_each_view_finds_its_own_image(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cbir.training.methods.simclr.build_view", lambda *_, **__: noisy)
    images, reduced = pictures(tmp_path, count=24)
    encoder = build_encoder(backbone="timm/test_resnet", image_size=32, greyscale=True)
    settings = train_settings(
        **{"epochs": 4, "batch_size": 16, "projection": 32, "temperature": 0.2, "workers": 0},
        **{"precision": "float32", "learning_rate": 3e-3, "head_learning_rate": 3e-3},
    )
    rows = images[["image_id", "path", "page"]].to_numpy()
    plain = to_images(torch.from_numpy(np.stack([encoder.preprocess(reduced.read(*row)) for row in rows])))
    assert found(encoder, plain) < 0.9
    lesson = pd.concat([images.assign(split=None)] * 8 + [images.assign(split="val")], ignore_index=True)
    train_encoder(encoder, lesson, reduced, method="simclr", settings=settings, checkpoints=tmp_path / "checkpoints")
    assert found(encoder, plain) == 1.0


@torch.inference_mode()
def found(encoder: Encoder, images: torch.Tensor) -> float:
    """Part of the images that a new view of theirs is most similar to."""
    views = noisy(images, torch.Generator().manual_seed(9))
    gallery, queries = (functional.normalize(encoder.features(batch)) for batch in (images, views))
    return ((queries @ gallery.T).argmax(dim=1) == torch.arange(len(images))).float().mean().item()
