"""cbir.training.optimisers: learning rates as their libraries would set them, each group with its own."""

from itertools import pairwise
from typing import Any

import pytest
import torch
from torch import nn

from cbir.encoders.encoder import build_encoder
from cbir.training.optimisers import (
    PLATEAU_FACTOR,
    PLATEAU_PATIENCE,
    build_optimizer,
    part_of_rate,
    set_rates,
    start_afresh,
)
from tests.support.training import train_settings

ENCODER = build_encoder(backbone="timm/test_resnet", image_size=32)


def course(steps: int, losses: list[float] | None = None, **changes: Any) -> list[float]:
    settings = train_settings(**changes)
    return [
        part_of_rate(settings, step=step, steps=steps, losses=(losses or [])[: step // steps])
        for step in range(steps * settings.epochs)
    ]


def test_cosine_rises_shortly_and_falls_to_nothing() -> None:
    parts = course(10, epochs=10)
    assert parts[:5] == [0.2, 0.4, 0.6, 0.8, 1.0]
    assert parts[5] == 1.0
    assert all(rate > other for rate, other in pairwise(parts[5:]))
    assert parts[-1] < 0.001


def test_constant_is_all_of_the_rate() -> None:
    assert set(course(3, epochs=4, schedule="constant")) == {1.0}


def test_plateau_is_that_of_torch() -> None:
    losses = [5.0, 4.0, 4.5, 4.2, 4.1, 4.3, 4.4, 4.6, 3.0, 3.1, 3.2, 3.3, 3.4, 3.5, 3.6, 2.0]
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.0)
    theirs = torch.optim.lr_scheduler.ReduceLROnPlateau(
        optimizer, factor=PLATEAU_FACTOR, patience=PLATEAU_PATIENCE, threshold=0.0
    )
    expected = []
    for loss in losses:
        expected.append(optimizer.param_groups[0]["lr"])
        theirs.step(loss)
    assert course(1, losses, epochs=len(losses), schedule="plateau") == expected
    assert min(expected) <= 0.25


@pytest.mark.parametrize("schedule", ["cosine", "plateau", "constant"])
def test_after_a_restart_the_schedule_is_that_of_a_training_of_its_own(schedule: Any) -> None:
    losses = [3.0, 4.0, 4.0, 4.0, 4.0, 4.0, 4.0, 4.0, 4.0]
    legs = course(4, losses, epochs=9, restarts=[5], schedule=schedule)
    first = course(4, losses[:5], epochs=5, schedule=schedule)
    second = course(4, losses[5:], epochs=4, schedule=schedule)
    assert legs == first + second


def test_a_restart_forgets_the_moments() -> None:
    weight = nn.Parameter(torch.ones(2))
    optimizer = torch.optim.AdamW([weight])
    weight.sum().backward()
    optimizer.step()
    assert optimizer.state
    start_afresh(optimizer)
    assert not optimizer.state


@pytest.mark.parametrize(("name", "kind"), [("adamw", torch.optim.AdamW), ("adam", torch.optim.Adam)])
def test_the_optimizer_is_the_one_asked_for(name: Any, kind: type) -> None:
    assert type(build_optimizer(ENCODER, nn.Linear(2, 2), train_settings(optimizer=name))) is kind


def test_heads_have_their_own_rate_and_vectors_do_not_decay() -> None:
    head = nn.Linear(2, 2)
    settings = train_settings(learning_rate=0.1, head_learning_rate=0.5, weight_decay=0.01)
    optimizer = build_optimizer(ENCODER, head, settings)
    set_rates(optimizer, 0.5)
    group_of = {id(parameter): group for group in optimizer.param_groups for parameter in group["params"]}
    assert (group_of[id(head.weight)]["lr"], group_of[id(head.weight)]["weight_decay"]) == (0.25, 0.01)
    assert (group_of[id(head.bias)]["lr"], group_of[id(head.bias)]["weight_decay"]) == (0.25, 0.0)
    for weight in ENCODER.parameters():
        assert group_of[id(weight)]["lr"] == 0.05
        assert group_of[id(weight)]["weight_decay"] == (0.01 if weight.ndim > 1 else 0.0)


def test_what_is_frozen_is_left_out() -> None:
    head = nn.Linear(2, 2)
    head.weight.requires_grad_(False)
    optimizer = build_optimizer(ENCODER, head, train_settings())
    assert not any(parameter is head.weight for group in optimizer.param_groups for parameter in group["params"])
