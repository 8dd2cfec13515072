"""cbir.images.jp2: a JPEG 2000 file's profile decides its tones, and only opacity is transparency."""

import io
import struct
from pathlib import Path

import numpy as np
import pytest
import pyvips
from PIL import Image

from cbir.images.jp2 import Colours, colours_of
from cbir.images.reading import UnreadableImage, describe, read_image
from tests.support.profiles import linear, linear_profile
from tests.support.scenes import GREY, SCENE, near


def box(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I4s", 8 + len(content), kind) + content


def by_profile(profile: bytes, *, method: int = 2) -> bytes:
    return box(b"colr", bytes((method, 0, 0)) + profile)


def by_number(space: int) -> bytes:
    return box(b"colr", struct.pack(">BBBI", 1, 0, 0, space))


def jp2(path: Path, picture: np.ndarray, *boxes: bytes, **options: object) -> Path:
    """Writes a JPEG 2000 whose header has these boxes in place of its own of what colours and channels are."""
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "JPEG2000", **options)
    data = buffer.getvalue()
    start = data.find(b"jp2h") - 4
    end = start + int.from_bytes(data[start : start + 4])
    kept, at = b"", start + 8
    while at < end:
        size = int.from_bytes(data[at : at + 4])
        kept += b"" if data[at + 4 : at + 8] in (b"colr", b"cdef") else data[at : at + size]
        at += size
    path.write_bytes(data[:start] + box(b"jp2h", kept + b"".join(boxes)) + data[end:])
    return path


def colours(path: Path) -> Colours:
    with path.open("rb") as file:
        return colours_of(file.fileno())


@pytest.mark.parametrize("method", [2, 3])
@pytest.mark.parametrize("side", [None, 100])
@pytest.mark.parametrize(("picture", "space"), [(SCENE, b"RGB "), (GREY, b"GRAY")])
def test_an_embedded_profile_is_applied(
    tmp_path: Path, picture: np.ndarray, space: bytes, side: int | None, method: int
) -> None:
    path = jp2(tmp_path / "a.jp2", linear(picture), by_profile(linear_profile(space), method=method))
    Image.fromarray(linear(picture)).save(tmp_path / "a.tif", icc_profile=linear_profile(space))
    pixels = read_image(path, longest_side=side)
    assert abs(pixels.mean() - picture.mean()) < 1
    assert near(pixels, read_image(tmp_path / "a.tif", longest_side=side), within=1.5)
    assert describe(path).mode == ("rgb8" if picture.ndim == 3 else "grey8")


def test_a_profile_of_16_bit_grey_is_applied(tmp_path: Path) -> None:
    path = jp2(tmp_path / "a.jp2", linear(GREY).astype(np.uint16) * 257, by_profile(linear_profile(b"GRAY")))
    assert abs(read_image(path).mean() - GREY.mean()) < 1
    assert describe(path).mode == "grey16"


def test_four_channels_with_a_profile_for_inks_are_cmyk(tmp_path: Path) -> None:
    """Pillow takes them for red, green, blue and transparency; libvips reads the TIFF of the same inks."""
    inks = np.asarray(Image.fromarray(SCENE).convert("CMYK"))
    profile = pyvips.Image.profile_load("cmyk")
    path = jp2(tmp_path / "a.jp2", inks, by_profile(profile))
    Image.frombytes("CMYK", (400, 300), inks.tobytes()).save(tmp_path / "a.tif", icc_profile=profile)
    assert near(read_image(path), read_image(tmp_path / "a.tif"), within=2.5)
    assert describe(path).mode == "cmyk8"


