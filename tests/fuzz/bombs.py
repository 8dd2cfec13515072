"""Files that claim much and hold little: each must cost one sentence, in time and memory that a file may take."""

import io
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator

import numpy as np
import openpyxl
import tifffile

from tests.fuzz.image_seeds import GREY, seed
from tests.fuzz.verdicts import Case

_SIDE = 64  # px
_TILE = np.random.default_rng(1).integers(0, 255, (_SIDE, _SIDE), dtype=np.uint8)
_MAIN = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'


def images() -> Iterator[Case]:
    """Yields bombs for decoders of images."""
    for name, make in _IMAGES.items():
        yield Case(name, make())


def tables() -> Iterator[tuple[str, bytes]]:
    """Yields name and data of bombs for readers of tables."""
    for name, make in _TABLES.items():
        yield name, make()


def _zeros(size: int) -> bytes:
    packer = zlib.compressobj(9)
    block = bytes(1 << 20)
    return b"".join(packer.compress(block) for _ in range(size >> 20)) + packer.flush()


def _png(width: int, height: int, *, bits: int = 8, colours: int = 0, interlace: int = 0, megabytes: int = 1) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, bits, colours, 0, 0, interlace)
    data = chunk(b"IDAT", _zeros(megabytes << 20))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + data + chunk(b"IEND", b"")


def _directory(next_page: int, **changed: int) -> bytes:
    """A TIFF's directory of one strip at byte 8; changed: values by tag, as in ``t256=31000``."""
    size = _TILE.size
    tags = {256: _SIDE, 257: _SIDE, 258: 8, 259: 1, 262: 1, 273: 8, 277: 1, 278: _SIDE, 279: size}
    tags |= {int(tag[1:]): value for tag, value in changed.items()}
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in sorted(tags.items()))
    return struct.pack("<H", len(tags)) + entries + struct.pack("<I", next_page)


def _tiff(next_page: int = 0, **changed: int) -> bytes:
    pixels = _TILE.tobytes()
    return b"II*\0" + struct.pack("<I", 8 + len(pixels)) + pixels + _directory(next_page, **changed)


def _circle() -> bytes:
    pixels = _TILE.tobytes()
    first, second = 8 + len(pixels), 8 + len(pixels) + len(_directory(0))
    return b"II*\0" + struct.pack("<I", first) + pixels + _directory(second) + _directory(first)


def _many_pages(count: int) -> bytes:
    buffer = io.BytesIO()
    with tifffile.TiffWriter(buffer) as tiff:
        for number in range(count):
            tiff.write(np.roll(_TILE, number, 1), contiguous=False, metadata=None)
    return buffer.getvalue()


def _jpeg(height: int, width: int) -> bytes:
    data = bytearray(seed("progressive.jpg"))
    at = data.find(b"\xff\xc2")
    data[at + 5 : at + 9] = struct.pack(">HH", height, width)
    return bytes(data)


def _many_scans() -> bytes:
    data = _jpeg(4000, 4000)
    return data[:-2] + data[data.rfind(b"\xff\xda") : -2] * 500 + b"\xff\xd9"


def _bmp(width: int, height: int, *, bits: int = 24, compression: int = 0, colours: int = 0) -> bytes:
    head = struct.pack("<IiiHHIIiiII", 40, width, height, 1, bits, compression, 0, 2835, 2835, colours, 0)
    return b"BM" + struct.pack("<IHHI", 54 + _TILE.size, 0, 0, 54) + head + _TILE.tobytes()


def _stream(width: int, height: int, tile: int) -> bytes:
    data = bytearray(seed("stream.j2k"))
    at = data.find(b"\xff\x51") + 6
    data[at : at + 8] = struct.pack(">II", width, height)
    data[at + 16 : at + 24] = struct.pack(">II", tile, tile)
    return bytes(data)


def _gif(frames: int, side: int) -> bytes:
    frame = (
        b"\x2c\0\0\0\0\x0a\0\x0a\0\0\x02\x16\x8c-\x99\x87*\x1c\xdc3\xa0\x02u\xec\x95\xfa\xa8\xde`\x8c\x04\x91L\x01\0"
    )
    palette = bytes([255, 255, 255, 255, 0, 0, 0, 0, 255, 0, 0, 0])
    return b"GIF89a" + struct.pack("<HH", side, side) + b"\x91\0\0" + palette + frame * frames + b";"


