"""Intact files of every format that is read, all of one small picture: what mutations are made of."""

import io
from collections.abc import Callable
from functools import cache

import numpy as np
import pyvips
import tifffile
from PIL import Image, ImageCms

_WIDTH, _HEIGHT = 200, 160  # px


def _picture(width: int, height: int) -> np.ndarray:
    """A picture with smooth tones, edges and grain, (H, W) uint8."""
    y, x = np.mgrid[0:height, 0:width]
    grey = 90 + 60 * np.sin(x / 17) * np.cos(y / 13) + 50 * y / height
    grey += np.random.default_rng(7).normal(0, 8, grey.shape)
    grey[height // 4 : height // 2, width // 5 : width // 2] += 60
    grey[3 * height // 5 : 4 * height // 5, width // 2 : 4 * width // 5] -= 70
    return np.clip(grey, 1, 254).astype(np.uint8)


GREY = _picture(_WIDTH, _HEIGHT)
RGB = np.dstack([GREY, np.roll(GREY, 9, 1), np.roll(GREY, 5, 0)])
_DEEP = GREY.astype(np.uint16) * 257
_LARGE = _picture(4 * _WIDTH, 4 * _HEIGHT)


def _pillow(form: str, picture: np.ndarray | Image.Image = RGB, **options: object) -> bytes:
    image = picture if isinstance(picture, Image.Image) else Image.fromarray(picture)
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()


def _tiff(picture: np.ndarray = GREY, **options: object) -> bytes:
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, picture, **options)
    return buffer.getvalue()


def _vips(suffix: str, picture: np.ndarray = RGB, space: str = "srgb", **options: object) -> bytes:
    return pyvips.Image.new_from_array(picture, interpretation=space).write_to_buffer(suffix, **options)


def _pages() -> bytes:
    buffer = io.BytesIO()
    with tifffile.TiffWriter(buffer) as tiff:
        for number in range(4):
            tiff.write(np.roll(GREY, 40 * number, 1), rowsperstrip=32, contiguous=False)
    return buffer.getvalue()


def _pyramid() -> bytes:
    buffer = io.BytesIO()
    with tifffile.TiffWriter(buffer) as tiff:
        tiff.write(_LARGE, tile=(128, 128), subifds=1, compression="zlib")
        tiff.write(_LARGE[::2, ::2], tile=(128, 128), subfiletype=1, compression="zlib")
    return buffer.getvalue()


def _profile() -> bytes:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def _turned() -> bytes:
    exif = Image.Exif()
    exif[0x112] = 6
    return _pillow("JPEG", exif=exif.tobytes())


def _image(picture: np.ndarray, mode: str) -> Image.Image:
    return Image.fromarray(picture).convert(mode)


_WRITERS: dict[str, Callable[[], bytes]] = {
    "base.jpg": lambda: _pillow("JPEG", quality=85),
    "grey.jpg": lambda: _pillow("JPEG", GREY, quality=85),
    "progressive.jpg": lambda: _pillow("JPEG", progressive=True),
    "cmyk.jpg": lambda: _pillow("JPEG", _image(RGB, "CMYK")),
    "adobe.jpg": lambda: _vips(".jpg", np.asarray(_image(RGB, "CMYK")), "cmyk", Q=85),
    "large.jpg": lambda: _pillow("JPEG", _LARGE, quality=75),
    "restarts.jpg": lambda: _pillow("JPEG", restart_marker_rows=2),
    "profile.jpg": lambda: _pillow("JPEG", icc_profile=_profile()),
    "turned.jpg": _turned,
    "bits1.png": lambda: _pillow("PNG", _image(GREY, "1")),
    "bits4.png": lambda: _vips(".png", GREY, "b-w", bitdepth=4),
    "grey.png": lambda: _pillow("PNG", GREY),
    "rgb.png": lambda: _pillow("PNG"),
    "alpha.png": lambda: _pillow("PNG", np.dstack([RGB, GREY])),
    "palette.png": lambda: _pillow("PNG", Image.fromarray(RGB).quantize(64)),
    "deep.png": lambda: _pillow("PNG", Image.fromarray(_DEEP)),
    "interlaced.png": lambda: _vips(".png", interlace=True),
    "strips.tif": lambda: _tiff(rowsperstrip=16),
    "strip.tif": lambda: _tiff(rowsperstrip=_HEIGHT),
    "rgb.tif": lambda: _tiff(RGB, rowsperstrip=32, photometric="rgb"),
    "tiles.tif": lambda: _tiff(tile=(64, 64)),
    "deflate_tiles.tif": lambda: _tiff(tile=(64, 64), compression="zlib"),
    "deflate.tif": lambda: _tiff(compression="zlib", rowsperstrip=32),
    "predictor.tif": lambda: _tiff(RGB, compression="zlib", predictor=True, rowsperstrip=32, photometric="rgb"),
    "deep.tif": lambda: _tiff(_DEEP, rowsperstrip=16),
    "deep_tiles.tif": lambda: _tiff(_DEEP.astype(">u2"), byteorder=">", tile=(64, 64)),
    "big.tif": lambda: _tiff(bigtiff=True, rowsperstrip=16),
    "planes.tif": lambda: _tiff(np.moveaxis(RGB, 2, 0), planarconfig="separate", photometric="rgb"),
    "pages.tif": _pages,
    "pyramid.tif": _pyramid,
    "lzw.tif": lambda: _pillow("TIFF", GREY, compression="tiff_lzw"),
    "jpeg.tif": lambda: _pillow("TIFF", compression="jpeg"),
    "jpeg_tiles.tif": lambda: _vips(".tif", tile=True, compression="jpeg"),
    "cmyk.tif": lambda: _pillow("TIFF", _image(RGB, "CMYK")),
    "group4.tif": lambda: _pillow("TIFF", _image(GREY, "1"), compression="group4"),
    "group3.tif": lambda: _pillow("TIFF", _image(GREY, "1"), compression="group3"),
    "packbits.tif": lambda: _pillow("TIFF", GREY, compression="packbits"),
    "lab.tif": lambda: _pillow("TIFF", _image(RGB, "LAB")),
    "zstd.tif": lambda: _pillow("TIFF", GREY, compression="zstd"),
    "lossy.jp2": lambda: _pillow("JPEG2000", irreversible=True, quality_mode="rates", quality_layers=[8]),
    "lossless.jp2": lambda: _pillow("JPEG2000", GREY),
    "tiles.jp2": lambda: _pillow("JPEG2000", tile_size=(64, 64)),
    "stream.j2k": lambda: _pillow("JPEG2000", GREY, no_jp2=True),
    "lossy.webp": lambda: _pillow("WEBP", quality=80),
    "lossless.webp": lambda: _pillow("WEBP", lossless=True),
    "frames.webp": lambda: _pillow("WEBP", save_all=True, append_images=[Image.fromarray(RGB[::-1])]),
    "grey.bmp": lambda: _pillow("BMP", GREY),
    "rgb.bmp": lambda: _pillow("BMP"),
    "bits1.bmp": lambda: _pillow("BMP", _image(GREY, "1")),
    "palette.gif": lambda: _pillow("GIF", Image.fromarray(RGB).quantize(128)),
    "frames.gif": lambda: _pillow("GIF", GREY, save_all=True, append_images=[Image.fromarray(GREY[::-1])]),
}
NAMES = tuple(_WRITERS)


@cache
def seed(name: str) -> bytes:
    """The intact file of a name in ``NAMES``."""
    return _WRITERS[name]()