@pytest.mark.parametrize("picture", [SCENE, GREY])
def test_a_profile_is_applied_beside_transparency(tmp_path: Path, picture: np.ndarray) -> None:
    colours = picture.shape[2] if picture.ndim == 3 else 1
    alpha = np.where(np.arange(400) < 200, 0, 255).astype(np.uint8) * np.ones((300, 1), np.uint8)
    kinds = [*((number, 0, number + 1) for number in range(colours)), (colours, 1, 0)]
    cdef = box(b"cdef", struct.pack(">H", len(kinds)) + b"".join(struct.pack(">3H", *kind) for kind in kinds))
    profile = by_profile(linear_profile(b"RGB " if colours == 3 else b"GRAY"))
    pixels = read_image(jp2(tmp_path / "a.jp2", np.dstack([linear(picture), alpha]), profile, cdef))
    assert pixels[:, :190].min() > 250
    assert abs(pixels[:, 210:].mean() - picture[:, 210:].mean()) < 1.5


@pytest.mark.parametrize("profile", [b"no profile", linear_profile(b"GRAY"), linear_profile(b"RGB ")[:200]])
def test_a_profile_that_is_not_for_the_picture_does_no_harm(tmp_path: Path, profile: bytes) -> None:
    assert near(read_image(jp2(tmp_path / "a.jp2", SCENE, by_profile(profile))), SCENE, within=2.5)


def test_the_first_colour_specification_that_is_understood_counts(tmp_path: Path) -> None:
    profile = linear_profile(b"RGB ")
    unknown = box(b"colr", bytes((5, 0, 0, 1, 2, 3, 4)))
    assert colours(jp2(tmp_path / "a.jp2", SCENE, unknown, by_profile(profile), by_number(16))).profile == profile
    assert colours(jp2(tmp_path / "b.jp2", SCENE, by_number(16), by_profile(profile))) == Colours(space=16, opaque=True)


def test_a_codestream_without_boxes_has_no_profile(tmp_path: Path) -> None:
    Image.fromarray(SCENE).save(tmp_path / "a.j2k")
    assert colours(tmp_path / "a.j2k") == Colours()


@pytest.mark.parametrize(("space", "name"), [(14, "CIELab"), (21, "ROMM-RGB")])
def test_a_space_whose_tones_are_not_those_of_srgb_is_refused_by_its_name(
    tmp_path: Path, space: int, name: str
) -> None:
    with pytest.raises(UnreadableImage, match=f"the space {name}, which is not read; save it in sRGB") as caught:
        read_image(jp2(tmp_path / "a.jp2", SCENE, by_number(space)))
    assert caught.value.status == "unsupported"


@pytest.mark.parametrize(("kind", "transparent"), [(0, False), (1, True), (2, True), (0xFFFF, False)])
def test_a_fourth_channel_is_transparency_only_where_the_file_says_opacity(
    tmp_path: Path, kind: int, transparent: bool
) -> None:
    four = np.dstack([SCENE, GREY])
    channels = b"".join(struct.pack(">3H", number, kind if number == 3 else 0, number + 1) for number in range(4))
    cdef = box(b"cdef", struct.pack(">H", 4) + channels)
    path = jp2(tmp_path / "a.jp2", four, by_number(16), cdef)
    pixels = read_image(path)
    assert near(pixels, SCENE, within=2.5) != transparent
    assert describe(path).mode == ("rgba8" if transparent else "rgb8")


@pytest.mark.parametrize("picture", [SCENE, GREY])
def test_a_channel_of_which_the_file_says_nothing_is_no_transparency(tmp_path: Path, picture: np.ndarray) -> None:
    path = jp2(tmp_path / "a.jp2", np.dstack([picture, GREY[::-1]]), by_number(16 if picture.ndim == 3 else 17))
    assert near(read_image(path), picture, within=2.5)


@pytest.mark.parametrize("cut", range(12, 400, 7))
def test_boxes_that_are_cut_or_lie_about_their_length_end_the_reading(tmp_path: Path, cut: int) -> None:
    path = jp2(tmp_path / "a.jp2", SCENE, by_profile(linear_profile(b"RGB ")))
    data = path.read_bytes()
    (tmp_path / "cut.jp2").write_bytes(data[:cut])
    (tmp_path / "lie.jp2").write_bytes(data[:cut] + b"\xff\xff\xff\xff" + data[cut + 4 :])
    for name in ("cut.jp2", "lie.jp2"):
        assert isinstance(colours(tmp_path / name), Colours)
