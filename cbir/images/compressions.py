"""Names the compressions of TIFF, and words why a kind of TIFF is not read."""

_NAMES = {
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


def name_compression(number: int) -> str:
    """Returns the name by which a compression is known, with its number where that is no common one."""
    if number in _BUILT_IN:
        return _NAMES[number]
    return f"{_NAMES[number]}, {number}" if number in _NAMES else f"number {number}"


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
