"""Models a page with a photograph on it: the picture's place, and the rule, text and caption around it."""

from dataclasses import dataclass, fields

import torch
from torch import Tensor

from cbir.reprints.affine import affine_field
from cbir.reprints.draws import Draws
from cbir.reprints.lettering import CAPTIONS, LAYOUTS, SHEET, sample_text
from cbir.reprints.press import Press

_LINE = 32 / SHEET  # from line to line on the sheet of captions


@dataclass(frozen=True)
class Page:
    """Pages for a batch of images: (B,) each. Lengths are px; a page's origin is the image's centre."""

    tilt: Tensor  # degrees, of the page in the scanner
    lettered: Tensor  # bool: text stands around the picture
    framed: Tensor  # bool: the picture's edges are in the image
    x: Tensor  # the picture's centre
    y: Tensor
    half_width: Tensor  # of the picture
    half_height: Tensor
    oval: Tensor  # bool
    margin: Tensor  # bare paper around the picture
    rule: Tensor  # width of the line around it, 0 for none
    layout: Tensor  # place in LAYOUTS
    window: Tensor  # part of the sheet of text that the image's longer side shows
    corner_x: Tensor  # where that part begins, 0..1 of what is possible
    corner_y: Tensor
    caption: Tensor  # bool: a strip with a caption lies on the picture, or below it
    strip_top: Tensor  # from the picture's centre
    strip_height: Tensor
    strip_lines: Tensor
    strip_start: Tensor  # 0..1 of the sheet of captions
    strip_dark: Tensor  # bool: white letters on black

    def __getitem__(self, chosen: Tensor) -> "Page":
        return Page(**{field.name: getattr(self, field.name)[chosen] for field in fields(self)})

    @property
    def plain(self) -> Tensor:
        """Whether the picture fills the image and nothing stands on it, (B,) bool."""
        return ~(self.framed | self.oval | self.caption)


def draw_page(press: Press, draws: Draws, *, height: int, width: int) -> Page:
    """Draws the pages for images of the given size."""
    lettered, bordered = draws.chance(press.page), draws.chance(press.border)
    size = torch.where(lettered, draws.between(press.size), torch.where(bordered, draws.between((0.88, 0.98)), 1.0))
    framed, side = lettered | bordered, max(height, width)
    oval = draws.chance(press.oval)
    half_height = size * height / 2
    strip_height = 2 * half_height * draws.between(press.caption_height)
    below = lettered & draws.chance(0.6)
    above = draws.chance(0.3)
    return Page(
        tilt=draws.between(press.tilt),
        lettered=lettered,
        framed=framed,
        x=draws.between((-0.5, 0.5)) * (1 - size) * width,
        y=draws.between((-0.5, 0.5)) * (1 - size) * height,
        half_width=size * width / 2,
        half_height=half_height,
        oval=oval,
        margin=draws.between((0.02, 0.06)) * side,
        rule=torch.where(draws.chance(press.rule) & framed & ~oval, draws.between((0.004, 0.015)) * side, 0.0),
        layout=draws.choice([LAYOUTS.index(name) for name in press.layouts]),
        window=draws.between(press.text),
        corner_x=draws.uniform(),
        corner_y=draws.uniform(),
        caption=draws.chance(press.caption),
        strip_top=torch.where(below, half_height, torch.where(above, -half_height, half_height - strip_height)),
        strip_height=strip_height,
        strip_lines=draws.choice([1, 2, 3]),
        strip_start=draws.uniform(),
        strip_dark=draws.chance(0.3) & ~below,
    )


def compose_page(tone: Tensor, page: Page) -> Tensor:
    """Puts what the page has around and over the pictures.

    Args:
        tone: (B, H, W), 0 black to 1 white: the pictures, where they stand on the page.

    Returns:
        (B, H, W): the same, with bare paper, text, rule and caption; ``tone`` itself where every page is plain.
    """
    chosen = (~page.plain).nonzero()[:, 0]
    if not len(chosen):
        return tone
    page, picture = page[chosen], tone[chosen]
    x, y = _from_picture(page, height=tone.shape[1], width=tone.shape[2])
    gap = _gap(x, y, page)
    in_strip = _in_strip(x, y, page)
    text = _text(x, y, page, in_strip=in_strip, side=max(tone.shape[1:]))
    around = torch.lerp(torch.ones_like(text), text, (gap - _wide(page.margin)).clamp_(0, 1) * _wide(page.lettered))
    around.masked_fill_(gap < _wide(page.rule), 0.0)
    result = torch.lerp(picture, around, (gap + 0.5).clamp_(0, 1))
    result = torch.where(in_strip, torch.where(_wide(page.strip_dark), 1 - text, text), result)
    return tone.index_copy(0, chosen, result)


def _wide(values: Tensor) -> Tensor:
    return values[:, None, None]


def _from_picture(page: Page, *, height: int, width: int) -> tuple[Tensor, Tensor]:
    """Places on the page of each px, from the picture's centre: (B, H, W) each."""
    cosine, sine = torch.cos(torch.deg2rad(page.tilt)), torch.sin(torch.deg2rad(page.tilt))
    x = affine_field(cosine, -sine, -page.x, height=height, width=width)
    return x, affine_field(sine, cosine, -page.y, height=height, width=width)


def _gap(x: Tensor, y: Tensor, page: Page) -> Tensor:
    """Returns the distance (B, H, W) in px from the picture's edge, negative within; far within where the picture fills
    the image.
    """
    half_width, half_height = _wide(page.half_width), _wide(page.half_height)
    gap = torch.maximum(x.abs().sub_(half_width), y.abs().sub_(half_height))
    gap.masked_fill_(_wide(~page.framed), -1e6)
    oval = page.oval.nonzero()[:, 0]  # few are, and the root is slow
    radius = torch.hypot(x[oval] / half_width[oval], y[oval] / half_height[oval])
    return gap.index_copy_(0, oval, (radius - 1) * torch.minimum(half_width, half_height)[oval])


def _in_strip(x: Tensor, y: Tensor, page: Page) -> Tensor:
    """Returns (B, H, W) bool, true in the strip of the caption."""
    below = y - _wide(page.strip_top)
    inside = (below >= 0) & (below < _wide(page.strip_height)) & _wide(page.caption)
    return inside & (_wide(~page.framed) | (x.abs() <= _wide(page.half_width)))


def _text(x: Tensor, y: Tensor, page: Page, *, in_strip: Tensor, side: int) -> Tensor:
    """Returns the page's text, and the caption's in its strip: (B, H, W), 1 paper to 0 ink."""
    grid = torch.empty(*x.shape, 2, device=x.device)
    scale = _wide(page.window / side)
    line = _wide(page.strip_lines * _LINE / page.strip_height)
    room = 1 - page.window
    from_left = _wide(page.half_width) + x
    from_top = y - _wide(page.strip_top)
    row = _wide((page.strip_start * (1 / _LINE - 4)).floor() * _LINE)
    centre_x = _wide(page.x * page.window / side + page.window / 2 + page.corner_x * room)
    centre_y = _wide(page.y * page.window / side + page.window / 2 + page.corner_y * room)
    grid[..., 0] = torch.where(in_strip, from_left * line, x * scale + centre_x)
    grid[..., 1] = torch.where(in_strip, from_top * line + row, (y * scale + centre_y).clamp_(0.002, 0.998))
    sheet = torch.where(in_strip, CAPTIONS, _wide(page.layout))
    return sample_text(sheet, grid, texels=SHEET * float(page.window.mean()) / side)
