"""CLIP models of a few thousand weights, made on the spot."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from cbir.encoders.encoder import Encoder, build_encoder
from cbir.images.reduced import ReducedImages
from tests.support.lessons import pictures

WORDS = ("river", "horse", "tower", "bridge", "soldier", "market", "harbour", "church")
VISION = {"image_size": 32, "layers": 2, "width": 64, "patch_size": 8, "head_width": 32}
TEXT = {"context_length": 16, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 2}
TINY: dict[str, Any] = {"embed_dim": 24, "vision_cfg": VISION, "text_cfg": TEXT}


def build(options: dict[str, Any] = TINY, backbone: str = "open_clip/ViT-B-32") -> Encoder:
    """An open_clip model with the library's own preprocessing and pooling, on grey images."""
    return build_encoder(
        backbone=backbone, backbone_options=options, image_size=0, resize="model", pooling="native", greyscale=True
    )


def archive(folder: Path, *, count: int = 24) -> tuple[pd.DataFrame, ReducedImages]:
    """Pictures, each with a caption of its own."""
    images, reduced = pictures(folder, count=count)
    captions = [f"{WORDS[n % 8]} and {WORDS[n // 8 % 8]} number {n}" for n in range(count)]
    images["caption"] = pd.Series(captions, dtype="str")
    return images, reduced


def multilingual_options(folder: Path) -> dict[str, Any]:
    """A model whose text tower is an XLM-RoBERTa of transformers, with configuration and tokenizer in ``folder``."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast, XLMRobertaConfig

    special = {"bos_token": "<s>", "pad_token": "<pad>", "eos_token": "</s>", "unk_token": "<unk>"}
    pieces = [
        *((token, 0.0) for token in special.values()),
        *((letter, -3.0) for letter in "▁abcdefghijklmnopqrstuvwxyzéè"),
    ]
    tokenizer = Tokenizer(models.Unigram(pieces, unk_id=3))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    ends = [("<s>", 0), ("</s>", 2)]
    tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A </s>", special_tokens=ends)
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, **special).save_pretrained(folder)
    XLMRobertaConfig(
        vocab_size=len(pieces),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=40,
        type_vocab_size=1,
    ).save_pretrained(folder)
    names = {"hf_model_name": str(folder), "hf_tokenizer_name": str(folder)}
    return TINY | {"text_cfg": {**names, "hf_pooler_type": "mean_pooler", "context_length": 16}}


def photographs(count: int = 3, *, grey: bool = False) -> list[np.ndarray]:
    """Coloured or grey images of several proportions, smooth as photographs are, uint8 (H, W, 3) or (H, W)."""
    import cv2

    chance = np.random.default_rng(0)
    shapes = [(390 + 70 * n, 610 - 90 * n) for n in range(count)]
    coarse = [chance.integers(0, 256, (9, 13) if grey else (9, 13, 3), dtype=np.uint8) for _ in shapes]
    return [
        cv2.resize(feature, (width, height), interpolation=cv2.INTER_CUBIC)
        for feature, (height, width) in zip(coarse, shapes, strict=True)
    ]
