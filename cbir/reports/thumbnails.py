"""Makes small pictures for reports, reduced images that are shrunk once more, and writes them beside a page."""

import io
import struct
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, TypeVar

import cv2
import numpy as np
import PIL
from annotated_types import Ge
from PIL import Image

from cbir.base.display import Progress, silent
from cbir.base.errors import UserError
from cbir.images.reduced import ReducedImages
from cbir.store import Store

VERSION = 1  # raise it with any change of the code that decides a thumbnail

Given = TypeVar("Given")
Made = TypeVar("Made")
ThumbnailSide = Annotated[int, Ge(32)]  # px

PAGE_SIDE = 512  # px, longest side of a picture for a page, which shows it enlarged too; 26 kB of an old photograph
_WEBP_QUALITY = 65
_JPEG_QUALITY = 80
_AHEAD = 64  # pictures that are made while the others wait
_HEADER = struct.Struct("<III")  # bytes for the page, width and height for the sheet


def require_side(side: int, *, longest_side: int) -> None:
    """Raises UserError for thumbnails that would be larger than the images that they are made of, both in px."""
    if side > longest_side:
        raise UserError(f"group.thumbnail_side must be at most images.longest_side ({longest_side}), is {side}")


@dataclass(frozen=True)
class Thumbnail:
    """A picture in the two forms that reports hold.

    Attributes:
        page: WebP, for a file beside a web page, which shows it enlarged too.
        sheet: JPEG, for a spreadsheet.
        width, height: of ``sheet``, px.
    """

    page: bytes
    sheet: bytes
    width: int
    height: int


def address(image_id: str) -> str:
    """Returns the name of an image's file in the folder of :func:`write_thumbnails`."""
    return f"{image_id}.webp"


def write_thumbnails(folder: Path, thumbnails: Mapping[str, Thumbnail]) -> None:
    """Writes pictures for pages into a folder that is there; those that lie in it, from earlier pages, stay.

    Args:
        thumbnails: by image_id, the content of the image and so of its file.
    """
    for image_id, picture in thumbnails.items():
        file = folder / address(image_id)
        if not file.exists():
            half = file.with_suffix(".tmp")
            half.write_bytes(picture.page)
            half.replace(file)


def shrink(image: np.ndarray, side: int) -> np.ndarray:
    """Returns a uint8 image (H, W) or (H, W, 3) whose longest side is at most ``side`` px, proportions kept."""
    height, width = image.shape[:2]
    scale = side / max(height, width)
    if scale >= 1:
        return image
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA)


def thumbnail(image: np.ndarray, *, page_side: int, sheet_side: int) -> Thumbnail:
    """Returns the thumbnail of a uint8 image (H, W) or (H, W, 3) RGB."""
    on_page, on_sheet = shrink(image, page_side), shrink(image, sheet_side)
    return Thumbnail(
        page=as_webp(on_page),
        sheet=_encode(on_sheet, "JPEG", quality=_JPEG_QUALITY),
        width=on_sheet.shape[1],
        height=on_sheet.shape[0],
    )


def read_thumbnails(
    images: ReducedImages,
    wanted: Iterable[tuple[str, str, int]],
    *,
    sheet_side: int,
    page_side: int = PAGE_SIDE,
    store: Store | None = None,
    progress: Progress = silent,
) -> dict[str, Thumbnail]:
    """Returns the thumbnails of images, by image_id.

    Args:
        wanted: image_id, path and page of each.
        store: where thumbnails are kept, so that only those of new images are made.

    Raises:
        UnreadableImage: an image is neither in the store nor, unchanged, in the archive.
    """

    def make(image: tuple[str, str, int]) -> Thumbnail:
        return thumbnail(images.read(*image), page_side=page_side, sheet_side=sheet_side)

    asked = list(wanted)
    keys = {image[0]: f"{images.key(image[0])}/{recipe(page_side, sheet_side)}" for image in asked}
    stored = store.get_many(list(keys.values())) if store else {}
    kept = {image_id: _unpack(stored[key]) for image_id, key in keys.items() if key in stored}
    todo = [image for image in asked if image[0] not in kept]
    made = progress(in_threads(make, todo), total=len(todo), desc="thumbnails", unit="image")
    new = {image_id: picture for (image_id, _, _), picture in zip(todo, made, strict=True)}
    if store and new:
        store.put_many((keys[image_id], _pack(picture)) for image_id, picture in new.items())
    return kept | new


def recipe(*sides: int) -> str:
    """Returns all that decides thumbnails of given pixels, for the key of a store."""
    return "/".join(map(str, (*sides, VERSION, PIL.__version__, cv2.__version__)))


def _pack(picture: Thumbnail) -> bytes:
    return _HEADER.pack(len(picture.page), picture.width, picture.height) + picture.page + picture.sheet


def _unpack(value: bytes) -> Thumbnail:
    size, width, height = _HEADER.unpack_from(value)
    start = _HEADER.size + size
    return Thumbnail(value[_HEADER.size : start], value[start:], width, height)


def in_threads(make: Callable[[Given], Made], todo: Sequence[Given]) -> Iterator[Made]:
    """Yields what is made of each, in order; decoders and encoders let other threads run.

    A few images at a time are under way, so that progress is seen and memory is bounded.
    """
    with ThreadPoolExecutor() as pool:
        for start in range(0, len(todo), _AHEAD):
            yield from pool.map(make, todo[start : start + _AHEAD])


def as_webp(image: np.ndarray, *, effort: int = 2) -> bytes:
    """Compresses a uint8 image (H, W), (H, W, 3) or, with transparency, (H, W, 4) for a web page.

    Args:
        effort: 0 to 6; more takes longer, for smaller files.
    """
    return _encode(image, "WEBP", quality=_WEBP_QUALITY, method=effort)


def _encode(image: np.ndarray, form: str, **options: int) -> bytes:
    file = io.BytesIO()
    Image.fromarray(image).save(file, form, **options)
    return file.getvalue()
