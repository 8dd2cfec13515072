"""Converts decoded images to pixels: scaled, flattened on white, grey where the channels are equal."""

import numpy as np
import pyvips

Tones = tuple[int, int]  # the values of black and white
ALL_TONES = (0, 65535)  # of samples of 16 bits
_NARROW = {2**bits - 1 for bits in (10, 12, 14)}  # the largest values of samples that were stored with 16 bits


def jpeg_shrink(full: int, longest_side: int | None) -> int:
    """Returns how much the JPEG decoder may shrink by itself: what is left for the better filter is a factor of two or
    more.
    """
    return next((shrink for shrink in (8, 4, 2) if longest_side and full >= 2 * shrink * longest_side), 1)


def wavelet_levels(full: int, longest_side: int | None) -> int:
    """Returns how many halvings the JPEG 2000 decoder may leave undone, by the same rule."""
    return max(0, (full // (2 * longest_side)).bit_length() - 1) if longest_side else 0


def stated_tones(image: pyvips.Image, most: int, *, inverted: bool) -> Tones:
    """Returns black and white of samples of 16 bits.

    Args:
        most: the largest value that the file states; what is not that of 10, 12 or 14 bits, or is passed, counts not.
        inverted: whether white was 0 in the file, and libvips has turned the samples over.
    """
    if most not in _NARROW:
        return ALL_TONES
    black, white = (ALL_TONES[1] - most, ALL_TONES[1]) if inverted else (0, most)
    kept = image.min() >= black if inverted else image.max() <= white  # one of both: pixels are read once
    return (black, white) if kept else ALL_TONES


def to_array(image: pyvips.Image, longest_side: int, *, tones: Tones = ALL_TONES) -> np.ndarray:
    """Returns pixels as :func:`cbir.images.reading.read_image` does.

    Args:
        tones: the values of black and white, in samples of 16 bits.
    """
    if image.interpretation in ("lab", "labs"):
        # The profile connection space of ICC is Lab under D50, as that of TIFF is; libvips' own Lab is under D65.
        image = image.colourspace("lab").icc_export(output_profile="srgb", pcs="lab", intent="relative", depth=8)
    if tones != ALL_TONES:
        black, white = tones
        image = ((image - black) * (ALL_TONES[1] / (white - black))).cast("ushort")
    grey = image.interpretation in ("b-w", "grey16")
    # Without an embedded profile there is nothing to convert, but libvips would: 25 ms an image.
    profile = {"export_profile": "srgb"} if "icc-profile-data" in image.get_fields() else {}
    image = image.thumbnail_image(longest_side, height=longest_side, size="down", **profile)
    if image.hasalpha():
        image = image.flatten(background=255)
    pixels = np.ascontiguousarray(image.numpy())
    if pixels.ndim == 2:
        return pixels
    same = grey or ((pixels[..., 0] == pixels[..., 1]).all() and (pixels[..., 1] == pixels[..., 2]).all())
    return np.ascontiguousarray(pixels[..., 1]) if same else pixels
