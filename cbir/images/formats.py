"""Image formats by the endings of names and by the first bytes of files."""

from typing import Literal

IMAGE_SUFFIXES = frozenset(
    (".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".tif", ".tiff", ".webp", ".gif", ".bmp", ".dib")
) | {*(".jp2", ".j2k", ".jpx", ".jpf", ".j2c")}

_SIGNATURES = (
    (0, b"\xff\xd8\xff", "JPEG"),
    (0, b"\x89PNG\r\n\x1a\n", "PNG"),
    (0, b"II*\0", "TIFF"),
    (0, b"MM\0*", "TIFF"),
    (0, b"II+\0", "TIFF"),
    (0, b"MM\0+", "TIFF"),
    (0, b"GIF87a", "GIF"),
    (0, b"GIF89a", "GIF"),
    (8, b"WEBP", "WebP"),
    (0, b"\0\0\0\x0cjP  \r\n\x87\n", "JPEG 2000"),
    (0, b"\xff\x4f\xff\x51", "JPEG 2000"),
    (0, b"BM", "BMP"),
)
_NO_IMAGES = (
    (b"%PDF", "a PDF document"),
    (b"PK\x03\x04", "a ZIP archive or an Office document"),
    (b"<", "a text in HTML, XML or SVG"),
)


class RefusalError(Exception):
    """Says why bytes give no image; ``status`` is as in the manifest."""

    def __init__(self, reason: str, status: Literal["corrupt", "unsupported"]) -> None:
        super().__init__(reason)
        self.reason, self.status = reason, status


def recognise(head: bytes) -> str:
    """Names the image format that a file's first 64 bytes tell of.

    Raises:
        RefusalError: they tell of none that is read.
    """
    if not head:
        raise RefusalError("the file is empty", "corrupt")
    for start, signature, name in _SIGNATURES:
        if head[start : start + len(signature)] == signature:
            return name
    for signature, kind in _NO_IMAGES:
        if head.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(signature):
            raise RefusalError(f"this is {kind}, not an image", "unsupported")
    known = ", ".join(dict.fromkeys(name for _, _, name in _SIGNATURES))
    raise RefusalError(f"the content is of no image format that is read ({known})", "unsupported")
