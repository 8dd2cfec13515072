"""Reads images: every format of an archive as 8-bit grey or RGB pixels with the right tones, shrunk while loading.

libvips reads JPEG, PNG, TIFF, WebP and GIF; Pillow reads JPEG 2000 and BMP, for which the libvips of ``pyvips-binary``
has no loader. The first bytes of a file decide its format, never its name.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from io import FileIO
from operator import add
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyvips
import tifffile
from PIL import BmpImagePlugin, Image, Jpeg2KImagePlugin

from cbir.errors import UserError
from cbir.images.formats import UnknownFormatError, recognise
from cbir.images.pixels import from_pillow, jpeg_shrink, to_array, wavelet_levels

MAX_PIXELS = 1_000_000_000  # where the caller sets no limit
DECODERS = f"libvips {pyvips.version(0)}.{pyvips.version(1)}.{pyvips.version(2)}, Pillow {Image.__version__}"

# A cached operation would answer for a file that has changed since.
pyvips.cache_set_max(0)

_VIPS_LOADERS = {
    "JPEG": "jpegload_source",
    "PNG": "pngload_source",
    "TIFF": "tiffload_source",
    "WebP": "webpload_source",
    "GIF": "gifload_source",
}
# The libvips of pyvips-binary is built without these: https://github.com/lovell/sharp-libvips/pull/171.
_PILLOW_LOADERS: dict[str, Callable[[FileIO], Image.Image]] = {
    "JPEG 2000": Jpeg2KImagePlugin.Jpeg2KImageFile,
    "BMP": BmpImagePlugin.BmpImageFile,
}
_COLOURS = {"b-w": "grey", "grey16": "grey", "srgb": "rgb", "rgb": "rgb", "rgb16": "rgb", "cmyk": "cmyk"}
_CHANNELS = {"grey": 1, "rgb": 3, "cmyk": 4}  # one more is transparency
_BITS = {"uchar": 8, "ushort": 16}
_DERIVED = 0b101  # of NewSubfileType: a reduced version of another page, or a transparency mask


class UnreadableImage(UserError):  # noqa: N818
    """Raised for a file, or a page of it, that gives no image.

    Attributes:
        path: the file.
        reason: why, without the file's name: a sentence for the cleaning report.
        status: ``corrupt`` for a damaged image, ``unsupported`` for what is no image that this project reads.
    """

    def __init__(self, path: Path, reason: str, status: Literal["corrupt", "unsupported"]) -> None:
        super().__init__(path, reason, status)
        self.path, self.reason, self.status = path, reason, status

    def __str__(self) -> str:
        return f"{self.path}: {self.reason}"


@dataclass(frozen=True)
class Header:
    """The facts that a file states of one of its pages, before any pixel is decoded.

    Attributes:
        format: JPEG, PNG, TIFF, WebP, GIF, JPEG 2000 or BMP.
        mode: the colours (grey, rgb, cmyk or lab), ``a`` where there is transparency, and the bits of a sample as they
            are stored: grey1, grey16, rgb8, rgba8, cmyk8; of a palette, those of its indices.
        width, height: pixels of the full page, upright (the orientation is applied).
        pages: in the file, see :attr:`ImageFile.pages`; 1 for an animation, of which only the first frame counts.
    """

    format: str
    mode: str
    width: int
    height: int
    pages: int


class ImageFile:
    """An open image file; each page's header and pixels are read from the one descriptor.

    Raises:
        UnreadableImage: the first bytes are of no format that is read, or the file is empty.
    """

    def __init__(self, file: FileIO, path: Path) -> None:
        self._file = file
        self._path = path
        self.format = self._recognise()

    @cached_property
    def pages(self) -> list[int]:
        """Numbers of the pages that are pictures of their own, from 0.

        The smaller levels of a pyramid, previews and masks in a TIFF are none, as its tag NewSubfileType says
        (TIFF 6.0, section 8).

        Raises:
            UnreadableImage: the file is damaged.
        """
        count = self.header().pages
        flags = [int(directory.subfiletype) for directory in self._directories()] if count > 1 else []
        return [page for page in range(count) if page >= len(flags) or not flags[page] & _DERIVED] or [0]

    def header(self, page: int = 0) -> Header:
        """Returns the facts of one page, without decoding pixels.

        Raises:
            UnreadableImage: the header is damaged, the page does not exist, or its samples have no defined tones.
        """
        with self._errors():
            if self.format in _PILLOW_LOADERS:
                return self._pillow_header(self._open_pillow(page))
            return self._vips_header(self._open_vips(page))

    def pixels(self, page: int = 0, *, longest_side: int | None = None, max_pixels: int = MAX_PIXELS) -> np.ndarray:
        """Returns the upright pixels of one page, as :func:`read_image` gives them."""
        with self._errors():
            if self.format in _PILLOW_LOADERS:
                return self._pillow_pixels(page, longest_side, max_pixels)
            image = self._open_vips(page)
            header = self._vips_header(image)
            self._check_size(header, max_pixels)
            if "tile-width" in image.get_fields():
                self._check_tiles(page)
                image = self._open_vips(page)
            full = max(header.width, header.height)
            shrink = jpeg_shrink(full, longest_side) if self.format == "JPEG" else 1
            if shrink > 1:
                image = self._open_vips(page, shrink=shrink)
            return to_array(image, min(longest_side or full, full))

    def _directories(self) -> list[tifffile.TiffPage]:
        """Reads the directories of a TIFF's pages; empty where libvips reads it and tifffile does not."""
        self._file.seek(0)
        try:
            with tifffile.TiffFile(self._file) as tiff:
                return [page.aspage() for page in tiff.pages]
        except Exception:  # of any kind: a damaged file meets code that was not written for it
            return []

    def _check_tiles(self, page: int) -> None:
        """Raises for a missing tile, which libvips makes black without an error; it reports a missing strip itself.

        See docs/upstream.md, libvips: short tile.
        """
        size = os.fstat(self._file.fileno()).st_size
        for tiff_page in self._directories()[page : page + 1]:
            end = max(map(add, tiff_page.dataoffsets, tiff_page.databytecounts), default=0)
            if end > size:
                raise OSError(f"its tiles end at byte {end}, the file at {size}")

    def _recognise(self) -> str:
        self._file.seek(0)
        try:
            return recognise(self._file.read(64))
        except UnknownFormatError as error:
            raise UnreadableImage(self._path, error.reason, error.status) from error

    @contextmanager
    def _errors(self) -> Iterator[None]:
        """Turns the errors of a decoder into UnreadableImage with the decoder's own words."""
        try:
            yield
        except pyvips.Error as error:
            words = [line.strip() for line in str(error.detail).splitlines() if line.strip()]
            if any("out of memory" in line for line in words):
                raise MemoryError(words[0]) from error
            self._fail(words[0] if words else error.message)
        except (OSError, SyntaxError, ValueError, EOFError, IndexError, KeyError, OverflowError) as error:
            self._fail(str(error) or type(error).__name__)

    def _fail(self, words: str) -> None:
        raise UnreadableImage(self._path, f"the {self.format} data is damaged or cut off: {words}", "corrupt") from None

    def _unsupported(self, reason: str) -> UnreadableImage:
        return UnreadableImage(self._path, reason, "unsupported")

    def _check_size(self, header: Header, max_pixels: int) -> None:
        if header.width * header.height > max_pixels:
            size = f"{header.width} × {header.height}"
            raise self._unsupported(f"it claims {size} pixels, more than max_pixels ({max_pixels:_}) allows")

    def _open_vips(self, page: int, **options: Any) -> pyvips.Image:
        os.lseek(self._file.fileno(), 0, os.SEEK_SET)
        source = pyvips.Source.new_from_descriptor(self._file.fileno())
        if self.format == "TIFF":
            options["page"] = page
        elif page:
            raise ValueError(f"there is no page {page}")
        # "truncated" lets the missing rows of an uncompressed TIFF pass as black; "error" does not.
        return getattr(pyvips.Image, _VIPS_LOADERS[self.format])(
            source, access="sequential", fail_on="error", **options
        )

    def _vips_header(self, image: pyvips.Image) -> Header:
        fields = set(image.get_fields())
        turned = "orientation" in fields and image.get("orientation") >= 5
        width, height = (image.height, image.width) if turned else (image.width, image.height)
        pages = image.get("n-pages") if self.format == "TIFF" and "n-pages" in fields else 1
        return Header(self.format, self._vips_mode(image, fields), width, height, pages)

    def _vips_mode(self, image: pyvips.Image, fields: set[str]) -> str:
        colours = _COLOURS.get(image.interpretation)
        if image.interpretation in ("lab", "labs"):
            return "lab" + ("a" if image.hasalpha() else "")
        if image.format not in _BITS:
            raise self._unsupported(
                f"its samples are of the type {image.format}, which does not say what is black and what is white; "
                "save it with 8 or 16 bits a sample"
            )
        if colours is None or image.bands > _CHANNELS[colours] + 1:
            raise self._unsupported(f"it has {image.bands} channels ({image.interpretation}), not grey, RGB or CMYK")
        bits = image.get("bits-per-sample") if "bits-per-sample" in fields else _BITS[image.format]
        return colours + ("a" if image.hasalpha() else "") + str(bits)

    def _open_pillow(self, page: int) -> Image.Image:
        if page:
            raise ValueError(f"there is no page {page}")
        self._file.seek(0)
        # The plug-in itself, not Image.open: that would try other formats and apply Pillow's own limit of pixels.
        return _PILLOW_LOADERS[self.format](self._file)

    def _pillow_header(self, image: Image.Image) -> Header:
        modes = {"1": "grey1", "L": "grey8", "LA": "greya8", "P": "rgb8", "PA": "rgba8", "RGB": "rgb8", "RGBA": "rgba8"}
        modes |= {"I;16": "grey16", "I": "grey16", "CMYK": "cmyk8", "YCbCr": "rgb8"}
        if image.mode not in modes:
            raise self._unsupported(f"its colours ({image.mode}) are not grey, RGB or CMYK")
        return Header(self.format, modes[image.mode], image.width, image.height, 1)

    def _pillow_pixels(self, page: int, longest_side: int | None, max_pixels: int) -> np.ndarray:
        image = self._open_pillow(page)
        self._check_size(self._pillow_header(image), max_pixels)
        full = max(image.size)
        levels = wavelet_levels(full, longest_side)
        if levels and self.format == "JPEG 2000":
            image = self._load_reduced(image, levels)
        image.load()
        return to_array(from_pillow(image), min(longest_side or full, full))

    def _load_reduced(self, image: Image.Image, levels: int) -> Image.Image:
        """Returns a JPEG 2000 decoded without its finest wavelet levels; as it is where the file has not so many."""
        image.reduce = levels  # type: ignore[assignment, method-assign]
        try:
            image.load()
        except OSError:
            return self._open_pillow(0)
        return image


