"""Reads images: every format of an archive as 8-bit grey or RGB pixels with the right tones, shrunk while loading.

libvips reads JPEG, PNG, TIFF, WebP and GIF; Pillow reads JPEG 2000 and BMP, for which the libvips of ``pyvips-binary``
has no loader. The first bytes of a file decide its format, never its name.
"""

import logging
import os
import struct
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property, partial
from io import FileIO, RawIOBase
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyvips
from PIL import BmpImagePlugin, Image, Jpeg2KImagePlugin, TiffImagePlugin

from cbir.errors import UserError
from cbir.images.formats import RefusalError, recognise
from cbir.images.headers import Header, header_of
from cbir.images.jpeg import mended
from cbir.images.pixels import from_pillow, jpeg_shrink, to_array, wavelet_levels
from cbir.images.tiff import MOST_PAGES, Directory, PageView, directories

# libvips warns from threads of its own, where handlers of Python have crashed; what is wrong with a file it raises.
logging.getLogger("pyvips").setLevel(logging.CRITICAL + 1)  # Prefect enables a logger that is disabled

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
_NOT_IN_VIPS = ("not configured", "not implemented", "not supported", "labq", "not a whole number of bytes")
_OTHER_TIFF = (
    "it is a TIFF of a kind that is not read ({}); save it as grey or RGB with 8 or 16 bits a sample, "
    "without compression or with LZW"
)
# A damaged file also meets code of Pillow that was not written for it.
_OF_A_DECODER = (OSError, SyntaxError, ValueError, EOFError, LookupError, ArithmeticError, TypeError, AssertionError)
_OF_A_DECODER += (RuntimeError, struct.error, Image.DecompressionBombError)  # type: ignore[assignment]


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


