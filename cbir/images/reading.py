"""Reads images: every format of an archive as 8-bit grey or RGB pixels with the right tones, shrunk while loading.

libvips reads JPEG, PNG, TIFF, WebP and GIF; Pillow reads JPEG 2000, BMP, and TIFFs of kinds that the libvips of
``pyvips-binary`` is built without. The first bytes of a file decide its format, never its name.
"""

import logging
import os
import struct
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property, partial
from io import FileIO
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyvips
from PIL import Image

from cbir.base.errors import UserError
from cbir.images.decoding import all_heard, forget_what_was_said, gives_a_row, jpeg_pixels, mended_pixels, words_of
from cbir.images.formats import RAW, RefusalError, recognise, unread_tiff
from cbir.images.gif import require_every_pixel
from cbir.images.headers import Header, header_of, without_data
from cbir.images.jpeg import has_every_scan
from cbir.images.pillow import FORMATS, PillowImage, open_bmp, open_jpeg_2000, open_tiff
from cbir.images.pixels import ALL_TONES, Tones, jpeg_shrink, stated_tones, to_array, wavelet_levels
from cbir.images.tiff import MOST_PAGES, Directory, PageView, directories, is_alone, is_misread, is_raw, require_tiles

# libvips warns from threads of its own, where handlers of Python have crashed; what is wrong with a file it raises.
logging.getLogger("pyvips").setLevel(logging.CRITICAL + 1)  # Prefect enables a logger that is disabled

MAX_PIXELS = 1_000_000_000  # where the caller sets no limit
DECODERS = f"libvips {pyvips.version(0)}.{pyvips.version(1)}.{pyvips.version(2)}, Pillow {Image.__version__}"

# A cached operation would answer for a file that has changed since.
pyvips.cache_set_max(0)

# libvips has one memory of what decoders say, and Python one of warnings, for all threads.
_ONE_AT_A_TIME = threading.RLock()