@contextmanager
def open_image(path: Path) -> Iterator[ImageFile]:
    """Yields an image file, open for reading its pages.

    Raises:
        UnreadableImage: the file cannot be opened, or holds no image.
    """
    try:
        file = path.open("rb", buffering=0)  # libvips moves the descriptor's position, which a buffer would not notice
    except OSError as error:
        raise UnreadableImage(path, f"the file cannot be opened: {error.strerror}", "corrupt") from error
    with file:
        yield ImageFile(file, path)


def describe(path: Path, *, page: int = 0) -> Header:
    """Reads the facts of one page (from 0): format, mode, upright width and height, number of pages.

    Raises:
        UnreadableImage: no image, a damaged one, or one of a kind that is not read.
    """
    with open_image(path) as image:
        return image.header(page)


def read_image(
    path: Path, *, page: int = 0, longest_side: int | None = None, max_pixels: int = MAX_PIXELS
) -> np.ndarray:
    """Returns the upright pixels of one page.

    16-bit samples are scaled to 8, CMYK and embedded profiles are converted to sRGB, what is transparent becomes white.

    Args:
        path: the file; its content decides the format.
        page: of a multi-page TIFF, from 0.
        longest_side: shrink to at most this many pixels; never enlarges. None: the full size.
        max_pixels: a page whose header claims more is refused before it is decoded.

    Returns:
        uint8, (H, W) for grey, also where the file holds three equal channels, or (H, W, 3) RGB.

    Raises:
        UnreadableImage: no image, a damaged one, or one of a kind or size that is not read.
        MemoryError: there is not enough.
    """
    with open_image(path) as image:
        return image.pixels(page, longest_side=longest_side, max_pixels=max_pixels)
