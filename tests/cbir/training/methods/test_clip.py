"""cbir.training.methods.clip: open_clip's losses where nothing is masked, and four ways to learn pairs."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from open_clip.loss import ClipLoss, SigLipLoss
from torch.nn import functional

from cbir.base.errors import UserError
from cbir.encoders.encoder import Encoder, build_encoder, load_encoder
from cbir.training.methods.clip import Clip, MaskedClipLoss, MaskedSigLipLoss, same_pairs
from cbir.training.trainer import Trained, train_encoder
from tests.support.clip import TINY, archive, build, multilingual_options
from tests.support.lessons import pictures
from tests.support.training import train_settings

QUICK = {"workers": 0, "precision": "float32", "augmentation": "none", "batch_size": 16}


def train(archive: Any, folder: Path, options: dict[str, Any] = TINY, **changes: Any) -> tuple[Encoder, Trained]:
    encoder = build(options)
    more = {"progress": changes.pop("progress")} if "progress" in changes else {}
    settings = train_settings(**{"epochs": 2, "learning_rate": 1e-3, "head_learning_rate": 1e-3} | QUICK | changes)
    return encoder, train_encoder(
        encoder, *archive, method="clip", settings=settings, checkpoints=folder / "checkpoints", **more
    )


def vectors() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return tuple(functional.normalize(torch.randn(6, 8, generator=generator)) for _ in range(2))  # type: ignore[return-value]


SAME = torch.zeros(6, 6, dtype=torch.bool)
SAME[0, 1] = SAME[1, 0] = SAME[3, 5] = SAME[5, 3] = True
SCALE, BIAS = torch.tensor(4.0), torch.tensor(-2.0)


def test_the_softmax_loss_is_that_of_a_naive_loop() -> None:
    images, texts = vectors()
    logits = (SCALE * images @ texts.T).double().numpy()
    terms = []
    for rows in (logits, logits.T):
        for row in range(6):
            others = [other for other in range(6) if not SAME[row, other]]
            terms.append(-rows[row, row] + np.log(sum(np.exp(rows[row, other]) for other in others)))
    assert MaskedClipLoss(SAME)(images, texts, SCALE).item() == pytest.approx(np.mean(terms), rel=1e-5)


def test_the_sigmoid_loss_is_that_of_a_naive_loop() -> None:
    images, texts = vectors()
    logits = (SCALE * images @ texts.T + BIAS).double().numpy()
    total = 0.0
    for row in range(6):
        for other in range(6):
            if not SAME[row, other]:
                sign = 1 if row == other else -1
                total -= np.log(1 / (1 + np.exp(-sign * logits[row, other])))
    assert MaskedSigLipLoss(SAME)(images, texts, SCALE, BIAS).item() == pytest.approx(total / 6, rel=1e-5)


def test_where_nothing_is_masked_the_losses_are_open_clips() -> None:
    none = torch.zeros_like(SAME)
    assert MaskedClipLoss(none)(*vectors(), SCALE) == ClipLoss()(*vectors(), SCALE)
    assert MaskedSigLipLoss(none)(*vectors(), SCALE, BIAS) == SigLipLoss()(*vectors(), SCALE, BIAS)


@pytest.mark.parametrize("loss", [MaskedClipLoss, MaskedSigLipLoss])
def test_a_masked_pair_has_no_gradient_of_its_own(loss: Any) -> None:
    images, texts = vectors()
    images.requires_grad_()
    others = ~(SAME | torch.eye(6, dtype=torch.bool))
    loss(SAME | others)(images, texts, SCALE, BIAS).backward()  # each pair alone
    assert images.grad is not None
    assert torch.isfinite(images.grad).all()
    expected = torch.zeros_like(images)
    if loss is MaskedSigLipLoss:
        slope = torch.sigmoid(-(SCALE * (images * texts).sum(dim=1) + BIAS))[:, None]
        expected = -slope * SCALE * texts / 6
    assert torch.allclose(images.grad, expected, atol=1e-6)


def test_equal_captions_and_images_of_one_group_are_no_negatives() -> None:
    tokens = torch.tensor([[1, 2], [1, 2], [1, 3], [4, 4]])
    group = torch.tensor([0, 1, 2, 1])
    assert same_pairs(tokens, group).nonzero().tolist() == [[0, 1], [1, 0], [1, 3], [3, 1]]


@pytest.mark.parametrize(("captions", "expected"), [("english", "river"), ("original", "rivière")])
def test_the_caption_is_the_translation_or_the_original(tmp_path: Path, captions: Any, expected: str) -> None:
    images, _ = archive(tmp_path)
    images["caption"] = images["caption"].where(images.index != 0, "rivière")
    images["caption_en"] = images["caption_en"].astype(object).where(images.index != 0, "river")
    images.loc[[1, 2], "caption"] = [None, "  "]
    encoder = build()
    objective = Clip(encoder, images, train_settings(captions=captions, **QUICK))
    training, validation = objective.select(images)
    chosen = pd.concat([training, validation])
    assert len(chosen) == 22  # neither the one without a caption nor the one with an empty one
    first = objective.describe(chosen.loc[[0]])["tokens"]
    assert torch.equal(first, encoder.text.tokenize([expected]))


def test_without_captions_it_says_what_to_set(tmp_path: Path) -> None:
    images, _ = pictures(tmp_path, count=20)
    with pytest.raises(
        UserError, match=r"at least 12 images with a caption .*, there are 0; set groundtruth\.captions"
    ):
        Clip(build(), images, train_settings(**QUICK))


def test_a_backbone_that_reads_no_texts_is_refused(tmp_path: Path) -> None:
    images, _ = archive(tmp_path)
    with pytest.raises(UserError, match=r"needs a backbone that reads texts, timm/test_resnet with pooling gem"):
        Clip(build_encoder(backbone="timm/test_resnet", image_size=32), images, train_settings(**QUICK))


def test_the_sigmoid_loss_brings_the_bias_that_the_model_lacks(tmp_path: Path) -> None:
    images, _ = archive(tmp_path)
    assert list(dict(Clip(build(), images, train_settings(contrast="siglip", **QUICK)).named_parameters())) == ["bias"]
    siglip = build(TINY | {"init_logit_bias": -10.0})
    assert not list(Clip(siglip, images, train_settings(contrast="siglip", **QUICK)).parameters())


@pytest.mark.heavy
def test_it_can_overfit_64_pairs_each_image_finds_its_caption(tmp_path: Path) -> None:
    images, reduced = archive(tmp_path, count=64)
    images["split"] = None
    lesson = pd.concat([images] * 8 + [images.assign(split="val")], ignore_index=True)  # few epochs of many steps
    encoder, trained = train((lesson, reduced), tmp_path, epochs=14, batch_size=64, learning_rate=2e-3)
    pixels = [reduced.read(*row) for row in images[["image_id", "path", "page"]].to_numpy()]
    texts = encoder.embed_texts(images["caption"].tolist())
    start = build()
    before = start.embed(pixels) @ start.embed_texts(images["caption"].tolist()).T
    assert (before.argmax(axis=1) == np.arange(64)).mean() < 0.1
    assert ((encoder.embed(pixels) @ texts.T).argmax(axis=1) == np.arange(64)).mean() == 1.0
    losses = trained.history.to_pandas().query("split == 'val'")["loss"]
    assert trained.best_epoch == losses.argmin() + 1


@pytest.mark.parametrize("tune", ["full", "heads"])
def test_the_sigmoid_loss_falls_too(tmp_path: Path, tune: Any) -> None:
    options = TINY | {"init_logit_scale": 2.3, "init_logit_bias": -2.8}
    _, trained = train(archive(tmp_path), tmp_path, options, epochs=6, contrast="siglip", tune=tune)
    losses = trained.history.to_pandas().query("split == 'train'")["loss"].tolist()
    assert losses[-1] < losses[0] - 0.05


IMAGE, TEXT = "backbone.model.", "text.model."
BLOCK = "transformer.resblocks.0."
FROZEN: dict[str, tuple[str, ...]] = {
    "last_blocks": (IMAGE + BLOCK, TEXT + BLOCK, IMAGE + "conv1", TEXT + "token_embedding"),
    "heads": ("backbone.", TEXT),
    "lora": (IMAGE + "conv1", IMAGE + "ln", IMAGE + "proj", TEXT + "token_embedding", TEXT + "ln", TEXT + "text_proj"),
}
MOVED: dict[str, set[str]] = {
    "last_blocks": {IMAGE + "proj", TEXT + "text_projection", TEXT + "transformer.resblocks.1.mlp.c_fc.weight"},
    "heads": {"head.0.weight", "text.head.3.bias"},
    "lora": {
        f"{tower}{BLOCK}{layer}.weight"
        for tower in (IMAGE, TEXT)
        for layer in ("attn.out_proj", "mlp.c_fc", "mlp.c_proj")
    },
}


@pytest.mark.parametrize("tune", list(FROZEN))
def test_what_is_frozen_stays_what_is_not_moves_and_both_are_saved(tmp_path: Path, tune: Any) -> None:
    encoder, _ = train(archive(tmp_path), tmp_path, tune=tune, head_width=20, image_blocks=1, text_blocks=1)
    before, after = build().state_dict(), encoder.state_dict()
    for name in before:
        if name.startswith(FROZEN[tune]) or ("in_proj" in name and tune == "lora"):
            assert torch.equal(before[name], after[name]), name
    assert MOVED[tune] <= {name for name in after if name not in before or not torch.equal(before[name], after[name])}
    encoder.save(tmp_path / "encoder")
    loaded = load_encoder(tmp_path / "encoder", text=True)
    assert np.allclose(loaded.embed_texts(["a river"]), encoder.embed_texts(["a river"]), atol=1e-6)
    picture = [np.random.default_rng(0).integers(0, 256, (40, 50), dtype=np.uint8)]
    assert np.allclose(loaded.embed(picture), encoder.embed(picture), atol=1e-6)


class KilledError(Exception):
    """In the place of a SIGKILL."""


@pytest.mark.parametrize("tune", ["full", "heads", "lora"])
def test_a_killed_training_goes_on_and_ends_the_same(tmp_path: Path, tune: Any) -> None:
    lesson = archive(tmp_path)

    def killer(iterable: Any, **_: Any) -> Any:
        for at in iterable:
            if at == 2:
                raise KilledError
            yield at

    course = {"tune": tune, "augmentation": "mild", "batch_size": 8}
    expected, whole = train(lesson, tmp_path / "whole", **course)
    with pytest.raises(KilledError):
        train(lesson, tmp_path, progress=killer, **course)
    resumed, again = train(lesson, tmp_path, **course)
    first, other = expected.state_dict(), resumed.state_dict()
    assert all(torch.equal(first[name], other[name]) for name in first)
    assert again.history.equals(whole.history)


@pytest.mark.parametrize("tune", ["full", "lora"])
def test_a_multilingual_tower_is_tuned_too(tmp_path: Path, tune: Any) -> None:
    options = multilingual_options(tmp_path / "tower")
    encoder, _ = train(archive(tmp_path), tmp_path, options, epochs=1, tune=tune)
    before, after = build(options).state_dict(), encoder.state_dict()
    name = "text.model.transformer.encoder.layer.0.intermediate.dense.weight"
    assert not torch.equal(before[name], after[name])
