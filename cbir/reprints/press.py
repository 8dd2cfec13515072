"""The settings of a reprint as ranges and probabilities of what newspapers do to photographs, and three sets of
them.
"""

from dataclasses import dataclass, fields, replace
from typing import Final

from cbir.reprints.draws import Range
from cbir.reprints.lettering import LAYOUTS
from cbir.reprints.screens import SHAPES

PRESS_SIZE = 160  # px, the size of images that the lengths in PRESS suit


@dataclass(frozen=True, kw_only=True)
class Press:
    """Settings of reprints. Probabilities are in 0..1, tones in 0 (black) to 1 (white), lengths marked px in pixels.

    The pixel lengths suit images of about 160 px; ``scaled`` makes them suit others.
    """

    # the picture in its frame
    crop: Range = (0.5, 1.0)  # part of the area that is kept
    aspect: Range = (0.77, 1.3)  # by how much the crop is wider or narrower than the original
    rotation: Range = (-4.0, 4.0)  # degrees, of the picture within its frame
    mirror: float = 0.1  # a negative laid upside down

    # the tone, before the screen
    black: Range = (-0.15, 0.15)  # this tone becomes black; below 0 the shadows fade
    white: Range = (0.85, 1.15)  # this one becomes white; above 1 the lights turn grey
    midtone: Range = (-0.8, 0.8)  # bend of the tone curve: -1 darkens the middle by a quarter, 1 lightens it
    posterise: float = 0.15  # retouched to few flat tones
    tones: Range = (3.0, 7.0)  # how many of them

    # the screen
    screen: float = 0.75
    period: Range = (1.6, 4.5)  # px from dot to dot
    angle: Range = (25.0, 65.0)  # degrees; 45 is the printers' rule for a single ink
    shapes: tuple[str, ...] = ("round", "dot", "ellipse", "diamond")
    strength: Range = (0.3, 0.9)  # of the dots; below 1 for a screen that the scan half resolved
    edge: Range = (0.8, 2.0)  # px over which a dot's edge fades

    # the page around it
    page: float = 0.4  # smaller than the image, among text
    size: Range = (0.6, 0.95)  # of the image's width and height that the picture keeps on a page
    layouts: tuple[str, ...] = ("columns", "wide", "letter")
    text: Range = (0.35, 0.75)  # part of a sheet that the image shows; small: large letters
    border: float = 0.2  # off a page: the picture's edge and some bare paper is in the image
    rule: float = 0.4  # a line around the picture, of those on a page or with a border
    oval: float = 0.04  # cut out as an oval
    caption: float = 0.25
    caption_height: Range = (0.07, 0.18)  # of the picture's height
    tilt: Range = (-3.0, 3.0)  # degrees, of the page in the scanner

    # ink, paper and scanner
    gain: Range = (-0.1, 0.5)  # by how much ink spreads: 1 darkens the middle tones by a quarter
    blur: Range = (0.0, 0.9)  # px, standard deviation
    ink: Range = (0.0, 0.25)  # reflectance of full ink
    paper: Range = (0.7, 1.0)  # reflectance of bare paper
    stains: Range = (0.0, 0.15)  # uneven paper and light
    vignette: Range = (0.0, 0.2)  # darkness in the corners
    streaks: float = 0.15
    streak_depth: Range = (0.05, 0.2)
    noise: Range = (0.0, 0.06)  # standard deviation
    tint: Range = (0.0, 0.3)  # how yellow the paper is, where the image has colours

    # what ruins a picture, none of it unless it is asked for
    negative: float = 0.0  # black and white exchanged
    dodging: Range = (0.0, 0.0)  # stops by which parts of a second print from the same negative are exposed otherwise
    painted: float = 0.0  # places painted over by a retoucher
    painted_part: Range = (0.01, 0.08)  # of the image's area, each
    bleed: float = 0.0  # the page's other side shines through
    bleed_depth: Range = (0.1, 0.3)  # part of the light that its ink takes
    fold: float = 0.0  # lines across the page
    fold_breadth: Range = (0.003, 0.012)  # of the image's longer side
    fold_depth: Range = (-0.5, 0.5)  # of the tone: below 0 a dark line, above a bright one
    gutter: float = 0.0  # bound in a book, dark towards the left or right
    gutter_depth: Range = (0.4, 0.9)  # of the darkness at the edge
    gutter_reach: Range = (0.03, 0.12)  # of the width, where a third of it is left
    jpeg: float = 0.0  # stored as JPEG after all else
    quality: Range = (15.0, 60.0)

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, float) and not 0 <= value <= 1:
                raise ValueError(f"{field.name} is a probability and must be in 0..1, is {value}")
            if field.name not in ("shapes", "layouts") and isinstance(value, tuple) and not value[0] <= value[1]:
                raise ValueError(f"{field.name} must be a range (least, largest), is {value}")
        for name, known in (("shapes", SHAPES), ("layouts", LAYOUTS)):
            unknown = set(getattr(self, name)) - set(known)
            if unknown:
                raise ValueError(f"{name} has {sorted(unknown)}; there are {', '.join(known)}")

    def scaled(self, factor: float) -> "Press":
        """Returns the settings for images ``factor`` times as large, with the lengths in px multiplied."""
        period, edge, blur = ((factor * low, factor * high) for low, high in (self.period, self.edge, self.blur))
        return replace(self, period=period, edge=edge, blur=blur)


PRESS: Final = Press()
"""For training: all that reprinting does, but for the screens and page layouts of the two sets below."""

HARD_PRESS: Final = Press(
    crop=(0.1, 1.0),
    negative=0.05,
    dodging=(0.0, 0.7),
    painted=0.15,
    bleed=0.15,
    fold=0.15,
    gutter=0.1,
    jpeg=0.3,
)
"""For training from weights that know pictures already: also what ruins a picture, down to a tenth of its area."""

MILD: Final = Press(
    crop=(0.75, 1.0),
    aspect=(0.9, 1.1),
    rotation=(-1.0, 1.0),
    mirror=0.0,
    black=(-0.05, 0.05),
    white=(0.95, 1.05),
    midtone=(-0.3, 0.3),
    posterise=0.0,
    period=(2.2, 4.0),
    angle=(0.0, 20.0),
    shapes=("line", "square"),
    strength=(0.3, 0.7),
    page=0.15,
    size=(0.75, 0.9),
    layouts=("ragged", "advert"),
    oval=0.0,
    caption=0.1,
    tilt=(-1.0, 1.0),
    gain=(0.0, 0.2),
    stains=(0.0, 0.05),
    streaks=0.0,
    noise=(0.0, 0.03),
)
"""For measuring: gentle reprints with screens and layouts that ``PRESS`` never draws."""

SEVERE_UNSEEN: Final = Press(
    crop=(0.6, 1.0),
    aspect=(0.85, 1.18),
    rotation=(-3.0, 3.0),
    period=(1.6, 3.5),
    angle=(-20.0, 20.0),
    shapes=("line", "square", "cross"),
    strength=(0.3, 0.6),
    page=0.3,
    size=(0.7, 0.95),
    layouts=("ragged", "advert"),
    gain=(0.0, 0.4),
    blur=(0.3, 1.1),
    stains=(0.05, 0.15),
    vignette=(0.0, 0.3),
    noise=(0.01, 0.04),
)
"""For measuring: no image is left as it was, with screens, angles and layouts that ``PRESS`` never draws.

So severe that a frozen MobileNetV2 finds a quarter of the originals (validation photographs, map@10 0.25)."""