class ImageFile:
    """An open image file; each page's header and pixels are read from the one descriptor.

    Raises:
        UnreadableImage: the first bytes are of no format that is read, or the file is empty.
    """

    def __init__(self, file: FileIO, path: Path) -> None:
        self._file = file
        self._path = path
        self._sources: list[pyvips.SourceCustom] = []  # pyvips drops those that nothing holds, in use or not
        self._not_in_vips = ""  # what libvips says of a TIFF of a kind that it is built without
        self._file.seek(0)
        with self._errors():
            self.format = recognise(self._file.read(64))

    @cached_property
    def pages(self) -> list[int]:
        """Numbers of the pages that are pictures of their own, from 0.

        The smaller levels of a pyramid, previews and masks in a TIFF are none.

        Raises:
            UnreadableImage: the file is damaged, or has more pages than are read.
        """
        if len(self._directories) > MOST_PAGES:
            reason = f"it has more than {MOST_PAGES:_} pages; split it into files of fewer"
            raise UnreadableImage(self._path, reason, "unsupported")
        return [number for number, page in enumerate(self._directories) if not page.derived] or [0]

    @cached_property
    def _directories(self) -> list[Directory]:
        return directories(self._file.fileno()) if self.format == "TIFF" else []

    def header(self, page: int = 0) -> Header:
        """Returns the facts of one page, without decoding pixels.

        Raises:
            UnreadableImage: the header is damaged, the page does not exist, or its samples have no defined tones.
        """
        with self._errors():
            return header_of(self._open(page), self.format, max(1, len(self._directories)))

    def pixels(self, page: int = 0, *, longest_side: int | None = None, max_pixels: int = MAX_PIXELS) -> np.ndarray:
        """Returns the upright pixels of one page, as :func:`read_image` gives them."""
        with self._errors():
            image = self._open(page)
            header = header_of(image, self.format, 1)
            if header.width * header.height > max_pixels:
                size = f"{header.width} × {header.height}"
                raise RefusalError(
                    f"it claims {size} pixels, more than max_pixels ({max_pixels:_}) allows", "unsupported"
                )
            full = max(header.width, header.height)
            side = min(longest_side or full, full)
            if isinstance(image, Image.Image):
                return to_array(from_pillow(self._load_pillow(image, wavelet_levels(full, longest_side))), side)
            self._require_tiles(page)
            shrink = jpeg_shrink(full, longest_side) if self.format == "JPEG" else 1
            return self._vips_pixels(page, side, {"shrink": shrink} if shrink > 1 else {})

    def _vips_pixels(self, page: int, side: int, options: dict[str, Any]) -> np.ndarray:
        """Decodes a page; what the decoder warns of is an error, but for what is known to leave the picture whole.

        A damaged JPEG is grey from the damage on, a tile of a TIFF black, and libvips only warns.
        """
        try:
            return to_array(self._open_vips(page, fail_on="warning", **options), side)
        except pyvips.Error as error:
            if self.format == "JPEG":
                return self._mended_pixels(error, side, options)
            if self._is_not_in_vips(error):
                return to_array(from_pillow(self._load_pillow(self._open_other_tiff(page), 0)), side)
            if self.format != "TIFF" or error.detail.strip():
                raise
        # libtiff warns of odd tags, without words, and then gives no tile at all.
        pixels = to_array(self._open_vips(page), side)
        if words := pyvips.Error("", None).detail.strip():  # what was wrong with tiles, which is no error to libvips
            raise pyvips.Error("unable to read", words)
        return pixels

    def _mended_pixels(self, error: pyvips.Error, side: int, options: dict[str, Any]) -> np.ndarray:
        os.lseek(self._file.fileno(), 0, os.SEEK_SET)
        for data in mended(self._file.read()):
            try:
                image = pyvips.Image.jpegload_buffer(data, access="sequential", fail_on="warning", **options)
                return to_array(image, side)
            except pyvips.Error:
                continue
        raise error

    def _require_tiles(self, page: int) -> None:
        """Raises for a missing tile, which libvips makes black without an error; it reports a missing strip itself.

        See docs/upstream.md, libvips: short tile.
        """
        size = os.fstat(self._file.fileno()).st_size
        end = max((directory.end for directory in self._directories[page : page + 1]), default=0)
        if end > size:
            raise OSError(f"its tiles end at byte {end}, the file at {size}")

    @contextmanager
    def _errors(self) -> Iterator[None]:
        """Turns the errors of a decoder into UnreadableImage with the decoder's own words."""
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # Pillow's, of metadata
                yield
        except RefusalError as refusal:
            raise UnreadableImage(self._path, refusal.reason, refusal.status) from refusal
        except pyvips.Error as error:
            words = _words(error)
            if any("out of memory" in line for line in words):
                raise MemoryError(words[0]) from error
            self._fail(words[0])
        except _OF_A_DECODER as error:
            if "not " in self._not_in_vips:
                raise UnreadableImage(self._path, _OTHER_TIFF.format(self._not_in_vips), "unsupported") from error
            self._fail(str(error) or type(error).__name__)

    def _fail(self, words: str) -> None:
        raise UnreadableImage(self._path, f"the {self.format} data is damaged or cut off: {words}", "corrupt") from None

    def _open(self, page: int) -> pyvips.Image | Image.Image:
        self._sources.clear()
        if page and page >= len(self._directories):
            raise ValueError(f"there is no page {page}")
        if self.format in _PILLOW_LOADERS:
            self._file.seek(0)
            # The plug-in itself, not Image.open: that would try other formats and apply Pillow's own limit of pixels.
            return _PILLOW_LOADERS[self.format](self._file)
        try:
            return self._open_vips(page)
        except pyvips.Error as error:
            if not self._is_not_in_vips(error):
                raise
            return self._open_other_tiff(page)

    def _is_not_in_vips(self, error: pyvips.Error) -> bool:
        """Tells whether a TIFF is of a kind that libvips is built without, such as 8-bit CIELAB or zstd."""
        words = _words(error)[0]
        if self.format == "TIFF" and any(phrase in words for phrase in _NOT_IN_VIPS):
            self._not_in_vips = words
        return bool(self._not_in_vips)

    def _open_other_tiff(self, page: int) -> Image.Image:
        view = PageView(self._file.fileno(), self._directories[page])
        return TiffImagePlugin.TiffImageFile(view)  # type: ignore[arg-type]

    def _open_vips(self, page: int, *, fail_on: str = "error", **options: Any) -> pyvips.Image:
        # "truncated" lets the missing rows of an uncompressed TIFF pass as black; "error" does not.
        loader = partial(getattr(pyvips.Image, _VIPS_LOADERS[self.format]), access="sequential", fail_on=fail_on)
        view = self._view(page)
        if view is None:
            os.lseek(self._file.fileno(), 0, os.SEEK_SET)
            return loader(pyvips.Source.new_from_descriptor(self._file.fileno()), **options)
        source = pyvips.SourceCustom()
        source.on_read(view.read)
        source.on_seek(view.seek)
        self._sources.append(source)
        return loader(source, **options)

    def _view(self, page: int) -> RawIOBase | None:
        """Shows one page of several, or the last before a pointer that leads nowhere; None where the file will do."""
        pages = self._directories[page : page + 1]
        alone = len(self._directories) == 1 and not self._directories[0].next
        return PageView(self._file.fileno(), pages[0]) if pages and not alone else None

    def _load_pillow(self, image: Image.Image, levels: int) -> Image.Image:
        """Returns the image decoded; a JPEG 2000 without its finest wavelet levels, where it has so many."""
        if levels and self.format == "JPEG 2000":
            image.reduce = levels  # type: ignore[assignment, method-assign]
            try:
                image.load()
                return image
            except OSError:
                self._file.seek(0)
                image = _PILLOW_LOADERS[self.format](self._file)
        image.load()
        return image


def _words(error: pyvips.Error) -> Sequence[str]:
    """Returns the lines that a decoder of libvips said, at least one."""
    return [line.strip() for line in str(error.detail).splitlines() if line.strip()] or [error.message]


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
