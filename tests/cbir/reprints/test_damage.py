from dataclasses import replace

import pytest
import torch

from cbir.reprints.damage import compress, damage_page, damage_picture
from cbir.reprints.draws import Draws
from cbir.reprints.press import HARD_PRESS, MILD, PRESS, SEVERE_UNSEEN, Press

# A press without any of these damages; a test switches on what it is about.
WHOLE = Press()
SWITCHED = [
    {"negative": 1.0},
    {"dodging": (0.5, 0.5)},
    {"painted": 1.0},
    {"bleed": 1.0},
    {"fold": 1.0},
    {"gutter": 1.0},
    {"jpeg": 1.0},
]


def _pictures(count: int = 6, *, height: int = 90, width: int = 120) -> torch.Tensor:
    coarse = torch.rand(count, 1, 6, 6, generator=torch.Generator().manual_seed(5))
    return torch.nn.functional.interpolate(coarse, size=(height, width), mode="bilinear")[:, 0]


def _damaged(tone: torch.Tensor, press: Press, *, seed: int = 0) -> torch.Tensor:
    draws = Draws(len(tone), generator=torch.Generator().manual_seed(seed), device=tone.device)
    return compress(damage_page(damage_picture(tone, press, draws), press, draws), press, draws)


def _state_after(press: Press) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    draws = Draws(6, generator=generator, device=torch.device("cpu"))
    compress(damage_page(damage_picture(_pictures(), press, draws), press, draws), press, draws)
    return generator.get_state()


@pytest.mark.parametrize("press", [PRESS, MILD, SEVERE_UNSEEN], ids=["press", "mild", "severe"])
def test_a_press_without_damages_draws_nothing_for_them(press: Press) -> None:
    assert torch.equal(_state_after(press), torch.Generator().manual_seed(0).get_state())
    assert torch.equal(_damaged(_pictures(), press), _pictures())


@pytest.mark.parametrize("changes", [*SWITCHED, {"crop": (0.1, 1.0)}], ids=lambda changes: next(iter(changes)))
def test_hard_press_draws_every_damage_and_press_none(changes: dict[str, object]) -> None:
    (name,) = changes
    assert getattr(HARD_PRESS, name) != getattr(WHOLE, name)
    assert getattr(PRESS, name) == getattr(WHOLE, name)


@pytest.mark.parametrize("changes", SWITCHED, ids=lambda changes: next(iter(changes)))
def test_a_damage_changes_each_picture_by_itself_and_stays_in_range(changes: dict[str, object]) -> None:
    tone = _pictures()
    before = tone.clone()
    result = _damaged(tone, replace(WHOLE, **changes))
    assert torch.equal(tone, before)
    assert result.shape == tone.shape
    assert result.min() >= 0
    assert result.max() <= 1
    assert ((result - tone).abs().amax(dim=(1, 2)) > 0.01).all()
    assert torch.equal(result, _damaged(tone, replace(WHOLE, **changes)))


def test_a_negative_exchanges_black_and_white() -> None:
    assert torch.equal(_damaged(_pictures(), replace(WHOLE, negative=1.0)), 1 - _pictures())


def test_a_second_print_is_exposed_otherwise_by_the_stated_stops_at_most() -> None:
    grey = torch.full((8, 40, 40), 0.5)
    stops = torch.log2(torch.log(_damaged(grey, replace(WHOLE, dodging=(0.5, 0.5)))) / torch.log(grey))
    assert stops.abs().max() <= 0.5 + 1e-4
    assert (stops.amax(dim=(1, 2)) - stops.amin(dim=(1, 2)) > 0.2).all()  # not the same everywhere


def test_painted_places_are_flat_and_no_larger_than_stated() -> None:
    tone = _pictures()
    result = _damaged(tone, replace(WHOLE, painted=1.0, painted_part=(0.03, 0.03)))
    changed = ((result - tone).abs() > 0.002).float().mean(dim=(1, 2))
    assert (changed <= 2 * 0.03 * 1.05).all()
    assert (changed > 0).all()


def test_what_shines_through_is_another_image_mirrored_and_only_takes_light() -> None:
    dark_left = torch.ones(2, 40, 40)
    dark_left[1, :, :20] = 0
    result = _damaged(dark_left, replace(WHOLE, bleed=1.0, bleed_depth=(0.2, 0.2)))
    assert torch.allclose(result[0, :, :15], torch.ones(40, 15))
    assert torch.allclose(result[0, :, 25:], torch.full((40, 15), 0.8))


def test_a_fold_is_a_narrow_line_and_the_rest_of_the_page_stays() -> None:
    tone = torch.full((8, 200, 200), 0.5)
    result = _damaged(tone, replace(WHOLE, fold=1.0, fold_depth=(0.4, 0.4)))
    changed = ((result - tone).abs() > 0.01).float().mean(dim=(1, 2))
    assert (changed > 0.002).all()
    assert (changed < 0.15).all()
    assert result.max() <= 0.5 + 2 * 0.4


def test_a_gutter_darkens_one_side_of_the_page() -> None:
    result = _damaged(torch.ones(16, 40, 100), replace(WHOLE, gutter=1.0, gutter_depth=(0.6, 0.6)))
    edges = torch.stack([result[:, 20, 0], result[:, 20, -1]]).sort(dim=0).values
    assert torch.allclose(edges[0], torch.full((16,), 0.4))
    assert (edges[1] > 0.99).all()
    assert (result[:, 20, 50] > 0.98).all()


def test_a_worse_quality_loses_more() -> None:
    tone = _pictures()
    lost = [
        (_damaged(tone, replace(WHOLE, jpeg=1.0, quality=(quality, quality))) - tone).abs().mean()
        for quality in (90.0, 30.0, 5.0)
    ]
    assert lost == sorted(lost)


def test_images_that_are_not_chosen_stay_as_they_are() -> None:
    tone = _pictures(200, height=24, width=24)
    untouched = (_damaged(tone, replace(WHOLE, jpeg=0.3)) == tone).all(dim=2).all(dim=1)
    assert 0.55 < untouched.float().mean() < 0.85
