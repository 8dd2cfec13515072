from dataclasses import replace

import pytest
import torch

from cbir.reprints.lettering import LAYOUTS
from cbir.reprints.press import Press
from cbir.reprints.reprint import MILD, PRESS, SEVERE_UNSEEN, blur, curve, luminance, posterise, reprint
from cbir.reprints.screens import SHAPES

# A press that changes nothing; a test switches on what it is about.
BARE = Press(
    crop=(1.0, 1.0), aspect=(1.0, 1.0), rotation=(0.0, 0.0), mirror=0.0, black=(0.0, 0.0), white=(1.0, 1.0),
    midtone=(0.0, 0.0), posterise=0.0, screen=0.0, page=0.0, border=0.0, oval=0.0, caption=0.0, tilt=(0.0, 0.0),
    gain=(0.0, 0.0), blur=(0.0, 0.0), ink=(0.0, 0.0), paper=(1.0, 1.0), stains=(0.0, 0.0), vignette=(0.0, 0.0),
    streaks=0.0, noise=(0.0, 0.0), tint=(0.0, 0.0),
)  # fmt: skip


def _photographs(count: int, *, channels: int = 1, height: int = 96, width: int = 96) -> torch.Tensor:
    """Smooth random pictures."""
    coarse = torch.rand(count, channels, 6, 6, generator=torch.Generator().manual_seed(5))
    return torch.nn.functional.interpolate(coarse, size=(height, width), mode="bilinear", align_corners=True)


