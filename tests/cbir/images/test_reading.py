import io
import os
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import pyvips
import tifffile
from PIL import Image

from cbir.images.reading import UnreadableImage, describe, open_image, read_image


def scene(height: int = 300, width: int = 400) -> np.ndarray:
    """A smooth colour picture whose corners differ, so that every turn and mirror of it shows."""
    y, x = np.mgrid[0:height, 0:width]
    red = 40 + 180 * x / width
    green = 200 - 150 * y / height
    blue = 128 + 60 * np.sin(x / 25) * np.cos(y / 25)
    return np.dstack([red, green, blue]).round().astype(np.uint8)


SCENE = scene()
GREY = np.asarray(Image.fromarray(SCENE).convert("L"))


def near(first: np.ndarray, second: np.ndarray, *, within: float) -> bool:
    return first.shape == second.shape and np.abs(first.astype(float) - second).mean() < within


def save(path: Path, picture: Image.Image | np.ndarray, **options: object) -> Path:
    image = picture if isinstance(picture, Image.Image) else Image.fromarray(picture)
    image.save(path, **options)
    return path


@pytest.mark.parametrize(
    ("name", "options", "format_name"),
    [
        ("a.jpg", {"quality": 95}, "JPEG"),
        ("progressive.jpg", {"quality": 95, "progressive": True}, "JPEG"),
        ("a.png", {}, "PNG"),
        ("a.tif", {}, "TIFF"),
        ("lzw.tif", {"compression": "tiff_lzw"}, "TIFF"),
        ("jpeg.tif", {"compression": "jpeg", "quality": 95}, "TIFF"),
        ("a.webp", {"quality": 95}, "WebP"),
        ("a.bmp", {}, "BMP"),
        ("a.jp2", {}, "JPEG 2000"),
        ("a.j2k", {}, "JPEG 2000"),
    ],
)
def test_every_format_gives_the_picture_that_was_saved(
    tmp_path: Path, name: str, options: dict[str, object], format_name: str
) -> None:
    path = save(tmp_path / name, SCENE, **options)
    assert near(read_image(path), SCENE, within=2.5)
    header = describe(path)
    assert (header.format, header.mode, header.width, header.height, header.pages) == (format_name, "rgb8", 400, 300, 1)


@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.tif", "a.webp", "a.jp2", "a.bmp", "a.gif"])
def test_a_grey_picture_is_one_plane_whatever_the_format(tmp_path: Path, name: str) -> None:
    path = save(tmp_path / name, GREY)
    if name == "a.webp":  # WebP has no grey: what comes back is colour, and near grey
        assert near(read_image(path), np.dstack([GREY] * 3), within=3)
    else:
        assert near(read_image(path), GREY, within=2)


def test_three_equal_channels_are_kept_as_grey(tmp_path: Path) -> None:
    assert read_image(save(tmp_path / "a.png", np.dstack([GREY] * 3))).shape == GREY.shape


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("side", [None, 256])
def test_a_16_bit_ramp_stays_a_ramp(tmp_path: Path, channels: int, side: int | None) -> None:
    ramp = np.tile(np.linspace(0, 65535, 1024).round().astype(np.uint16), (1024, 1))
    path = tmp_path / "ramp.tif"
    tifffile.imwrite(
        path, ramp if channels == 1 else np.dstack([ramp] * 3), photometric="minisblack" if channels == 1 else "rgb"
    )
    pixels = read_image(path, longest_side=side)
    assert pixels.ndim == 2
    assert abs(pixels.mean() - 127.5) < 0.6
    assert (np.diff(pixels.astype(int), axis=1) >= 0).all()
    assert (pixels[:, 0].max(), pixels[:, -1].min()) == pytest.approx((0, 255), abs=1)
    assert describe(path).mode == ("grey16" if channels == 1 else "rgb16")


@pytest.mark.parametrize("name", ["a.png", "a.jp2"])
def test_16_bit_grey_is_scaled_in_other_formats_too(tmp_path: Path, name: str) -> None:
    path = save(tmp_path / name, Image.fromarray(GREY.astype(np.uint16) * 257))
    assert near(read_image(path), GREY, within=1)
    assert describe(path).mode == "grey16"


