"""Tells image formats by the endings of names and the first bytes of files, and says why one is not read."""

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
    (b"PK\x03\x04", "a ZIP archive or an Office document"),
    (b"<", "a text in HTML, XML or SVG"),
)
# Formats of pictures that are not read, by their first bytes.
_UNREAD_SIGNATURES = (
    (4, b"ftypcrx", "camera raw"),
    (0, b"\xff\x0a", "JPEG XL"),
    (0, b"\0\0\0\x0cJXL \r\n\x87\n", "JPEG XL"),
    (0, b"8BPS\0\x01", "PSD"),
    (0, b"8BPS\0\x02", "PSD"),
    (0, b"AT&TFORM", "DjVu"),
    (0, b"%PDF", "PDF"),
    (0, b"%!PS", "PostScript"),
    (0, b"\xc5\xd0\xd3\xc6", "PostScript"),
    (0, b"gimp xcf", "GIMP"),
    (0, b"FUJIFILMCCD-RAW", "camera raw"),
    (0, b"II\x1a\0\0\0HEAPCCDR", "camera raw"),
    (0, b"IIRO", "camera raw"),
    (0, b"IIRS", "camera raw"),
    (0, b"MMOR", "camera raw"),
    (0, b"IIU\0", "camera raw"),
    (0, b"FOVb", "camera raw"),
    (0, b"\0MRM", "camera raw"),
    (0, b"IIII", "camera raw"),
    (0, b"II\xbc\x01", "JPEG XR"),
    (0, b"\x97JB2", "JBIG2"),
    (0, b"SIMPLE  =", "FITS"),
    (0, b"\x76\x2f\x31\x01", "OpenEXR"),
    (0, b"BPG\xfb", "BPG"),
    (0, b"FLIF", "FLIF"),
    (0, b"qoif", "QOI"),
    (0, b"msid", "MrSID"),
)
_BRANDS = {  # of files in ISO's container (ISO/IEC 14496-12); the first that is named decides
    **dict.fromkeys((b"avif", b"avis"), "AVIF"),
    **dict.fromkeys((b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"), "HEIC"),
}
_UNREAD_SUFFIXES = {
    **dict.fromkeys((".heic", ".heif", ".hif", ".heics"), "HEIC"),
    **dict.fromkeys((".avif", ".avifs"), "AVIF"),
    **dict.fromkeys((".psd", ".psb"), "PSD"),
    **dict.fromkeys((".djvu", ".djv"), "DjVu"),
    **dict.fromkeys((".ps", ".eps", ".epsf", ".ai"), "PostScript"),
    **dict.fromkeys((".svg", ".svgz"), "SVG"),
    **dict.fromkeys((".pbm", ".pgm", ".ppm", ".pnm", ".pam"), "PNM"),
    **dict.fromkeys((".jxr", ".wdp", ".hdp"), "JPEG XR"),
    **dict.fromkeys((".dcm", ".dicom"), "DICOM"),
    **dict.fromkeys((".fits", ".fts"), "FITS"),
    **dict.fromkeys((".pct", ".pict"), "PICT"),
    **dict.fromkeys((".wmf", ".emf"), "Windows Metafile"),
    **dict.fromkeys((".indd", ".idml"), "InDesign"),
    **dict.fromkeys((".jpm", ".mj2"), "JPEG 2000 compound"),
    **dict.fromkeys((".3fr", ".arw", ".cr2", ".cr3", ".crw", ".dcr", ".dng", ".erf", ".fff", ".iiq"), "camera raw"),
    **dict.fromkeys((".k25", ".kdc", ".mef", ".mos", ".mrw", ".nef", ".nrw", ".orf", ".pef"), "camera raw"),
    **dict.fromkeys((".raf", ".rw2", ".rwl", ".sr2", ".srf", ".srw", ".x3f"), "camera raw"),
    **{".jxl": "JPEG XL", ".pdf": "PDF", ".xcf": "GIMP", ".kra": "Krita", ".pcd": "Photo CD", ".pcx": "PCX"},
    **{".tga": "TGA", ".exr": "OpenEXR", ".ico": "ICO", ".jls": "JPEG-LS", ".sgi": "SGI"},
    **{".sid": "MrSID", ".ecw": "ECW", ".bpg": "BPG", ".flif": "FLIF", ".qoi": "QOI", ".cdr": "CorelDRAW"},
    **{".fpx": "FlashPix", ".ras": "Sun Raster", ".jb2": "JBIG2", ".jbig2": "JBIG2", ".xpm": "XPM", ".dds": "DDS"},
}
_BEFORE_TEXT = b"\xef\xbb\xbf \t\r\n"
RAW = "this is a camera's raw file, which is not developed; develop it to TIFF or JPEG, and bring that in"

_COMPRESSIONS = {  # of TIFF
    1: "none",
    2: "CCITT run lengths",
    3: "CCITT fax group 3",
    4: "CCITT fax group 4",
    5: "LZW",
    6: "old-style JPEG",
    7: "JPEG",
    8: "Deflate",
    9: "JBIG",
    10: "JBIG",
    32766: "NeXT",
    32771: "CCITT run lengths",
    32773: "PackBits",
    32809: "ThunderScan",
    32867: "Kodak KDC",
    32895: "IT8 CT",
    32896: "IT8 line work",
    32897: "IT8 monochrome",
    32898: "IT8 binary line work",
    32908: "Pixar film",
    32909: "Pixar log",
    32946: "Deflate",
    32947: "Kodak DCS",
    33003: "JPEG 2000 (Aperio)",
    33004: "JPEG 2000 (Aperio)",
    33005: "JPEG 2000 (Aperio)",
    33007: "JPEG (Alternate)",
    34661: "JBIG",
    34663: "JBIG2",
    34676: "SGI LogLuv",
    34677: "SGI LogLuv 24",
    34712: "JPEG 2000",
    34713: "Nikon NEF",
    34715: "JBIG2",
    34887: "LERC",
    34892: "lossy JPEG of DNG",
    34925: "LZMA",
    34926: "ZSTD",
    34927: "WebP",
    34933: "PNG",
    34934: "JPEG XR",
    22610: "JPEG XR",
    50000: "ZSTD",
    50001: "WebP",
    50002: "JPEG XL",
    52546: "JPEG XL",
}
_BUILT_IN = frozenset((1, 2, 3, 4, 5, 7, 8, 32771, 32773, 32946))  # by every libtiff


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
    if kind := name_unread(head):
        reason = (
            RAW
            if kind == "camera raw"
            else f"it is of the format {kind}, which is not read; convert it to TIFF or JPEG"
        )
        raise RefusalError(reason, "unsupported")
    for signature, kind in _NO_IMAGES:
        if head.lstrip(_BEFORE_TEXT).startswith(signature):
            raise RefusalError(f"this is {kind}, not an image", "unsupported")
    known = ", ".join(dict.fromkeys(name for _, _, name in _SIGNATURES))
    raise RefusalError(f"the content is of no image format that is read ({known})", "unsupported")


def name_unread(head: bytes, suffix: str = "") -> str:
    """Names the format of pictures that a file is in and that is not read; empty where it is none that is known.

    Args:
        head: the file's first bytes, which count most.
        suffix: of its name, with the dot.
    """
    for start, signature, name in _UNREAD_SIGNATURES:
        if head[start:].lstrip(_BEFORE_TEXT if signature.startswith(b"%") else b"").startswith(signature):
            return name
    brands = head[8:64] if head[4:8] == b"ftyp" else b""
    if brand := next((brand for brand in _BRANDS if brand in brands), None):
        return _BRANDS[brand]
    return _UNREAD_SUFFIXES.get(suffix.lower(), "")


def name_compression(number: int) -> str:
    """Returns the name by which a compression is known, with its number where that is no common one."""
    if number in _BUILT_IN:
        return _COMPRESSIONS[number]
    return f"{_COMPRESSIONS[number]}, {number}" if number in _COMPRESSIONS else f"number {number}"


def unread_tiff(words: str, *, compression: int, bits: int) -> str:
    """Says that a TIFF is of a kind that is not read, and what to do.

    Args:
        words: the decoder's.
        compression: the file's number of it.
        bits: of a sample.
    """
    kind = f"{bits} bits a sample, compression {name_compression(compression)}"
    return (
        f"it is a TIFF of a kind that is not read ({kind}: {words}); save it as grey or RGB with 8 or 16 bits a "
        "sample, without compression or with LZW"
    )