def _reprint(images: torch.Tensor, press: Press, *, seed: int = 0) -> torch.Tensor:
    return reprint(images, press, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("press", [PRESS, MILD, SEVERE_UNSEEN], ids=["press", "mild", "severe"])
@pytest.mark.parametrize(("channels", "height", "width"), [(1, 96, 96), (3, 80, 130), (1, 151, 64)])
def test_a_reprint_keeps_shape_and_range(press: Press, channels: int, height: int, width: int) -> None:
    images = _photographs(24, channels=channels, height=height, width=width)
    before = images.clone()
    result = _reprint(images, press)
    assert result.shape == images.shape
    assert result.dtype == images.dtype
    assert result.isfinite().all()
    assert result.min() >= 0
    assert result.max() <= 1
    assert torch.equal(images, before)


def test_each_image_of_a_batch_has_its_own_draw() -> None:
    same = _photographs(1).expand(16, -1, -1, -1)
    result = _reprint(same, PRESS).flatten(1)
    distances = torch.cdist(result, result) + torch.eye(16) * 1e6
    assert distances.min() > 1.0


def test_the_same_generator_state_gives_the_same_reprints_and_another_gives_others() -> None:
    images = _photographs(8)
    assert torch.equal(_reprint(images, PRESS, seed=3), _reprint(images, PRESS, seed=3))
    assert not torch.equal(_reprint(images, PRESS, seed=3), _reprint(images, PRESS, seed=4))


def test_a_generator_is_the_only_source_of_chance() -> None:
    images = _photographs(8)
    torch.manual_seed(0)
    first = _reprint(images, PRESS)
    torch.manual_seed(1)
    assert torch.equal(first, _reprint(images, PRESS))


def test_a_press_that_does_nothing_gives_the_photograph_back() -> None:
    images = _photographs(4)
    assert torch.allclose(_reprint(images, BARE), images, atol=2e-3)


def test_a_mirrored_photograph_is_mirrored() -> None:
    images = _photographs(4)
    assert torch.allclose(_reprint(images, replace(BARE, mirror=1.0)), images.flip(3), atol=2e-3)


def test_a_crop_shows_the_stated_part_of_the_area() -> None:
    ramp = torch.linspace(0, 1, 200).expand(32, 1, 200, 200)
    shown = _reprint(ramp, replace(BARE, crop=(0.25, 0.25)))
    spans = shown[:, 0, 100, -1] - shown[:, 0, 100, 0]
    assert torch.allclose(spans, torch.full((32,), 0.5), atol=0.02)
    assert shown[:, 0, 100, 0].std() > 0.05  # not always from the middle


def test_the_mean_tone_survives_the_screen() -> None:
    images = _photographs(32)
    press = replace(BARE, screen=1.0, strength=(1.0, 1.0), period=(3.0, 6.0), shapes=SHAPES, angle=(0.0, 90.0))
    result = _reprint(images, press)
    assert (result - images).abs().mean() > 0.1
    assert torch.allclose(result.mean(dim=(1, 2, 3)), images.mean(dim=(1, 2, 3)), atol=0.03)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_page_puts_text_around_a_smaller_photograph(layout: str) -> None:
    grey = torch.full((16, 1, 160, 160), 0.5)
    press = replace(BARE, page=1.0, size=(0.6, 0.6), layouts=(layout,), rule=0.0)
    result = _reprint(grey, press)
    photograph = ((result - 0.5).abs() < 0.02).float().mean(dim=(1, 2, 3))
    assert torch.all((photograph > 0.33) & (photograph < 0.42))
    assert (result < 0.8).float().mean() - photograph.mean() > 0.02  # letters
    assert (result > 0.9).float().mean() > 0.2  # paper


def test_layouts_differ_from_each_other() -> None:
    white = torch.ones(8, 1, 160, 160)
    pages = [_reprint(white, replace(BARE, page=1.0, rule=0.0, layouts=(layout,))) for layout in LAYOUTS]
    for place, page in enumerate(pages):
        assert all((page - other).abs().mean() > 0.03 for other in pages[:place])


def test_a_caption_is_a_strip_of_letters_on_the_picture() -> None:
    grey = torch.full((16, 1, 160, 160), 0.5)
    result = _reprint(grey, replace(BARE, caption=1.0, caption_height=(0.15, 0.15)))
    touched = ((result - 0.5).abs() > 0.02).any(dim=3)[:, 0].float().sum(dim=1)
    assert torch.all((touched >= 22) & (touched <= 26))
    assert torch.all(result.amax(dim=(1, 2, 3)) > 0.8)
    assert torch.all(result.amin(dim=(1, 2, 3)) < 0.4)


def test_an_oval_leaves_bare_paper_in_the_corners() -> None:
    result = _reprint(torch.zeros(4, 1, 96, 96), replace(BARE, oval=1.0))
    corners = result[:, 0, [0, 0, -1, -1], [0, -1, 0, -1]]
    assert corners.min() > 0.99
    assert result[:, 0, 48, 48].max() < 0.01


def test_ink_and_paper_bound_the_tones() -> None:
    images = torch.tensor([0.0, 1.0])[:, None, None, None].expand(-1, 1, 32, 32)
    result = _reprint(images, replace(BARE, ink=(0.2, 0.2), paper=(0.8, 0.8)))
    assert torch.allclose(result[0], torch.tensor(0.2), atol=1e-3)
    assert torch.allclose(result[1], torch.tensor(0.8), atol=1e-3)


def test_noise_has_the_stated_deviation() -> None:
    result = _reprint(torch.full((4, 1, 128, 128), 0.5), replace(BARE, noise=(0.05, 0.05)))
    assert torch.allclose(result.std(dim=(1, 2, 3)), torch.full((4,), 0.05), atol=0.003)


def test_the_colours_of_a_photograph_turn_to_tinted_greys() -> None:
    result = _reprint(_photographs(6, channels=3), replace(BARE, tint=(0.2, 0.2)))
    red, green, blue = result.unbind(1)
    assert torch.allclose(blue, 0.8 * red, atol=1e-5)
    assert torch.all(green <= red)


def test_what_measures_robustness_is_never_seen_in_training() -> None:
    for unseen in (MILD, SEVERE_UNSEEN):
        assert not set(unseen.layouts) & set(PRESS.layouts)
        assert not set(unseen.shapes) & set(PRESS.shapes)
        assert unseen.angle[1] < PRESS.angle[0]


def test_a_scaled_press_has_longer_lengths_and_nothing_else() -> None:
    scaled = PRESS.scaled(2.0)
    assert scaled.period == (2 * PRESS.period[0], 2 * PRESS.period[1])
    assert replace(scaled, period=PRESS.period, edge=PRESS.edge, blur=PRESS.blur) == PRESS


@pytest.mark.parametrize(
    "wrong", [{"mirror": 1.5}, {"crop": (0.9, 0.5)}, {"shapes": ("star",)}, {"layouts": ("poster",)}]
)
def test_a_press_that_cannot_be_is_refused(wrong: dict) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        replace(PRESS, **wrong)


def test_the_tone_curve_moves_black_white_and_the_middle() -> None:
    tone = torch.tensor([0.1, 0.2, 0.5, 0.8, 0.9]).view(1, 1, 5)
    result = curve(tone, black=torch.tensor([0.2]), white=torch.tensor([0.8]), midtone=torch.tensor([0.4]))
    assert torch.allclose(result, torch.tensor([0.0, 0.0, 0.6, 1.0, 1.0]).view(1, 1, 5), atol=1e-6)


def test_posterising_leaves_so_many_tones() -> None:
    assert len(posterise(torch.rand(1, 50, 50), tones=torch.tensor([4.0])).unique()) == 4


def test_blur_spreads_a_point_as_a_gaussian_does_and_keeps_its_sum() -> None:
    point = torch.zeros(2, 31, 31)
    point[:, 15, 15] = 1
    sigma = torch.tensor([0.8, 1.5])
    result = blur(point, sigma=sigma, largest=2.0)
    assert torch.allclose(result.sum(dim=(1, 2)), torch.ones(2), atol=1e-5)
    offsets = (torch.arange(31) - 15.0) ** 2
    deviation = (result.sum(dim=1) * offsets).sum(dim=1).sqrt()
    assert torch.allclose(deviation, sigma, rtol=0.06)


def test_luminance_weighs_green_most() -> None:
    colours = torch.eye(3).view(3, 3, 1, 1)
    assert luminance(colours).flatten().argmax() == 1
    assert torch.allclose(luminance(torch.ones(1, 3, 2, 2)), torch.ones(1, 2, 2))