@pytest.mark.parametrize("name", ["a.jpg", "a.tif"])
def test_cmyk_has_the_right_tones(tmp_path: Path, name: str) -> None:
    """Pillow writes JPEG as Adobe does, with the inks inverted: read wrong, it would be a negative."""
    inks = {"paper": (0, 0, 0, 0), "black": (0, 0, 0, 255), "cyan": (255, 0, 0, 0), "yellow": (0, 0, 255, 0)}
    patches = np.concatenate([np.full((64, 64, 4), ink, np.uint8) for ink in inks.values()], axis=1)
    path = save(tmp_path / name, Image.frombytes("CMYK", (256, 64), patches.tobytes()), quality=95)
    paper, black, cyan, yellow = (read_image(path)[32, 32 + 64 * patch].astype(int) for patch in range(4))
    assert paper.min() > 250
    assert black.max() < 60
    assert cyan[0] < 60 and cyan[2] > 200
    assert yellow[2] < 60 and yellow[0] > 220
    assert describe(path).mode == "cmyk8"


def test_an_embedded_profile_is_converted_to_srgb(tmp_path: Path) -> None:
    wide = pyvips.Image.new_from_array(SCENE, interpretation="srgb").icc_transform("p3", input_profile="srgb")
    wide.pngsave(str(tmp_path / "p3.png"))
    assert not near(wide.numpy(), SCENE, within=3)
    assert near(read_image(tmp_path / "p3.png"), SCENE, within=1.5)


def test_a_profile_that_is_none_does_no_harm(tmp_path: Path) -> None:
    path = save(tmp_path / "a.jpg", SCENE, quality=95, icc_profile=b"no profile at all" * 20)
    assert near(read_image(path), SCENE, within=2.5)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("name", ["a.jpg", "a.tif", "a.png"])
def test_the_orientation_is_applied(tmp_path: Path, orientation: int, name: str) -> None:
    turns: dict[int, Callable[[np.ndarray], np.ndarray]] = {
        1: lambda a: a,
        2: lambda a: a[:, ::-1],
        3: lambda a: a[::-1, ::-1],
        4: lambda a: a[::-1],
        5: lambda a: a.swapaxes(0, 1),
        6: lambda a: a.swapaxes(0, 1)[:, ::-1],
        7: lambda a: a.swapaxes(0, 1)[::-1, ::-1],
        8: lambda a: a.swapaxes(0, 1)[::-1],
    }
    upright = turns[orientation](SCENE)
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = save(tmp_path / name, SCENE, exif=exif)
    assert near(read_image(path), upright, within=3)
    header = describe(path)
    assert (header.height, header.width) == upright.shape[:2]
    assert read_image(path, longest_side=100).shape[:2] == ((75, 100) if orientation < 5 else (100, 75))


def test_each_page_of_a_tiff_is_an_image_of_its_own(tmp_path: Path) -> None:
    first, second = Image.fromarray(SCENE), Image.fromarray(GREY).rotate(90, expand=True)
    path = save(tmp_path / "pages.tif", first, save_all=True, append_images=[second])
    assert describe(path).pages == 2
    assert near(read_image(path, page=0), SCENE, within=0.1)
    assert near(read_image(path, page=1), np.asarray(second), within=0.1)
    assert (describe(path, page=1).width, describe(path, page=1).mode) == (300, "grey8")
    with pytest.raises(UnreadableImage, match="page 2"):
        read_image(path, page=2)


def test_the_smaller_levels_of_a_pyramid_are_no_pages(tmp_path: Path) -> None:
    path = tmp_path / "pyramid.tif"
    pyvips.Image.new_from_array(SCENE, interpretation="srgb").tiffsave(
        str(path), pyramid=True, tile=True, tile_width=64, tile_height=64
    )
    with tifffile.TiffFile(path) as tiff:
        assert len(tiff.pages) > 1
    with open_image(path) as image:
        assert image.pages == [0]


