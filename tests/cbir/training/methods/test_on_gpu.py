"""One step of training and one pass of embedding on a GPU agree with the processor's."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from cbir.encoders.devices import choose_device
from cbir.encoders.encoder import Encoder
from cbir.training.trainer import train_encoder
from tests.support.clip import archive, build
from tests.support.training import train_settings

GPU = pytest.mark.skipif(not torch.cuda.is_available(), reason="this machine has no GPU")
METHODS: list[dict[str, Any]] = [
    {"method": "simclr", "augmentation": "crops"},
    {"method": "classifier"},
    *({"method": "clip", "tune": tune} for tune in ("full", "last_blocks", "heads", "lora")),
    {"method": "clip", "contrast": "siglip"},
]


@GPU
@pytest.mark.filterwarnings("ignore:.*determinis")
@pytest.mark.parametrize("case", METHODS, ids=lambda case: "-".join(map(str, case.values())))
def test_a_step_and_a_pass_in_bfloat16_agree_with_the_processor(
    tmp_path: Path, case: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    lesson, reduced = archive(tmp_path)
    lesson["class"] = ["a", "b"] * 12
    lesson["split"] = lesson["split"].fillna("train")
    pixels = [reduced.read(*row) for row in lesson[["image_id", "path", "page"]].to_numpy()]
    options = {"augmentation": "none"} | case
    method = options.pop("method")
    settings = train_settings(
        epochs=1, batch_size=64, learning_rate=1e-4, workers=0, lora_dropout=0.0, head_dropout=0.0
    )

    def trained(precision: Any) -> Encoder:
        encoder, chosen = build(), replace(settings, precision=precision, **options)
        train_encoder(encoder, lesson, reduced, method=method, settings=chosen, checkpoints=tmp_path / precision)
        return encoder

    on_gpu = trained("bfloat16").to(choose_device()).embed(pixels, precision="bfloat16")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    on_processor = trained("float32").embed(pixels, precision="float32")
    assert np.min((on_gpu * on_processor).sum(axis=1)) > 0.99