_IMAGES: dict[str, Callable[[], bytes]] = {
    "claims_100000.png": lambda: _png(100_000, 100_000),
    "claims_all.png": lambda: _png(2**31 - 1, 2**31 - 1),
    "claims_deep.png": lambda: _png(9_900, 9_900, bits=16, colours=6, interlace=1),
    "row.png": lambda: _png(31_000_000, 3),
    "no_width.png": lambda: _png(0, 400),
    "far_too_long.png": lambda: _png(64, 64, megabytes=200),
    "to_itself.tif": lambda: _tiff(8 + _TILE.size),
    "circle.tif": _circle,
    "to_nowhere.tif": lambda: _tiff(0xFFFFFFF0),
    "no_width.tif": lambda: _tiff(t256=0),
    "claims_31000.tif": lambda: _tiff(t256=31_000, t257=31_000),
    "claims_all.tif": lambda: _tiff(t256=0x7FFFFFFF, t257=0x7FFFFFFF),
    "row_a_strip.tif": lambda: _tiff(t257=31_000_000, t278=1),
    "samples.tif": lambda: _tiff(t277=65_535),
    "bits.tif": lambda: _tiff(t258=65_535),
    "strip_of_4_gb.tif": lambda: _tiff(t279=0xFFFFFFFF),
    "pages.tif": lambda: _many_pages(500),
    "claims_65500.jpg": lambda: _jpeg(65_500, 65_500),
    "claims_9000.jpg": lambda: _jpeg(9_000, 9_000),
    "scans.jpg": _many_scans,
    "no_height.jpg": lambda: _jpeg(0, 64),
    "int_min.bmp": lambda: _bmp(64, -(2**31)),
    "negative.bmp": lambda: _bmp(-64, 64),
    "claims_60000.bmp": lambda: _bmp(60_000, 60_000),
    "runs.bmp": lambda: _bmp(9_000, 9_000, bits=8, compression=1, colours=256),
    "colours.bmp": lambda: _bmp(64, 64, bits=8, colours=2**32 - 1),
    "claims_all.j2k": lambda: _stream(2**32 - 1, 2**32 - 1, 2**32 - 1),
    "tiles_of_1.j2k": lambda: _stream(9_000, 9_000, 1),
    "frames.gif": lambda: _gif(20_000, 10),
    "claims_65535.gif": lambda: _gif(1, 65_535),
    "empty.jpg": bytes,
    "zeros.tif": lambda: bytes(10_000),
}


def _workbook(rows: str, before: str = "") -> bytes:
    book, whole, buffer = openpyxl.Workbook(), io.BytesIO(), io.BytesIO()
    book.save(whole)
    sheet = f'<?xml version="1.0"?>{before}<worksheet {_MAIN}><sheetData>{rows}</sheetData></worksheet>'
    with zipfile.ZipFile(whole) as source, zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as target:
        for entry in source.infolist():
            is_sheet = entry.filename == "xl/worksheets/sheet1.xml"
            target.writestr(entry.filename, sheet.encode() if is_sheet else source.read(entry))
    return buffer.getvalue()


def _cell(place: str, text: str) -> str:
    return f'<c r="{place}" t="inlineStr"><is><t>{text}</t></is></c>'


def _row(number: int, *texts: str) -> str:
    cells = "".join(_cell(f"{letter}{number}", text) for letter, text in zip("ABCDEFGH", texts, strict=False))
    return f'<row r="{number}">{cells}</row>'


def _laughs() -> bytes:
    entities = "".join(f'<!ENTITY {chr(98 + n)} "{f"&{chr(97 + n)};" * 10}">' for n in range(9))
    return _workbook(_row(1, "&j;"), f'<!DOCTYPE x [<!ENTITY a "lol">{entities}]>')


_TABLES: dict[str, Callable[[], bytes]] = {
    "last_row.xlsx": lambda: _workbook(_row(1, "a.jpg", "b.jpg") + _row(1_048_576, "c.jpg")),
    "row_2e9.xlsx": lambda: _workbook(_row(1, "a.jpg", "b.jpg") + _row(2_000_000_000, "c.jpg")),
    "column_zzz.xlsx": lambda: _workbook(f'<row r="1">{_cell("ZZZ1", "a.jpg")}</row>'),
    "wide.xlsx": lambda: _workbook("".join(f'<row><c r="XFD{n}"><v>1</v></c></row>' for n in range(1, 20_001))),
    "formatted.xlsx": lambda: _workbook(
        _row(1, "a.jpg", "b.jpg") + "".join(f'<row r="{n}"><c r="A{n}" s="0"/></row>' for n in range(2, 300_000))
    ),
    "rows.xlsx": lambda: _workbook("<row/>" * 2_000_000),
    "spaces.xlsx": lambda: _workbook(" " * 100_000_000),
    "laughs.xlsx": _laughs,
    "file.xlsx": lambda: _workbook(_row(1, "&x;"), '<!DOCTYPE x [<!ENTITY x SYSTEM "file:///etc/passwd">]>'),
    "deep.xlsx": lambda: _workbook("<a>" * 100_000 + "</a>" * 100_000),
    "separators.xlsx": lambda: _workbook(_row(1, "a" + "_" * 30_000 + "b", "b.jpg")),
    "accents.xlsx": lambda: _workbook(_row(1, "a" + "&#x301;&#x323;" * 15_000, "b.jpg")),
    "digits.xlsx": lambda: _workbook(f'<row r="1"><c r="A1"><v>{"9" * 5_000}</v></c></row>'),
    "field.csv": lambda: b"a.jpg,b.jpg\n" + b"q" * 131_073 + b",c.jpg\n",
    "cell.csv": lambda: b'"' + b"p" * 10_000_000 + b'",b.jpg\n',
    "commas.csv": lambda: b"a.jpg,b.jpg\n" + b"," * 20_000_000,
    "lines.csv": lambda: b"\n" * 20_000_000 + b"a.jpg,b.jpg\n",
    "open_quote.csv": lambda: b'"' + b"a.jpg,b.jpg\n" * 20_000,
    "zeros.csv": lambda: bytes(5_000),
    "one_line.csv": lambda: b"a.jpg," * 300_000,
    "noise.csv": lambda: GREY.tobytes(),
}
