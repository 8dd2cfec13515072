"""cbir.images.reading: what is damaged, hostile or no image is refused in one sentence."""

import io
import os
import struct
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from cbir.images.reading import UnreadableImage, describe, read_image
from tests.support.scenes import GREY, SCENE, near, save

TRUNCATED = [
    ("a.jpg", {}),
    ("a.jpg", {"progressive": True}),
    ("a.png", {}),
    ("a.tif", {}),
    ("a.tif", {"compression": "tiff_lzw"}),
    ("a.tif", {"compression": "jpeg"}),
    ("a.webp", {}),
    ("a.gif", {}),
    ("a.bmp", {}),
    ("a.jp2", {}),
]


@pytest.mark.parametrize("part", [0.3, 0.9])
@pytest.mark.parametrize("side", [None, 20])
@pytest.mark.parametrize(("name", "options"), TRUNCATED)
def test_a_file_that_is_cut_off_is_corrupt(
    tmp_path: Path, name: str, options: dict[str, object], part: float, side: int | None
) -> None:
    noise = np.random.default_rng(0).integers(0, 255, SCENE.shape, dtype=np.uint8)
    path = save(tmp_path / name, noise, **options)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * part)])
    with pytest.raises(UnreadableImage, match="damaged or cut off") as caught:
        read_image(path, longest_side=side)
    assert caught.value.status == "corrupt"
    assert str(tmp_path) not in caught.value.reason


@pytest.mark.parametrize("tile", [None, (64, 64)])
def test_an_uncompressed_tiff_whose_header_comes_first_is_corrupt_when_cut_off(
    tmp_path: Path, tile: tuple[int, int] | None
) -> None:
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, SCENE, photometric="rgb", tile=tile)
    assert near(read_image(path, longest_side=100), read_image(path)[1::4, 1::4], within=5)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) * 8 // 10])
    with pytest.raises(UnreadableImage, match="cut off"):
        read_image(path, longest_side=100)


@pytest.mark.parametrize("side", [None, 60])
@pytest.mark.parametrize("odd", [False, True])
@pytest.mark.parametrize("compression", ["zlib", "lzw"])
def test_a_compressed_tile_that_is_damaged_is_corrupt_and_an_odd_tag_is_not(
    tmp_path: Path, compression: str, odd: bool, side: int | None
) -> None:
    path = tmp_path / "a.tif"
    noise = np.random.default_rng(0).integers(0, 255, (256, 256), dtype=np.uint8)
    options = {"description": "twice", "extratags": [(37724, 7, 4, b"abcd", True)]} if odd else {}
    saved = "zlib" if compression == "zlib" else None
    tifffile.imwrite(path, noise, tile=(64, 64), compression=saved, **options)
    if compression == "lzw":
        Image.fromarray(noise).save(path, compression="tiff_lzw", tiffinfo={37724: b"abcd"} if odd else {})
    read_image(path, longest_side=side)
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 300] = b"\xff" * 300
    path.write_bytes(data)
    with pytest.raises(UnreadableImage, match="the TIFF data is damaged") as caught:
        read_image(path, longest_side=side)
    assert caught.value.status == "corrupt"


@pytest.mark.parametrize("side", [None, 60])
@pytest.mark.parametrize("compression", ["jpeg", "packbits"])
def test_a_tile_or_strip_whose_data_ends_early_is_corrupt(tmp_path: Path, compression: str, side: int | None) -> None:
    path = tmp_path / "a.tif"
    save(path, SCENE, compression=compression)
    read_image(path, longest_side=side)
    with Image.open(path) as image:
        starts, sizes = (image.tag_v2[tag] for tag in (273, 279))
    data = bytearray(path.read_bytes())
    last = slice(starts[-1] + sizes[-1] // 2, starts[-1] + sizes[-1])
    data[last] = bytes([0x80 if compression == "packbits" else 0xFF]) * (last.stop - last.start)  # nothing follows
    path.write_bytes(data)
    with pytest.raises(UnreadableImage, match="the TIFF data is damaged") as caught:
        read_image(path, longest_side=side)
    assert caught.value.status == "corrupt"


def test_a_gif_with_a_hole_is_corrupt(tmp_path: Path) -> None:
    path = save(tmp_path / "a.gif", GREY)
    data = bytearray(path.read_bytes())
    half = len(data) // 2
    data[half : half + 300] = bytes(300)
    path.write_bytes(data)
    with pytest.raises(UnreadableImage, match="damaged"):
        read_image(path)


@pytest.mark.parametrize(
    ("content", "status", "reason"),
    [
        (b"", "corrupt", "the file is empty"),
        (b"Dear archive, " * 50, "unsupported", "no image format"),
        (b"%PDF-1.4 " * 50, "unsupported", "it is of the format PDF, which is not read; convert it to TIFF or JPEG"),
        (b"PK\x03\x04" + bytes(100), "unsupported", "a ZIP archive or an Office document"),
        (b'\xef\xbb\xbf<?xml version="1.0"?><svg/>', "unsupported", "a text in HTML, XML or SVG"),
        (b"\xff\xd8\xff", "corrupt", "the JPEG data is damaged"),
        (b"\x89PNG\r\n\x1a\n", "corrupt", "the PNG data is damaged"),
        (b"II*\0", "corrupt", "the TIFF data is damaged"),
        (b"BM", "corrupt", "the BMP data is damaged"),
        (b"\xff\x4f\xff\x51" + bytes(100), "corrupt", "the JPEG 2000 data is damaged"),
        (b"RIFF\x10\0\0\0WEBP" + bytes(100), "corrupt", "the WebP data is damaged"),
        (b"GIF89a" + bytes(100), "corrupt", "the GIF data is damaged"),
    ],
)
def test_what_is_no_image_is_told_apart_from_what_is_damaged(
    tmp_path: Path, content: bytes, status: str, reason: str
) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(content)
    for read in (describe, read_image):
        with pytest.raises(UnreadableImage) as caught:
            read(path)
        assert reason in caught.value.reason
        assert caught.value.status == status


def test_a_tiff_of_a_compression_that_is_not_built_in_is_unsupported_with_its_name(tmp_path: Path) -> None:
    for number, name in ((50000, "ZSTD"), (34925, "LZMA"), (34887, "LERC"), (6, "ld-style JPEG"), (34712, "34712")):
        path = tmp_path / f"{number}.tif"
        tifffile.imwrite(path, GREY, compression="zlib")
        with tifffile.TiffFile(path) as tiff:
            at = tiff.pages[0].tags[259].offset + 8
        data = bytearray(path.read_bytes())
        data[at : at + 2] = struct.pack("<H", number)
        path.write_bytes(data)
        with pytest.raises(UnreadableImage, match=f"{name}.*save it as grey or RGB") as caught:
            read_image(path)
        assert caught.value.status == "unsupported"


@pytest.mark.parametrize("kind", [np.float32, np.int16, np.uint32])
def test_samples_without_a_defined_black_and_white_are_refused(tmp_path: Path, kind: type) -> None:
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, GREY.astype(kind))
    with pytest.raises(UnreadableImage, match="save it with 8 or 16 bits a sample") as caught:
        read_image(path)
    assert caught.value.status == "unsupported"


