"""Reads with Pillow what the libvips of ``pyvips-binary`` is built without: JPEG 2000, BMP and some kinds of TIFF.

See https://github.com/lovell/sharp-libvips/pull/171.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyvips
from PIL import BmpImagePlugin, Image, Jpeg2KImagePlugin, TiffImagePlugin

from cbir.images.formats import RefusalError
from cbir.images.jp2 import colours_of

# Pillow's own reading of planes that are not compressed takes 16 bits for 8, libtiff's does not.
TiffImagePlugin.READ_LIBTIFF = True
# Pillow knows packed samples of 12 bits, but in this table of its own only one of the four ways to have them.
_PACKED = [(order, white, (1,), 1, (12,), ()) for order in (b"II", b"MM") for white in (0, 1)]
TiffImagePlugin.OPEN_INFO |= dict.fromkeys(_PACKED, ("I;16", "I;12"))

FORMATS = ("JPEG 2000", "BMP")

_MODES = {
    "1": "grey1",
    "L": "grey8",
    "LA": "greya8",
    "I;16": "grey16",
    "I;16B": "grey16",
    "I": "grey16",
    "P": "rgb8",
    "PA": "rgba8",
    "RGB": "rgb8",
    "RGBA": "rgba8",
    "CMYK": "cmyk8",
    "YCbCr": "rgb8",
    "LAB": "lab",
}
_BITS_PER_SAMPLE, _PHOTOMETRIC, _PLANES = 258, 262, 284  # tags of TIFF
_SPACES = {"b-w": b"GRAY", "grey16": b"GRAY", "srgb": b"RGB ", "cmyk": b"CMYK"}  # of profiles, by libvips' word
_ODD_SPACES = {14: "CIELab", 19: "CIEJab", 20: "e-sRGB", 21: "ROMM-RGB", 24: "e-sYCC"}  # EnumCS of JPEG 2000


@dataclass(frozen=True)
class PillowImage:
    """An image that Pillow has opened, not yet decoded.

    Attributes:
        image: of Pillow's plug-in for the format, which itself is called: ``Image.open`` would try other formats and
            apply a limit of pixels of its own.
        profile: ICC, by which its colours are meant.
        opaque: whether a channel beyond the colours is no transparency.
        reopen: opens it anew.
    """

    image: Image.Image
    profile: bytes | None
    opaque: bool
    reopen: Callable[[], Image.Image] = field(repr=False)

    @property
    def mode(self) -> str:
        """Colours and bits, as :class:`cbir.images.headers.Header` has them.

        Raises:
            RefusalError: they are none that a picture has.
        """
        if _are_inks(self.image, self.profile):
            return "cmyk8"
        if self.image.mode not in _MODES:
            reason = f"its colours ({self.image.mode}) are not grey, RGB or CMYK; save it as one of them"
            raise RefusalError(reason, "unsupported")
        mode = _MODES[self.image.mode]
        return mode.replace("a8", "8") if self.opaque else mode

    def load(self, levels: int = 0) -> pyvips.Image:
        """Decodes it, a JPEG 2000 without its finest wavelet levels where it has so many; with its profile."""
        image = _to_vips(_decoded(self, levels), self.profile or b"", opaque=self.opaque)
        if self.profile and _space(self.profile) == _SPACES.get(image.interpretation):
            image = image.copy()
            image.set_type(pyvips.GValue.blob_type, "icc-profile-data", self.profile)
        return image


def open_jpeg_2000(file: Any) -> PillowImage:
    """Opens a JPEG 2000 file.

    Raises:
        RefusalError: its colours are of a space whose tones are not those of sRGB or grey.
    """
    colours = colours_of(file.fileno())
    if colours.space in _ODD_SPACES:
        space = _ODD_SPACES[colours.space]
        raise RefusalError(f"its colours are of the space {space}, which is not read; save it in sRGB", "unsupported")

    def reopen() -> Image.Image:
        file.seek(0)
        return Jpeg2KImagePlugin.Jpeg2KImageFile(file)

    return PillowImage(reopen(), colours.profile, colours.opaque, reopen)


def open_bmp(file: Any) -> PillowImage:
    """Opens a BMP file.

    Raises:
        ValueError: it has lost bytes, as many as the padding of its last row; the rows before are out of place.
    """
    size = os.fstat(file.fileno()).st_size
    file.seek(0)
    stated = int.from_bytes(file.read(6)[2:], "little")
    file.seek(0)
    image = BmpImagePlugin.BmpImageFile(file)
    for decoder, _, start, options in image.tile:
        if decoder == "raw" and isinstance(options, tuple) and stated > size < start + options[1] * image.height:
            raise ValueError(f"it states {stated:_} bytes and has {size:_}")
    return PillowImage(image, None, opaque=False, reopen=lambda: image)


def open_tiff(view: Any, *, opaque: bool) -> PillowImage:
    """Opens a TIFF of one page."""
    image = TiffImagePlugin.TiffImageFile(view)
    return PillowImage(image, image.info.get("icc_profile"), opaque, reopen=lambda: image)


def _decoded(opened: PillowImage, levels: int) -> Image.Image:
    image = opened.image
    if levels and isinstance(image, Jpeg2KImagePlugin.Jpeg2KImageFile):
        image.reduce = levels
        try:
            image.load()
            return image
        except OSError:
            image = opened.reopen()
    image.load()
    return image


def _space(profile: bytes) -> bytes:
    """Returns the colour space of the samples that a profile is for (ICC.1, 7.2.8)."""
    return profile[16:20]


def _are_inks(image: Image.Image, profile: bytes | None) -> bool:
    """Tells whether a profile says that the samples are CMYK; Pillow takes four channels for RGB and transparency."""
    return image.mode in ("CMYK", "RGBA") and profile is not None and _space(profile) == b"CMYK"


def _to_vips(image: Image.Image, profile: bytes, *, opaque: bool) -> pyvips.Image:
    if image.mode in ("I;16", "I;16B", "I"):
        tags = getattr(image, "tag_v2", {})
        samples = np.asarray(image)
        if tags.get(_BITS_PER_SAMPLE) == (12,):
            samples = (4095 - samples if tags.get(_PHOTOMETRIC) == 0 else samples) * (65535 / 4095)
        return pyvips.Image.new_from_array(samples.astype(np.uint16), interpretation="grey16")
    if image.mode == "LAB":
        stored = np.asarray(image)
        if getattr(image, "tag_v2", {}).get(_PLANES) == 2:  # Pillow gives a and b from planes with the sign turned
            stored = stored ^ np.array([0, 128, 128], np.uint8)
        lightness, colours = stored[..., :1] * np.float32(100 / 255), stored[..., 1:].view(np.int8)
        return pyvips.Image.new_from_array(np.dstack([lightness, colours]).astype(np.float32), interpretation="lab")
    if _are_inks(image, profile):
        return pyvips.Image.new_from_array(np.asarray(image), interpretation="cmyk")
    if image.mode in ("1", "L") or (opaque and image.mode == "LA"):
        return pyvips.Image.new_from_array(np.asarray(image.convert("L")), interpretation="b-w")
    if image.mode == "LA" and _space(profile) == b"GRAY":
        return pyvips.Image.new_from_array(np.asarray(image), interpretation="b-w")
    transparent = image.mode in ("LA", "PA", "RGBA") or "transparency" in image.info
    mode = "RGBA" if transparent and not opaque else "RGB"
    return pyvips.Image.new_from_array(np.asarray(image.convert(mode)), interpretation="srgb")
