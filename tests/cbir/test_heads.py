"""cbir.heads: the network on top of a frozen tower."""

import pytest
import torch
from torch import nn

from cbir.errors import UserError
from cbir.heads import Head, build_head


def test_a_head_is_linear_relu_dropout_linear() -> None:
    head = build_head(Head(width=12, dropout=0.2), pooled=5)
    assert [type(part) for part in head] == [nn.Linear, nn.ReLU, nn.Dropout, nn.Linear]
    assert head[2].p == 0.2
    assert head(torch.zeros(3, 5)).shape == (3, 12)


@pytest.mark.parametrize(
    ("width", "dropout", "sentence"),
    [
        (0, 0.2, "train.head_width must be at least 1, is 0"),
        (8, 1.0, "train.head_dropout must be at least 0 and below 1, is 1.0"),
        (8, -0.1, "train.head_dropout must be at least 0 and below 1, is -0.1"),
    ],
)
def test_a_head_that_cannot_be_is_refused(width: int, dropout: float, sentence: str) -> None:
    with pytest.raises(UserError, match=sentence):
        Head(width=width, dropout=dropout)
