"""Builds the optimisers, and sets the learning rate of each step by a schedule."""

import math
from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer

from cbir.encoders.encoder import Encoder
from cbir.training.settings import Settings

WARM_UP = 0.05  # part of the steps in which the learning rate of schedule cosine rises
PLATEAU_FACTOR = 0.5  # of the learning rate, when the validation loss has not improved
PLATEAU_PATIENCE = 2  # epochs without an improvement before the rate falls


def build_optimizer(encoder: Encoder, objective: nn.Module, settings: Settings) -> Optimizer:
    """Builds the optimiser of all parameters that want a gradient; heads, the encoder's and the objective's, have a
    rate of their own.
    """
    named = list(encoder.named_parameters())
    body = [parameter for name, parameter in named if not _is_head(name)]
    heads = [*(parameter for name, parameter in named if _is_head(name)), *objective.parameters()]
    groups = [
        *_groups(body, settings.learning_rate, settings.weight_decay),
        *_groups(heads, settings.head_learning_rate, settings.weight_decay),
    ]
    return {"adamw": torch.optim.AdamW, "adam": torch.optim.Adam}[settings.optimizer](groups)


def start_afresh(optimizer: Optimizer) -> None:
    """Forgets all moments of the gradients; the rates are set at every step anyway."""
    optimizer.state.clear()


def set_rates(optimizer: Optimizer, part: float) -> None:
    """Sets each group's rate to ``part`` of the rate that it was built with."""
    for group in optimizer.param_groups:
        group["lr"] = part * group["initial_lr"]


def part_of_rate(settings: Settings, *, step: int, steps: int, losses: Sequence[float]) -> float:
    """Returns the part of the learning rate that a step takes; after each of ``settings.restarts`` the schedule begins
    again.

    ``cosine``: a short warm-up, then half a cosine down to 0. ``plateau``: halved when the validation loss has not
    become better in 3 epochs. ``constant``: all.

    Args:
        step: of the whole training, from 0.
        steps: of one epoch.
        losses: validation losses of the epochs before.
    """
    epoch = step // steps
    first = max([0, *(restart for restart in settings.restarts if restart <= epoch)])
    if settings.schedule == "plateau":
        return _plateau(losses[first:epoch])
    if settings.schedule == "constant":
        return 1.0
    last = min([settings.epochs, *(restart for restart in settings.restarts if restart > epoch)])
    return _cosine(step - first * steps, (last - first) * steps)


def _cosine(step: int, steps: int) -> float:
    warm_up = max(1, round(WARM_UP * steps))
    if step < warm_up:
        return (step + 1) / warm_up
    return 0.5 * (1 + math.cos(math.pi * min(1.0, (step - warm_up) / max(1, steps - warm_up))))


def _plateau(losses: Iterable[float]) -> float:
    part, best, waited = 1.0, math.inf, 0
    for loss in losses:
        best, waited = (loss, 0) if loss < best else (best, waited + 1)
        if waited > PLATEAU_PATIENCE:
            part, waited = part * PLATEAU_FACTOR, 0
    return part


def _is_head(name: str) -> bool:
    return name.startswith(("head.", "text.head."))


def _groups(parameters: Iterable[nn.Parameter], rate: float, decay: float) -> list[dict[str, Any]]:
    """Makes two groups: weights decay; biases, norms, a temperature and the exponent of GeM do not."""
    trained = [parameter for parameter in parameters if parameter.requires_grad]
    weights, others = (
        [parameter for parameter in trained if parameter.ndim > 1],
        [parameter for parameter in trained if parameter.ndim <= 1],
    )
    rates = {"lr": rate, "initial_lr": rate}
    return [{"params": weights, **rates, "weight_decay": decay}, {"params": others, **rates, "weight_decay": 0.0}]
