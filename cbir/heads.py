"""The small network that is trained on top of a frozen tower."""

from dataclasses import dataclass

from torch import nn

from cbir.errors import UserError


@dataclass(frozen=True)
class Head:
    """Its size; the names are those of the section ``train`` of params.yaml, after ``head_``.

    Args:
        width: of the hidden layer and of what comes out.
        dropout: part of the hidden layer that is left out in training.

    Raises:
        UserError: a value out of its range.
    """

    width: int
    dropout: float

    def __post_init__(self) -> None:
        if self.width < 1:
            raise UserError(f"train.head_width must be at least 1, is {self.width}")
        if not 0 <= self.dropout < 1:
            raise UserError(f"train.head_dropout must be at least 0 and below 1, is {self.dropout}")


def build_head(head: Head, *, pooled: int) -> nn.Sequential:
    """Linear, ReLU, dropout, linear: from ``pooled`` to ``head.width`` components."""
    hidden = nn.Linear(pooled, head.width)
    return nn.Sequential(hidden, nn.ReLU(), nn.Dropout(head.dropout), nn.Linear(head.width, head.width))