_VIPS_LOADERS = {name: f"{name.lower()}load_source" for name in ("JPEG", "PNG", "TIFF", "WebP", "GIF")}
_NOT_BUILT_IN = (
    *("not configured", "not implemented", "not supported", "labq", "not a whole number of bytes", "pixel mode"),
    *("unsupported jpeg", "unsupported tiff", "unsupported bmp", "unsupported feature", "can not handle"),
)
# A damaged file meets code of Pillow that was not written for it.
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
        self._page = 0
        self._not_read = ""  # what a decoder says of a page of a kind that it is built without
        self._file.seek(0)
        with self._errors():
            self.format = recognise(self._file.read(64))

    @cached_property
    def pages(self) -> list[int]:
        """Numbers of the pages that are pictures of their own, from 0.

        The smaller levels of a pyramid, previews and masks in a TIFF are none.

        Raises:
            UnreadableImage: the file is a camera's raw file, or has more pages than are read.
        """
        if len(self._directories) > MOST_PAGES:
            reason = f"it has more than {MOST_PAGES:_} pages; split it into files of fewer"
            raise UnreadableImage(self._path, reason, "unsupported")
        with self._errors():
            self._require_developed()
        return [number for number, page in enumerate(self._directories) if not page.derived] or [0]

    @cached_property
    def _directories(self) -> list[Directory]:
        return directories(self._file.fileno()) if self.format == "TIFF" else []

    @cached_property
    def _is_raw(self) -> bool:
        return self.format == "TIFF" and is_raw(self._file.fileno(), self._directories)

    def _require_developed(self) -> None:
        if self._is_raw:
            raise RefusalError(RAW, "unsupported")

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
            require_tiles(self._file.fileno(), self._directories[page : page + 1])
            if self.format == "GIF":
                require_every_pixel(_all_of(self._file))
            if isinstance(image, PillowImage):
                return to_array(image.load(wavelet_levels(full, longest_side)), side)
            if self.format == "JPEG":
                return jpeg_pixels(_all_of(self._file), side, shrink=jpeg_shrink(full, longest_side))
            return self._vips_pixels(page, side)

    def _vips_pixels(self, page: int, side: int) -> np.ndarray:
        """Decodes a page; what the decoder warns of is an error, but for what is known to leave the picture whole.

        A tile of a damaged TIFF is black or grey from the damage on, and libvips only warns.
        """
        tones = self._tones(page)
        try:
            with all_heard():
                return to_array(self._open_vips(page, fail_on="warning"), side, tones=tones)
        except pyvips.Error as error:
            if self.format == "TIFF" and self._is_not_built_in(words_of(error)[0]):
                if jpeg := self._old_jpeg(page):
                    self._not_read = ""
                    return mended_pixels(jpeg, pyvips.Error("", "its JPEG data ends early"), side, {})
                return to_array(self._open_other_tiff(page).load(), side)
            if self.format != "TIFF" or error.detail.strip():
                raise
        self._require_sound(page)
        with all_heard():
            return to_array(self._open_vips(page), side, tones=tones)

    def _require_sound(self, page: int) -> None:
        """Raises an error for damage of which libtiff warns without words; of odd tags too, but then no row comes."""
        if self._directories[page].in_runs:
            self._open_other_tiff(page).load()
        elif self._directories[page].in_jpeg and gives_a_row(self._open_vips(page, fail_on="warning")):
            raise ValueError("its JPEG data ends early, or has lost its place")

    def _tones(self, page: int) -> Tones:
        """Returns black and white of a page; a TIFF may state 10, 12 or 14 bits in samples of 16, and keep to it."""
        directory = next(iter(self._directories[page : page + 1]), None)
        if directory is None or directory.bits != 16:
            return ALL_TONES
        return stated_tones(self._open_vips(page), directory.most, inverted=directory.white_is_zero)

    @contextmanager
    def _errors(self) -> Iterator[None]:
        """Turns the errors of a decoder into UnreadableImage with the decoder's own words."""
        try:
            with _ONE_AT_A_TIME, warnings.catch_warnings():
                warnings.simplefilter("ignore")  # Pillow's, of metadata
                yield
        except RefusalError as refusal:
            raise UnreadableImage(self._path, refusal.reason, refusal.status) from refusal
        except pyvips.Error as error:
            words = words_of(error)
            if any("out of memory" in line for line in words):
                raise MemoryError(words[0]) from error
            self._fail(words[0])
        except _OF_A_DECODER as error:
            self._fail(str(error) or type(error).__name__)

    def _fail(self, words: str) -> None:
        """Raises UnreadableImage: unsupported where a decoder is built without what the file needs, else corrupt."""
        reason = f"the {self.format} data is damaged or cut off: {words}"
        unread = self._is_not_built_in(words)
        if unread and self._directories:
            page = self._directories[self._page]
            reason = unread_tiff(self._not_read, compression=page.compression, bits=page.bits)
        elif unread:
            reason = f"it is a {self.format} of a kind that is not read ({words}); save it anew with 8 bits a sample"
        raise UnreadableImage(self._path, reason, "unsupported" if unread else "corrupt") from None

    def _open(self, page: int) -> pyvips.Image | PillowImage:
        self._sources.clear()
        self._page, self._not_read = page, ""
        forget_what_was_said()
        self._require_developed()
        if page and page >= len(self._directories):
            raise ValueError(f"there is no page {page}")
        if self.format in FORMATS:
            return open_bmp(self._file) if self.format == "BMP" else open_jpeg_2000(self._file)
        if any(is_misread(directory) for directory in self._directories[page : page + 1]):
            return self._open_other_tiff(page)
        try:
            return self._open_vips(page)
        except pyvips.Error as error:
            if self.format != "TIFF" or not self._is_not_built_in(words_of(error)[0]):
                raise
            jpeg = self._old_jpeg(page)
            return pyvips.Image.jpegload_buffer(jpeg) if jpeg else self._open_other_tiff(page)

    def _old_jpeg(self, page: int) -> bytes:
        """Returns a JPEG of the old style that lies in a TIFF as a whole, and what follows; empty for other pages."""
        directory = self._directories[page]
        data = _all_of(self._file, directory.stream) if directory.stream else b""
        return data if has_every_scan(data) else b""

    def _is_not_built_in(self, words: str) -> bool:
        """Tells whether a decoder is built without what the file needs, such as 8-bit CIELAB or zstd in a TIFF."""
        if any(phrase in words.lower() for phrase in _NOT_BUILT_IN):
            self._not_read = words
        return bool(self._not_read)

    def _open_other_tiff(self, page: int) -> PillowImage:
        directory = self._directories[page]
        opened = open_tiff(PageView(self._file.fileno(), directory), opaque=not directory.transparent)
        if "compression" not in self._not_read.lower():
            self._not_read = ""  # Pillow reads the kind: what fails from here on is this file
        return opened

    def _open_vips(self, page: int, *, fail_on: str = "error", **options: Any) -> pyvips.Image:
        # "truncated" lets the missing rows of an uncompressed TIFF pass as black; "error" does not.
        loader = partial(getattr(pyvips.Image, _VIPS_LOADERS[self.format]), access="sequential", fail_on=fail_on)
        image = loader(self._source(page), **options)
        directory = self._directories[page] if self._directories else None
        return image if directory is None or directory.transparent else without_data(image)

    def _source(self, page: int) -> pyvips.Source:
        if is_alone(self._directories):
            os.lseek(self._file.fileno(), 0, os.SEEK_SET)
            return pyvips.Source.new_from_descriptor(self._file.fileno())
        view = PageView(self._file.fileno(), self._directories[page])
        source = pyvips.SourceCustom()
        source.on_read(view.read)
        source.on_seek(view.seek)
        self._sources.append(source)
        return source


def _all_of(file: FileIO, start: int = 0) -> bytes:
    file.seek(start)
    return file.read()


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