@pytest.mark.parametrize("name", ["a.gif", "a.webp"])
def test_of_an_animation_the_first_frame_counts(tmp_path: Path, name: str) -> None:
    frames = [Image.fromarray(GREY), Image.fromarray(GREY[::-1])]
    path = save(tmp_path / name, frames[0], save_all=True, append_images=frames[1:])
    assert describe(path).pages == 1
    pixels = read_image(path)
    assert near(pixels if pixels.ndim == 2 else pixels[..., 1], GREY, within=3)


@pytest.mark.parametrize(
    ("name", "mode"),
    [("one.tif", "1"), ("one.png", "1"), ("one.bmp", "1"), ("p.png", "P"), ("p.gif", "P"), ("p.tif", "P")],
)
def test_one_bit_and_palettes_keep_the_tones(tmp_path: Path, name: str, mode: str) -> None:
    path = save(tmp_path / name, Image.fromarray(SCENE).convert(mode))
    with Image.open(path) as image:
        expected = np.asarray(image.convert("L" if mode == "1" else "RGB"))
    assert near(read_image(path), expected, within=0.1)


def test_fax_that_stores_white_as_zero_is_no_negative(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, 255 - GREY, photometric="miniswhite")
    assert near(read_image(path), GREY, within=0.1)


@pytest.mark.parametrize("name", ["a.png", "a.tif", "a.webp", "a.jp2"])
def test_what_is_transparent_becomes_white(tmp_path: Path, name: str) -> None:
    alpha = np.where(np.arange(400) < 200, 0, 255).astype(np.uint8) * np.ones((300, 1), np.uint8)
    path = save(tmp_path / name, np.dstack([SCENE, alpha]))
    pixels = read_image(path)
    assert pixels.shape == (300, 400, 3)
    assert pixels[:, :190].min() > 250
    assert near(pixels[:, 210:], SCENE[:, 210:], within=3)
    assert describe(path).mode == "rgba8"


@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.tif", "a.webp", "a.jp2", "a.bmp"])
def test_shrinking_averages_and_never_enlarges(tmp_path: Path, name: str) -> None:
    large = scene(1200, 1600)
    path = save(tmp_path / name, large)
    small = read_image(path, longest_side=100)
    expected = large.reshape(75, 16, 100, 16, 3).mean(axis=(1, 3))
    assert near(small, expected, within=2.5)
    assert read_image(path, longest_side=5000).shape == large.shape
    assert small.dtype == np.uint8 and small.flags.c_contiguous and small.flags.writeable


def test_a_jpeg_2000_without_wavelet_levels_is_shrunk_all_the_same(tmp_path: Path) -> None:
    path = save(tmp_path / "a.jp2", scene(600, 800), num_resolutions=1)
    assert read_image(path, longest_side=50).shape == (38, 50, 3)


def test_the_content_decides_not_the_name(tmp_path: Path) -> None:
    path = save(tmp_path / "a.png", SCENE).rename(tmp_path / "a.jpg")
    assert describe(path).format == "PNG"
    assert near(read_image(path), SCENE, within=0.1)


@pytest.mark.parametrize("name", [b"caf\xe9 (1) 'x' [page=3].jpg", "e\u0301té.tif".encode(), b"-n.png", b"a%20b.webp"])
def test_any_name_can_be_read(tmp_path: Path, name: bytes) -> None:
    path = Path(os.fsdecode(os.path.join(os.fsencode(tmp_path), name)))  # noqa: PTH118
    with path.open("wb") as file:
        Image.fromarray(SCENE).save(file, {"jpg": "JPEG", "tif": "TIFF", "png": "PNG", "webp": "WEBP"}[path.suffix[1:]])
    assert read_image(path).shape == SCENE.shape


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


@pytest.mark.parametrize(
    ("content", "status", "reason"),
    [
        (b"", "corrupt", "the file is empty"),
        (b"Dear archive, " * 50, "unsupported", "no image format"),
        (b"%PDF-1.4 " * 50, "unsupported", "a PDF document"),
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