def test_more_channels_than_a_picture_has_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, np.zeros((40, 40, 7), np.uint8), photometric="minisblack", planarconfig="contig")
    with pytest.raises(UnreadableImage, match="7 channels"):
        read_image(path)


def bomb(side: int) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


def test_a_decompression_bomb_is_refused_by_its_header(tmp_path: Path) -> None:
    path = tmp_path / "bomb.png"
    path.write_bytes(bomb(60_000))
    assert describe(path).width == 60_000
    with pytest.raises(
        UnreadableImage, match=r"60000 × 60000 pixels, more than max_pixels \(1_000_000_000\)"
    ) as caught:
        read_image(path, longest_side=100)
    assert caught.value.status == "unsupported"


@pytest.mark.parametrize("name", ["a.jpg", "a.jp2", "a.bmp"])
def test_the_limit_of_pixels_holds_for_every_decoder(tmp_path: Path, name: str) -> None:
    path = save(tmp_path / name, SCENE)
    assert read_image(path, max_pixels=400 * 300).shape == SCENE.shape
    with pytest.raises(UnreadableImage, match="max_pixels"):
        read_image(path, max_pixels=400 * 300 - 1)


def test_a_file_that_cannot_be_opened_is_told_by_its_name(tmp_path: Path) -> None:
    with pytest.raises(UnreadableImage, match=r"gone\.jpg: the file cannot be opened: No such file"):
        read_image(tmp_path / "gone.jpg")


def test_a_file_that_changes_is_read_anew(tmp_path: Path) -> None:
    path = save(tmp_path / "a.png", GREY)
    assert near(read_image(path), GREY, within=0.1)
    stamp = path.stat().st_mtime_ns
    path.write_bytes(save(tmp_path / "b.png", GREY[::-1]).read_bytes())
    os.utime(path, ns=(stamp, stamp))
    assert near(read_image(path), GREY[::-1], within=0.1)


def test_bytes_that_were_flipped_never_do_more_than_raise_unreadable_image(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for name in ("a.jpg", "a.png", "a.tif", "a.webp", "a.gif", "a.bmp", "a.jp2"):
        buffer = io.BytesIO()
        Image.fromarray(SCENE[:60, :80]).save(
            buffer, {"jpg": "JPEG", "tif": "TIFF", "jp2": "JPEG2000"}.get(name[2:], name[2:])
        )
        for _ in range(40):
            damaged = np.frombuffer(buffer.getvalue(), np.uint8).copy()
            damaged[rng.integers(0, min(400, len(damaged)), 3)] = rng.integers(0, 255, 3)
            path = tmp_path / name
            path.write_bytes(damaged.tobytes())
            try:
                pixels = read_image(path, longest_side=50, max_pixels=1_000_000)
            except UnreadableImage as error:
                assert error.status in ("corrupt", "unsupported")
            else:
                assert pixels.dtype == np.uint8


def test_threads_that_read_at_once_hear_nothing_of_each_others_files(tmp_path: Path) -> None:
    sound = save(tmp_path / "sound.png", SCENE)
    cut = tmp_path / "cut.png"
    cut.write_bytes(sound.read_bytes()[:-2000])
    pixels, reason = read_image(sound).tobytes(), describe_damage(cut)

    def read(number: int) -> object:
        return describe_damage(cut) if number % 2 else read_image(sound).tobytes()

    with ThreadPoolExecutor(4) as pool:
        assert set(pool.map(read, range(120))) == {pixels, reason}


def describe_damage(path: Path) -> str:
    with pytest.raises(UnreadableImage) as error:
        read_image(path)
    return str(error.value)
