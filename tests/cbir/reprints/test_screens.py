import pytest
import torch

from cbir.reprints.screens import SHAPES, halftone, threshold_cells


def _screen(tone: torch.Tensor, *, period: float, angle: float, shape: str, edge: float = 1.0) -> torch.Tensor:
    count = len(tone)
    return halftone(
        tone,
        period=torch.full((count,), period),
        angle=torch.full((count,), angle),
        shape=torch.full((count,), SHAPES.index(shape)),
        edge=edge,
    )


def _strongest_wave(image: torch.Tensor) -> tuple[float, float]:
    """Cycles a px along x and y of the strongest wave in a square image."""
    side = len(image)
    window = torch.hann_window(side)
    spectrum = torch.fft.rfft2((image - image.mean()) * window * window[:, None]).abs()
    row, column = divmod(int(spectrum.argmax()), spectrum.shape[1])
    return column / side, float(torch.fft.fftfreq(side)[row])


@pytest.mark.parametrize("angle", [0.0, 15.0, 45.0, 75.0])
@pytest.mark.parametrize("period", [5.0, 8.5])
def test_a_screen_of_lines_has_the_stated_period_and_angle(period: float, angle: float) -> None:
    dots = _screen(torch.full((1, 256, 256), 0.5), period=period, angle=angle, shape="line")
    x, y = _strongest_wave(dots[0])
    # Lines run along the angle, so the wave runs across them.
    across = torch.deg2rad(torch.tensor(angle + 90.0))
    assert abs(abs(x) - abs(float(across.cos())) / period) < 1.5 / 256
    assert abs(abs(y) - abs(float(across.sin())) / period) < 1.5 / 256
    assert (x * y > 0) == (float(across.cos() * across.sin()) > 1e-6) or min(abs(x), abs(y)) < 1 / 256


@pytest.mark.parametrize("shape", [shape for shape in SHAPES if shape != "line"])
def test_a_screen_of_dots_repeats_after_its_period_along_its_angle(shape: str) -> None:
    dots = _screen(torch.full((1, 256, 256), 0.75), period=8.0, angle=30.0, shape=shape)[0]
    x, y = _strongest_wave(dots)
    assert abs((x**2 + y**2) ** 0.5 - 1 / 8) < 1.5 / 256
    degrees = float(torch.rad2deg(torch.atan2(torch.tensor(y), torch.tensor(x))))
    assert min(abs((degrees - 30) % 90), 90 - abs((degrees - 30) % 90)) < 3


@pytest.mark.parametrize("shape", SHAPES)
def test_a_screen_keeps_the_mean_tone(shape: str) -> None:
    tones = torch.linspace(0.1, 0.9, 9)
    dots = _screen(tones[:, None, None].expand(-1, 192, 192), period=6.0, angle=22.0, shape=shape)
    assert torch.allclose(dots.mean(dim=(1, 2)), tones, atol=0.025)


def test_black_stays_nearly_black_and_white_nearly_white() -> None:
    dots = _screen(torch.tensor([0.0, 1.0])[:, None, None].expand(-1, 96, 96), period=6.0, angle=45.0, shape="round")
    assert dots[0].mean() < 0.06
    assert dots[1].mean() > 0.94


def test_hard_edges_leave_ink_and_paper_alone() -> None:
    dots = _screen(torch.full((1, 128, 128), 0.6), period=8.0, angle=45.0, shape="dot", edge=0.01)
    assert ((dots < 0.01) | (dots > 0.99)).float().mean() > 0.98


def test_each_threshold_comes_once_in_a_cell() -> None:
    for cell in threshold_cells():
        assert torch.equal(cell.flatten().sort().values, (torch.arange(64 * 64) + 0.5) / (64 * 64))


def test_images_of_a_batch_have_screens_of_their_own() -> None:
    tone = torch.full((2, 64, 64), 0.5)
    shapes = torch.tensor([SHAPES.index("round"), SHAPES.index("line")])
    together = halftone(tone, period=torch.tensor([4.0, 7.0]), angle=torch.tensor([45.0, 10.0]), shape=shapes)
    assert torch.equal(together[:1], _screen(tone[:1], period=4.0, angle=45.0, shape="round"))
    assert torch.equal(together[1:], _screen(tone[1:], period=7.0, angle=10.0, shape="line"))
