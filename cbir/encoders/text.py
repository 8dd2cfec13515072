"""The text tower: embeds words in the space of the images."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from cbir.base.errors import UserError

ORIGIN = ("is_local", "local_files_only")  # transformers' notes on a tokenizer's origin; they change no token
Tokenizer = Callable[[list[str]], Tensor]


class TextTower(nn.Module):
    """The text tower of a CLIP model with its tokenizer; built with its image tower by :mod:`cbir.encoders.backbones`.

    Args:
        model: tokens (n, context) to features (n, d).
        tokenizer: open_clip's, for this model.
        logit_scale: logarithm of the factor by which the model's loss multiplies cosines.
        logit_bias: what it adds to them; None where it adds nothing.
    """

    def __init__(
        self,
        model: nn.Module,
        tokenizer: Tokenizer,
        *,
        logit_scale: nn.Parameter,
        logit_bias: nn.Parameter | None,
    ) -> None:
        super().__init__()
        self.model: Any = model
        self.head: nn.Module = nn.Identity()
        self.logit_scale = logit_scale
        self.logit_bias = logit_bias
        self._tokenizer: Any = tokenizer

    def tokenize(self, texts: Sequence[str]) -> Tensor:
        """Texts as tokens, int64 (n, context), each cut at the context length of the model."""
        return self._tokenizer(list(texts))

    def forward(self, tokens: Tensor) -> Tensor:
        """Computes features (n, d), float32, not normalised, of tokens (n, context)."""
        features = self.model(tokens)
        with torch.autocast(tokens.device.type, enabled=False):
            return self.head(features.float())

    def encode(self, texts: Sequence[str], *, batch_size: int = 64) -> np.ndarray:
        """Embeddings of texts on the device where the tower is: float32 (n, d), L2-normalised.

        Every batch is filled up to ``batch_size`` rows, so that an embedding does not depend on the texts beside it.

        Raises:
            UserError: there is no text, or one that is empty.
        """
        if not texts or not all(text.strip() for text in texts):
            raise UserError(f"a text to embed must hold words, there is {list(texts)!r}")
        tokens = self.tokenize(texts)
        starts = range(0, len(tokens), batch_size)
        return np.concatenate([self._encode_batch(tokens[at : at + batch_size], batch_size) for at in starts])

    def _encode_batch(self, tokens: Tensor, batch_size: int) -> np.ndarray:
        filled = torch.cat([tokens, tokens[-1:].expand(batch_size - len(tokens), -1)])
        self.eval()
        with torch.inference_mode():
            vectors = functional.normalize(self(filled.to(self.logit_scale.device)))
        return vectors[: len(tokens)].cpu().numpy()

    def save(self, folder: Path) -> None:
        """Writes what is needed, beside the weights, to build the tower again without a network.

        That is nothing for open_clip's own towers, and for those of transformers the configuration and the tokenizer.
        """
        parts = getattr(self.model, "config", None), getattr(self._tokenizer, "tokenizer", None)
        self.tokenize(
            ["a text"]
        )  # its file holds the last call's length: https://github.com/huggingface/transformers/issues/24441
        for fact in ORIGIN:
            getattr(parts[1], "init_kwargs", {}).pop(fact, None)
        for part in parts:
            if part is not None:
                folder.mkdir(parents=True, exist_ok=True)
                part.save_pretrained(folder)
