"""Converts decoded images to pixels: scaled, flattened on white, grey where the channels are equal."""

import numpy as np
import pyvips
from PIL import Image

_BITS_PER_SAMPLE = 258  # the tag of TIFF


def jpeg_shrink(full: int, longest_side: int | None) -> int:
    """Returns how much the JPEG decoder may shrink by itself: what is left for the better filter is a factor of two or
    more.
    """
    return next((shrink for shrink in (8, 4, 2) if longest_side and full >= 2 * shrink * longest_side), 1)


def wavelet_levels(full: int, longest_side: int | None) -> int:
    """Returns how many halvings the JPEG 2000 decoder may leave undone, by the same rule."""
    return max(0, (full // (2 * longest_side)).bit_length() - 1) if longest_side else 0


def to_array(image: pyvips.Image, longest_side: int) -> np.ndarray:
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


def from_pillow(image: Image.Image) -> pyvips.Image:
    if image.mode in ("I;16", "I;16B", "I"):
        scale = 65535 / 4095 if getattr(image, "tag_v2", {}).get(_BITS_PER_SAMPLE) == (12,) else 1
        return pyvips.Image.new_from_array((np.asarray(image) * scale).astype(np.uint16), interpretation="grey16")
    if image.mode == "LAB":
        stored = np.asarray(image)
        lightness, colours = stored[..., :1] * np.float32(100 / 255), stored[..., 1:].view(np.int8)
        return pyvips.Image.new_from_array(np.dstack([lightness, colours]).astype(np.float32), interpretation="lab")
    if image.mode in ("1", "L"):
        return pyvips.Image.new_from_array(np.asarray(image.convert("L")), interpretation="b-w")
    transparent = image.mode in ("LA", "PA", "RGBA") or "transparency" in image.info
    return pyvips.Image.new_from_array(
        np.asarray(image.convert("RGBA" if transparent else "RGB")), interpretation="srgb"
    )
