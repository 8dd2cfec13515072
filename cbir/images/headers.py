"""Reads what a decoder states of a page before any pixel: format, mode, upright size."""

from dataclasses import dataclass

import pyvips

from cbir.images.formats import RefusalError
from cbir.images.pillow import PillowImage

_COLOURS = {"b-w": "grey", "grey16": "grey", "srgb": "rgb", "rgb": "rgb", "rgb16": "rgb", "cmyk": "cmyk"}
_CHANNELS = {"grey": 1, "rgb": 3, "cmyk": 4}  # one more is transparency
_BITS = {"uchar": 8, "ushort": 16}


@dataclass(frozen=True)
class Header:
    """The facts that a file states of one of its pages, before any pixel is decoded.

    Attributes:
        format: JPEG, PNG, TIFF, WebP, GIF, JPEG 2000 or BMP.
        mode: the colours (grey, rgb, cmyk or lab), ``a`` where there is transparency, and the bits of a sample as they
            are stored: grey1, grey16, rgb8, rgba8, cmyk8; of a palette, those of its indices.
        width, height: pixels of the full page, upright (the orientation is applied).
        pages: in the file, see :attr:`cbir.images.reading.ImageFile.pages`; 1 for an animation, of which only the first
            frame counts.
    """

    format: str
    mode: str
    width: int
    height: int
    pages: int


def header_of(image: pyvips.Image | PillowImage, format: str, pages: int) -> Header:
    """Describes an image that a decoder has opened.

    Raises:
        RefusalError: its samples have no defined tones, or a side has no pixel.
    """
    if isinstance(image, PillowImage):
        width, height, mode = *image.image.size, image.mode
    else:
        fields = set(image.get_fields())
        turned = "orientation" in fields and image.get("orientation") >= 5
        width, height = (image.height, image.width) if turned else (image.width, image.height)
        mode = _vips_mode(image, fields)
    if min(width, height) < 1:
        raise RefusalError(f"the {format} header claims {width} × {height} pixels", "corrupt")
    return Header(format, mode, width, height, pages)


def without_data(image: pyvips.Image) -> pyvips.Image:
    """Drops one channel beyond the colours that is no transparency, such as a scanner's infrared."""
    lab = image.interpretation in ("lab", "labs")
    colours = 3 if lab else _CHANNELS.get(_COLOURS.get(image.interpretation, ""), 0)
    return image.extract_band(0, n=colours) if colours and image.bands == colours + 1 else image


def _vips_mode(image: pyvips.Image, fields: set[str]) -> str:
    colours = _COLOURS.get(image.interpretation)
    if image.interpretation in ("lab", "labs"):
        return "lab" + ("a" if image.hasalpha() else "")
    if image.format not in _BITS:
        raise RefusalError(
            f"its samples are of the type {image.format}, which does not say what is black and what is white; "
            "save it with 8 or 16 bits a sample",
            "unsupported",
        )
    if colours is None or image.bands > _CHANNELS[colours] + 1:
        raise RefusalError(
            f"it has {image.bands} channels ({image.interpretation}), not grey, RGB or CMYK; save it as one of them",
            "unsupported",
        )
    bits = image.get("bits-per-sample") if "bits-per-sample" in fields else _BITS[image.format]
    return colours + ("a" if image.hasalpha() else "") + str(bits)
