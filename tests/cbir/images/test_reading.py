import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import pyvips
import tifffile
from PIL import Image, ImageCms

from cbir.images.reading import UnreadableImage, describe, open_image, read_image
from tests.support.scenes import GREY, SCENE, near, save, scene


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


@pytest.mark.parametrize("compression", [None, "zlib"])
def test_8_bit_cielab_has_the_right_colours(tmp_path: Path, compression: str | None) -> None:
    """a and b are signed (TIFF 6.0, section 23), the white is D50; the colours are those of Little CMS."""
    lab = np.zeros((64, 96, 3), np.int8)
    lab[..., 0], lab[:, 32:, 1], lab[:, 64:, 2] = 64, 40, -50
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, lab.view(np.uint8), photometric="cielab", compression=compression)
    to_srgb = ImageCms.buildTransform(ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB"), "LAB", "RGB")
    stored = Image.frombytes("LAB", (96, 64), lab.tobytes())
    assert near(read_image(path), np.asarray(ImageCms.applyTransform(stored, to_srgb)), within=1)
    assert read_image(path, longest_side=48).shape == (32, 48, 3)
    assert (describe(path).mode, describe(path).width, describe(path).height) == ("lab", 96, 64)


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
