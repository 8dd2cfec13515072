"""Writes files as archives hold them: pictures in many formats, and files that are broken, empty or not what
they say.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from PIL import Image

_ORIENTATION: Final = 0x0112  # EXIF


@dataclass(frozen=True)
class Format:
    """A way to write a picture; extensions are spelled as scanners, cameras and people do."""

    extension: str
    write: Callable[[Image.Image, Path], None]


def _jpeg(image: Image.Image, path: Path) -> None:
    image.save(path, "JPEG", quality=85)


def _jpeg_coarse(image: Image.Image, path: Path) -> None:
    image.save(path, "JPEG", quality=45)


def _jpeg_turned(image: Image.Image, path: Path) -> None:
    """Stores the picture on its side; the EXIF orientation sets it upright."""
    exif = Image.Exif()
    exif[_ORIENTATION] = 6
    image.rotate(90, expand=True).save(path, "JPEG", quality=85, exif=exif)


def _jpeg_cmyk(image: Image.Image, path: Path) -> None:
    image.convert("RGB").convert("CMYK").save(path, "JPEG", quality=88)


def _png(image: Image.Image, path: Path) -> None:
    image.save(path, "PNG", compress_level=3)


def _tiff(image: Image.Image, path: Path) -> None:
    image.save(path, "TIFF", compression="tiff_lzw")


def _tiff_plain(image: Image.Image, path: Path) -> None:
    image.save(path, "TIFF")


def _tiff_16(image: Image.Image, path: Path) -> None:
    grey = np.asarray(image.convert("L"), dtype=np.uint16) * np.uint16(257)
    Image.fromarray(grey).save(path, "TIFF")


def _tiff_cmyk(image: Image.Image, path: Path) -> None:
    image.convert("RGB").convert("CMYK").save(path, "TIFF", compression="tiff_lzw")


def _tiff_bilevel(image: Image.Image, path: Path) -> None:
    image.convert("L").convert("1").save(path, "TIFF", compression="group4")


def _tiff_pages(image: Image.Image, path: Path) -> None:
    """Stores the picture, and a smaller second scan of it."""
    second = image.convert("L").resize((image.width * 3 // 4, image.height * 3 // 4), Image.Resampling.BICUBIC)
    image.convert("L").save(path, "TIFF", compression="tiff_lzw", save_all=True, append_images=[second])


def _jpeg_2000(image: Image.Image, path: Path) -> None:
    image.save(path, "JPEG2000", quality_mode="rates", quality_layers=[6])


def _webp(image: Image.Image, path: Path) -> None:
    image.convert("RGB").save(path, "WEBP", quality=80, method=2)


def _bmp(image: Image.Image, path: Path) -> None:
    image.save(path, "BMP")


def _gif(image: Image.Image, path: Path) -> None:
    image.convert("L").save(path, "GIF")


FORMATS: Final[dict[str, Format]] = {
    "jpeg": Format(".jpg", _jpeg),
    "jpeg upper": Format(".JPG", _jpeg_coarse),
    "jpeg long": Format(".jpeg", _jpeg),
    "jpeg turned": Format(".Jpg", _jpeg_turned),
    "jpeg cmyk": Format(".jpg", _jpeg_cmyk),
    "png": Format(".png", _png),
    "png upper": Format(".PNG", _png),
    "tiff": Format(".tif", _tiff),
    "tiff plain": Format(".TIFF", _tiff_plain),
    "tiff 16": Format(".tif", _tiff_16),
    "tiff cmyk": Format(".tif", _tiff_cmyk),
    "tiff bilevel": Format(".tiff", _tiff_bilevel),
    "tiff pages": Format(".Tif", _tiff_pages),
    "jpeg 2000": Format(".jp2", _jpeg_2000),
    "webp": Format(".webp", _webp),
    "bmp": Format(".bmp", _bmp),
    "gif": Format(".gif", _gif),
    "png named jpg": Format(".jpg", _png),
    "jpeg named tif": Format(".TIF", _jpeg),
}


def write_faulty(folder: Path, picture: Image.Image) -> dict[str, str]:
    """Writes files that are no images or none worth keeping.

    Returns:
        File name to what is wrong: corrupt, too_small, blank or unsupported.
    """
    folder.mkdir(parents=True, exist_ok=True)
    grey = picture.convert("L")
    _jpeg(grey, folder / "tronqué.jpg")
    _tiff_plain(grey, folder / "tronqué (2).tif")
    for name in ("tronqué.jpg", "tronqué (2).tif"):
        data = (folder / name).read_bytes()
        (folder / name).write_bytes(data[: len(data) * 2 // 5])
    noise = np.random.default_rng(0).integers(0, 256, 6000, dtype=np.uint8).tobytes()
    (folder / "illisible.jpg").write_bytes(b"\xff\xd8\xff\xe0\x00\x10JFIF\x00" + noise)
    (folder / "illisible.png").write_bytes(b"\x89PNG\r\n\x1a\n" + noise)
    (folder / "vide.jpg").write_bytes(b"")
    (folder / "VIDE.TIF").write_bytes(b"")
    _png(grey.resize((24, 18)), folder / "icône.png")
    _gif(grey.resize((1, 1)), folder / "spacer.gif")
    _jpeg(Image.new("L", (600, 800), 251), folder / "verso blanc.jpg")
    _tiff(Image.new("L", (500, 400), 3), folder / "cache noir.tif")
    (folder / "légende.jpg").write_text("Cliché perdu : voir le registre de 1921.\n", encoding="utf-8")
    (folder / "inventaire.txt").write_text("04213 ; vue du port ; 13 × 18\n", encoding="utf-8")
    (folder / "Thumbs.db").write_bytes(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + noise[:500])
    return {
        "tronqué.jpg": "corrupt",
        "tronqué (2).tif": "corrupt",
        "illisible.jpg": "corrupt",
        "illisible.png": "corrupt",
        "vide.jpg": "corrupt",
        "VIDE.TIF": "corrupt",
        "icône.png": "too_small",
        "spacer.gif": "too_small",
        "verso blanc.jpg": "blank",
        "cache noir.tif": "blank",
        "légende.jpg": "unsupported",
        "inventaire.txt": "unsupported",
        "Thumbs.db": "unsupported",
    }
