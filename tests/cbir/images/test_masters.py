"""Sound masters of scanners and cameras that people report other programs to read wrong or not at all."""

import io
import zlib
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image, ImageCms

from cbir.images.reading import UnreadableImage, describe, open_image, read_image
from tests.support.profiles import linear, linear_profile
from tests.support.scenes import GREY, SCENE, near, save
from tests.support.tiffs import tiff

HEIGHT, WIDTH = GREY.shape
SIZE = {"width": WIDTH, "height": HEIGHT}
INFRARED = np.roll(GREY, 70, axis=1)
EXTRA = 338  # ExtraSamples
STATED = {"unspecified": [0], "not stated": None, "associated": [1], "unassociated": [2]}


def written(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


def packed(samples: np.ndarray, bits: int) -> bytes:
    """Rows of samples of so many bits, each row begun at a byte."""
    rows = samples.reshape(len(samples), -1).astype(np.uint32)
    each = (rows[..., None] >> np.arange(bits - 1, -1, -1)) & 1
    return np.packbits(each.reshape(len(rows), -1).astype(np.uint8), axis=1).tobytes()


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("stated", STATED)
@pytest.mark.parametrize("picture", [SCENE, GREY])
def test_a_channel_beyond_the_colours_is_transparency_only_where_the_file_says_so(
    tmp_path: Path, picture: np.ndarray, stated: str, bits: int, order: str
) -> None:
    samples = np.dstack([picture, INFRARED])
    wide = samples.astype(f"{order}u2") * 257 if bits == 16 else samples
    photometric = 2 if picture.ndim == 3 else 1
    more = {EXTRA: (3, STATED[stated])} if STATED[stated] else None
    data = wide.astype(f"{order}u{bits // 8}").tobytes()
    path = written(
        tmp_path / "a.tif",
        tiff(data, **SIZE, bits=bits, samples=samples.shape[2], photometric=photometric, order=order, more=more),
    )
    data_only = stated in ("unspecified", "not stated")
    for side in (None, 100):
        pixels = read_image(path, longest_side=side)
        expected = read_image(save(tmp_path / "b.png", picture), longest_side=side)
        assert near(pixels, expected, within=1) == data_only
    colours = "rgb" if picture.ndim == 3 else "grey"
    assert describe(path).mode == f"{colours}{'' if data_only else 'a'}{bits}"


@pytest.mark.parametrize("options", [{"planarconfig": "separate"}, {"tile": (64, 64)}, {"compression": "zlib"}])
def test_infrared_is_dropped_however_it_is_stored(tmp_path: Path, options: dict[str, object]) -> None:
    four = np.dstack([SCENE, INFRARED])
    if "planarconfig" in options:
        four = np.moveaxis(four, 2, 0)
    tifffile.imwrite(tmp_path / "a.tif", four, photometric="rgb", extrasamples=["unspecified"], **options)
    assert near(read_image(tmp_path / "a.tif"), SCENE, within=0.1)


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("compression", [None, "zlib"])
@pytest.mark.parametrize("channels", [3, 4])
def test_planes_in_tiles_are_read(tmp_path: Path, channels: int, compression: str | None, bits: int) -> None:
    picture = np.dstack([SCENE, INFRARED])[..., :channels]
    planes = np.moveaxis(picture, 2, 0).astype(np.uint16 if bits == 16 else np.uint8) * (257 if bits == 16 else 1)
    extra = {"extrasamples": ["unspecified"]} if channels == 4 else {}
    tifffile.imwrite(
        tmp_path / "a.tif",
        planes,
        photometric="rgb",
        planarconfig="separate",
        tile=(64, 64),
        compression=compression,
        **extra,
    )
    assert near(read_image(tmp_path / "a.tif"), SCENE, within=1)
    assert near(read_image(tmp_path / "a.tif", longest_side=100), read_image(tmp_path / "a.tif")[1::4, 1::4], within=5)


@pytest.mark.parametrize("side", [None, 100])
@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("white", [0, 1])
@pytest.mark.parametrize("compression", [1, 8])
def test_packed_12_bit_grey_is_read_with_the_right_tones(
    tmp_path: Path, compression: int, white: int, order: str, side: int | None
) -> None:
    values = GREY.astype(np.uint32) * 4095 // 255
    data = packed(values if white else 4095 - values, 12)
    stored = zlib.compress(data) if compression == 8 else data
    options = {"bits": 12, "photometric": white, "compression": compression, "order": order}
    path = written(tmp_path / "a.tif", tiff(stored, **SIZE, **options))
    expected = read_image(save(tmp_path / "b.png", GREY), longest_side=side)
    assert near(read_image(path, longest_side=side), expected, within=1)


@pytest.mark.parametrize(("bits", "samples", "photometric"), [(10, 1, 1), (14, 1, 1), (12, 3, 2)])
def test_other_packed_samples_are_refused_by_their_bits_not_as_damaged(
    tmp_path: Path, bits: int, samples: int, photometric: int
) -> None:
    picture = SCENE if samples == 3 else GREY
    data = packed(picture.astype(np.uint32) * (2**bits - 1) // 255, bits)
    path = written(tmp_path / "a.tif", tiff(data, **SIZE, bits=bits, samples=samples, photometric=photometric))
    with pytest.raises(UnreadableImage, match=rf"{bits} bits a sample.*save it as grey or RGB with 8 or 16") as caught:
        read_image(path)
    assert caught.value.status == "unsupported"


@pytest.mark.parametrize("bits", [10, 12, 14])
@pytest.mark.parametrize(("picture", "photometric"), [(GREY, 0), (GREY, 1), (SCENE, 2)])
def test_fewer_bits_in_samples_of_16_have_the_right_tones_where_the_file_says_so(
    tmp_path: Path, picture: np.ndarray, photometric: int, bits: int
) -> None:
    most = 2**bits - 1
    stored = picture if photometric else 255 - picture  # 0: white is zero
    values = (stored.astype(np.uint32) * most // 255).astype("<u2")
    options = {**SIZE, "bits": 16, "samples": values.size // GREY.size, "photometric": photometric}
    more = {281: (3, [most] * options["samples"])}
    path = written(tmp_path / "a.tif", tiff(values.tobytes(), **options, more=more))
    assert near(read_image(path), picture, within=1)
    wide = (stored.astype(np.uint16) * 257).astype("<u2")
    lying = written(tmp_path / "b.tif", tiff(wide.tobytes(), **options, more=more))
    assert near(read_image(lying), picture, within=1)


@pytest.mark.parametrize("bits", [8, 16])
def test_cielab_has_the_right_colours_in_8_and_16_bits(tmp_path: Path, bits: int) -> None:
    """a and b are signed (TIFF 6.0, section 23), the white is D50; the colours are those of Little CMS."""
    to_lab = ImageCms.buildTransform(ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), "RGB", "LAB")
    stored = np.asarray(ImageCms.applyTransform(Image.fromarray(SCENE), to_lab)).astype(np.int32)
    if bits == 16:  # Pillow holds a and b as they are in TIFF, signed
        stored = np.dstack([stored[..., 0] * 257, *np.moveaxis(stored[..., 1:] * 256, 2, 0)])
    data = stored.astype(f"<u{bits // 8}").tobytes()
    path = written(tmp_path / "a.tif", tiff(data, **SIZE, bits=bits, samples=3, photometric=8))
    assert near(read_image(path), SCENE, within=1)
    assert describe(path).mode == "lab"


def jpeg(picture: np.ndarray, **options: object) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "JPEG", quality=95, **options)
    return buffer.getvalue()


@pytest.mark.parametrize("picture", [SCENE, GREY])
def test_old_style_jpeg_in_tiff_is_read(tmp_path: Path, picture: np.ndarray) -> None:
    stream = jpeg(picture)
    more = {512: (3, [1]), 513: (4, [8]), 514: (4, [len(stream)])}
    samples, photometric = (3, 6) if picture.ndim == 3 else (1, 1)
    path = written(
        tmp_path / "a.tif",
        tiff(stream, **SIZE, samples=samples, photometric=photometric, compression=6, more=more),
    )
    assert near(read_image(path), picture, within=2.5)
    assert read_image(path, longest_side=100).shape[:2] == (75, 100)


def test_an_unusual_tiff_that_is_cut_off_is_corrupt_not_unsupported(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 255, SCENE.shape, dtype=np.uint8)
    stream = jpeg(noise)
    old = stream[: len(stream) // 2] + stream[len(stream) // 2 + 3000 :]
    more = {512: (3, [1]), 513: (4, [8]), 514: (4, [len(old)])}
    written(tmp_path / "old.tif", tiff(old, **SIZE, samples=3, photometric=6, compression=6, more=more))
    lab = tiff(b"", **SIZE, samples=3, photometric=8, more={273: (4, [300]), 279: (4, [noise.size])})
    written(tmp_path / "lab.tif", lab.ljust(300, b"\0") + noise.tobytes()[: noise.size // 2])
    twelve = tiff(b"", **SIZE, bits=12, more={273: (4, [300]), 279: (4, [noise.size // 2])})
    written(tmp_path / "twelve.tif", twelve.ljust(300, b"\0") + noise.tobytes()[: noise.size // 4])
    for name in ("old.tif", "lab.tif", "twelve.tif"):
        with pytest.raises(UnreadableImage, match="damaged or cut off") as caught:
            read_image(tmp_path / name)
        assert caught.value.status == "corrupt", name


@pytest.mark.parametrize("compression", ["zstd", "lzma"])
@pytest.mark.parametrize("picture", [SCENE, GREY])
def test_zstd_and_lzma_are_read_with_their_profile_and_orientation(
    tmp_path: Path, picture: np.ndarray, compression: str
) -> None:
    profile = linear_profile(b"RGB " if picture.ndim == 3 else b"GRAY")
    path = tmp_path / "a.tif"
    Image.fromarray(linear(picture)).save(path, compression=compression, icc_profile=profile, tiffinfo={274: 6})
    assert near(read_image(path), np.rot90(picture, -1), within=1.5)
    assert (describe(path).width, describe(path).height) == (HEIGHT, WIDTH)


@pytest.mark.parametrize(
    ("number", "name"),
    [
        (50000, "ZSTD"),
        (34925, "LZMA"),
        (34887, "LERC"),
        (34712, "JPEG 2000"),
        (33003, "JPEG 2000"),
        (50002, "JPEG XL"),
        (34661, "JBIG"),
        (6, "old-style JPEG"),
    ],
)
def test_a_compression_that_is_not_built_in_is_unsupported_by_its_name_with_what_to_do(
    tmp_path: Path, number: int, name: str
) -> None:
    path = written(tmp_path / "a.tif", tiff(GREY.tobytes(), **SIZE, compression=number))
    with pytest.raises(UnreadableImage, match=rf"compression {name}.*save it as grey or RGB") as caught:
        read_image(path)
    assert caught.value.status == "unsupported"


def test_a_jpeg_of_12_bits_is_unsupported_not_damaged(tmp_path: Path) -> None:
    data = jpeg(SCENE)
    at = data.find(b"\xff\xc0")
    path = written(tmp_path / "a.jpg", data[: at + 1] + b"\xc1" + data[at + 2 : at + 4] + b"\x0c" + data[at + 5 :])
    with pytest.raises(UnreadableImage, match=r"of a kind that is not read.*save it anew with 8 bits") as caught:
        read_image(path)
    assert caught.value.status == "unsupported"


@pytest.mark.parametrize("to", [0x7FFFFFFF, 60_000, 9])
@pytest.mark.parametrize("order", ["<", ">"])
def test_a_pointer_to_a_next_page_that_is_garbage_costs_nothing(tmp_path: Path, to: int, order: str) -> None:
    path = written(tmp_path / "a.tif", tiff(GREY.tobytes(), **SIZE, order=order, next_page=to))
    assert near(read_image(path), GREY, within=0.1)
    with open_image(path) as image:
        assert image.pages == [0]


@pytest.mark.parametrize("orientation", [0, 9, 65535])
@pytest.mark.parametrize("order", ["<", ">"])
def test_an_orientation_that_there_is_not_leaves_the_picture_as_it_is_stored(
    tmp_path: Path, order: str, orientation: int
) -> None:
    more = {274: (3, [orientation])}
    path = written(tmp_path / "a.tif", tiff(GREY.tobytes(), **SIZE, order=order, more=more))
    assert near(read_image(path), GREY, within=0.1)
    tifffile.imwrite(tmp_path / "b.tif", GREY, bigtiff=True, extratags=[(274, 3, 1, orientation, True)])
    assert near(read_image(tmp_path / "b.tif"), GREY, within=0.1)


@pytest.mark.parametrize("compression", [1, 8])
def test_luma_and_chroma_that_are_not_compressed_as_jpeg_have_the_right_tones(tmp_path: Path, compression: int) -> None:
    data = np.asarray(Image.fromarray(SCENE).convert("YCbCr")).tobytes()
    stored = zlib.compress(data) if compression == 8 else data
    options = {"samples": 3, "photometric": 6, "compression": compression, "more": {530: (3, [1, 1])}}
    path = written(tmp_path / "a.tif", tiff(stored, **SIZE, **options))
    assert near(read_image(path), SCENE, within=1.5)
    assert describe(path).mode == "rgb8"


def test_a_refusal_has_the_words_of_its_own_file_alone(tmp_path: Path) -> None:
    bad = {34675: (1, list(range(8)))}  # no profile, of which libvips only warns
    sound = written(tmp_path / "a.tif", tiff(GREY.tobytes(), **SIZE, more=bad))
    refused = written(tmp_path / "b.tif", tiff(packed(GREY // 4, 6), **SIZE, bits=6))
    read_image(sound, longest_side=100)
    with pytest.raises(UnreadableImage, match="6 bits a sample") as caught:
        read_image(refused)
    assert "Icc" not in caught.value.reason


def raw(path: Path, *, tags: bool, sensor: int, chained: bool) -> Path:
    """A camera's file: a preview, and the sensor's values in a page that hangs on it or follows it."""
    preview = np.asarray(Image.fromarray(SCENE).resize((160, 120)))
    extra = [(50706, 1, 4, bytes([1, 4, 0, 0]), True)] if tags else []
    with tifffile.TiffWriter(path) as writer:
        writer.write(preview, photometric="rgb", subifds=0 if chained else 1, subfiletype=1, extratags=extra)
        values = GREY if sensor == 32803 else SCENE
        writer.write(values.astype(np.uint16) * 257, photometric=sensor, subfiletype=0)
    return path


@pytest.mark.parametrize("name", ["a.dng", "a.tif"])
@pytest.mark.parametrize("chained", [False, True])
@pytest.mark.parametrize(("tags", "sensor"), [(True, 32803), (False, 32803), (False, 34892)])
def test_a_cameras_raw_file_is_refused_as_one_and_its_preview_is_no_picture(
    tmp_path: Path, name: str, chained: bool, tags: bool, sensor: int
) -> None:
    path = raw(tmp_path / name, tags=tags, sensor=sensor, chained=chained)
    for read in (describe, read_image):
        with pytest.raises(UnreadableImage, match=r"a camera's raw file.*develop it to TIFF or JPEG") as caught:
            read(path)
        assert caught.value.status == "unsupported"
    with open_image(path) as image, pytest.raises(UnreadableImage, match="a camera's raw file"):
        image.pages  # noqa: B018


@pytest.mark.parametrize("mark", [b"CR\2\0", b"IIIITwaR"])
def test_a_raw_file_of_canon_or_phase_one_is_refused_by_its_mark(tmp_path: Path, mark: bytes) -> None:
    data = tiff(mark.ljust(8, b"\0") + GREY.tobytes(), **SIZE)
    with pytest.raises(UnreadableImage, match="a camera's raw file"):
        read_image(written(tmp_path / "a.tif", data))


def test_a_picture_that_hangs_on_its_preview_is_the_one_that_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    with tifffile.TiffWriter(path) as writer:
        writer.write(SCENE[::4, ::4].copy(), photometric="rgb", subifds=1, subfiletype=1)
        writer.write(SCENE, photometric="rgb", subfiletype=0)
    with open_image(path) as image:
        assert image.pages == [1]
        assert near(image.pixels(1), SCENE, within=0.1)


def test_the_levels_of_a_pyramid_that_hang_on_its_first_page_are_no_pages(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    with tifffile.TiffWriter(path) as writer:
        writer.write(SCENE, photometric="rgb", subifds=1)
        writer.write(SCENE[::2, ::2].copy(), photometric="rgb", subfiletype=1)
    with open_image(path) as image:
        assert image.pages == [0]
