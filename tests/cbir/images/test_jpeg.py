"""cbir.images.jpeg and what the JPEG decoder warns of: a damaged picture is refused, a harmless fault is not."""

import io
import logging
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cbir.images.jpeg import end_of_only_scan, has_every_scan, mended
from cbir.images.reading import UnreadableImage, read_image
from tests.support.scenes import SCENE

NOISE = np.random.default_rng(0).integers(0, 255, SCENE.shape, dtype=np.uint8)


def jpeg(picture: np.ndarray = SCENE, **options: object) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "JPEG", quality=95, **options)
    return buffer.getvalue()


def written(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


def before(marker: bytes, junk: bytes) -> Callable[[bytes], bytes]:
    return lambda data: data.replace(marker, junk + marker, 1)


def with_odd_spectrum(data: bytes) -> bytes:
    at = data.find(b"\xff\xda")
    end = at + 2 + int.from_bytes(data[at + 2 : at + 4])
    return data[: end - 3] + bytes(3) + data[end:]


HARMLESS: dict[str, Callable[[bytes], bytes]] = {
    "a JFIF revision of the future": lambda data: data.replace(b"JFIF\0\1", b"JFIF\0\2", 1),
    "bytes before a table": before(b"\xff\xdb", b"junk!"),
    "bytes before the frame": before(b"\xff\xc0", b"\0" * 300),
    "bytes before the scan": before(b"\xff\xda", b"x"),
    "a spectrum that is not written": with_odd_spectrum,
    "zeros before the end": lambda data: data[:-2] + bytes(20) + data[-2:],
    "bytes behind the end": lambda data: data + b"tail" * 99,
    "all at once": lambda data: with_odd_spectrum(before(b"\xff\xdb", b"j")(data.replace(b"JFIF\0\1", b"JFIF\0\2", 1))),
}


@pytest.mark.parametrize("fault", HARMLESS)
@pytest.mark.parametrize("side", [None, 50])
def test_what_leaves_the_picture_whole_is_harmless(tmp_path: Path, fault: str, side: int | None) -> None:
    path, sound = tmp_path / "a.jpg", tmp_path / "sound.jpg"
    sound.write_bytes(jpeg())
    path.write_bytes(HARMLESS[fault](jpeg()))
    assert (read_image(path, longest_side=side) == read_image(sound, longest_side=side)).all()


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"restart_marker_rows": 2}])
@pytest.mark.parametrize("fault", [*HARMLESS, "none"])
def test_a_picture_whose_data_lacks_a_part_is_refused_also_beside_a_harmless_fault(
    tmp_path: Path, options: dict[str, object], fault: str
) -> None:
    data = jpeg(NOISE, **options)
    half = len(data) // 2
    cut = data[:half] + data[half + 3000 :]
    path = tmp_path / "a.jpg"
    path.write_bytes(HARMLESS[fault](cut) if fault != "none" else cut)
    with pytest.raises(UnreadableImage, match="damaged or cut off") as caught:
        read_image(path)
    assert caught.value.status == "corrupt"


def test_what_libvips_warns_of_reaches_no_handler_of_python(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    data = jpeg(NOISE)
    (tmp_path / "a.jpg").write_bytes(data[: len(data) // 2] + data[len(data) // 2 + 3000 :])
    with caplog.at_level(logging.DEBUG), pytest.raises(UnreadableImage):
        read_image(tmp_path / "a.jpg")
    assert [record.message for record in caplog.records if record.name.startswith("pyvips")] == []


def test_many_zeros_before_the_end_are_a_hole_and_stay() -> None:
    data = jpeg()
    assert len(list(mended(data[:-2] + bytes(20) + data[-2:]))) == 2
    assert len(list(mended(data[:-2] + bytes(200) + data[-2:]))) == 1


def test_a_sound_file_is_mended_to_itself() -> None:
    for options in ({}, {"progressive": True}, {"restart_marker_rows": 2}):
        assert next(mended(jpeg(**options))) == jpeg(**options)


@pytest.mark.parametrize("data", [b"", b"\xff\xd8", b"\xff\xd8\xff", b"\xff\xd8\xff\xdb\0\0" * 9, jpeg()[:200]])
def test_what_is_hardly_a_jpeg_is_mended_without_an_error(data: bytes) -> None:
    assert list(mended(data))


def test_an_end_marker_is_put_behind_a_stuffed_byte_and_behind_few_zeros() -> None:
    data = jpeg()[:-2]
    assert list(mended(data + b"\xff\0"))[1:] == [data + b"\xff\0\xff\xd9"] * 2
    assert list(mended(data + bytes(20)))[-1] == data.rstrip(b"\0") + b"\xff\xd9"
    assert list(mended(data + b"\xff"))[1] == data + b"\xff\xd9"


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"restart_marker_rows": 2}, {"optimize": True}])
def test_every_scan_is_there_until_the_last_one_is_not(options: dict[str, object]) -> None:
    data = jpeg(**options)
    last = data.rfind(b"\xff\xda")
    assert has_every_scan(data[:-2])
    assert not has_every_scan(data[:last])
    assert not has_every_scan(b"") and not has_every_scan(data[:100])


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"restart_marker_rows": 2}])
@pytest.mark.parametrize("side", [None, 50])
@pytest.mark.parametrize("missing", [1, 2])
def test_a_jpeg_that_lacks_nothing_but_its_end_marker_is_whole(
    tmp_path: Path, missing: int, side: int | None, options: dict[str, object]
) -> None:
    sound = written(tmp_path / "sound.jpg", jpeg(SCENE, **options))
    path = written(tmp_path / "a.jpg", jpeg(SCENE, **options)[:-missing])
    assert (read_image(path, longest_side=side) == read_image(sound, longest_side=side)).all()
    padded = written(tmp_path / "padded.jpg", jpeg(SCENE, **options)[:-2] + bytes(20))
    assert (read_image(padded, longest_side=side) == read_image(sound, longest_side=side)).all()


def scans(data: bytes) -> list[int]:
    """The bytes at which the scans of a JPEG begin."""
    return [at for at in range(len(data)) if data[at : at + 2] == b"\xff\xda"]


@pytest.mark.parametrize("cut", range(1, 6))
def test_a_progressive_jpeg_that_lacks_its_last_scans_is_corrupt(tmp_path: Path, cut: int) -> None:
    data = jpeg(SCENE, progressive=True)
    for end in (scans(data)[-cut], scans(data)[-cut] + 14):
        path = written(tmp_path / "a.jpg", data[:end])
        with pytest.raises(UnreadableImage, match="damaged or cut off") as caught:
            read_image(path)
        assert caught.value.status == "corrupt"


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"restart_marker_rows": 2}])
@pytest.mark.parametrize("lost", [20, 200, 2000])
def test_a_jpeg_that_is_cut_within_its_last_rows_is_corrupt(
    tmp_path: Path, lost: int, options: dict[str, object]
) -> None:
    with pytest.raises(UnreadableImage, match="damaged or cut off"):
        read_image(written(tmp_path / "a.jpg", jpeg(NOISE, **options)[:-lost]))


@pytest.mark.parametrize("side", [None, 200, 100, 40])
@pytest.mark.parametrize("options", [{}, {"progressive": True}])
def test_data_that_ends_in_the_last_rows_is_missed_at_every_size(
    tmp_path: Path, options: dict[str, object], side: int | None
) -> None:
    path = written(tmp_path / "a.jpg", jpeg(NOISE, **options)[:-2000] + b"\xff\xd9")
    with pytest.raises(UnreadableImage, match="premature end of data segment"):
        read_image(path, longest_side=side)


def with_bytes_left_over(data: bytes, count: int) -> bytes:
    """A JPEG of one scan, whose decoder comes to the last row so many bytes before the end marker."""
    return data[:-2] + NOISE.tobytes()[:count].replace(b"\xff", b"\x7f").replace(b"\0", b"\x11") + data[-2:]


@pytest.mark.parametrize("count", [16, 300, 5000])
@pytest.mark.parametrize("side", [None, 200, 50])
@pytest.mark.parametrize("options", [{}, {"restart_marker_rows": 2}, {"progressive": True}])
def test_bytes_that_are_left_over_behind_the_last_row_tell_that_the_decoder_has_lost_its_place(
    tmp_path: Path, options: dict[str, object], side: int | None, count: int
) -> None:
    path = written(tmp_path / "a.jpg", with_bytes_left_over(jpeg(**options), count))
    with pytest.raises(UnreadableImage, match=r"left over before the end marker|extraneous bytes") as caught:
        read_image(path, longest_side=side)
    assert caught.value.status == "corrupt"


@pytest.mark.parametrize("height", [8, 9, 15, 63, 65, 257])
@pytest.mark.parametrize("side", [None, 33, 8])
def test_a_sound_jpeg_of_any_height_has_nothing_left_over_at_any_size(
    tmp_path: Path, height: int, side: int | None
) -> None:
    assert read_image(written(tmp_path / "a.jpg", jpeg(NOISE[:height])), longest_side=side).size


def test_the_data_of_the_only_scan_ends_before_padding_and_end_marker() -> None:
    data = jpeg()
    assert end_of_only_scan(data) == end_of_only_scan(data[:-2] + bytes(20) + data[-2:] + b"tail") == len(data) - 2
    assert end_of_only_scan(jpeg(progressive=True)) == end_of_only_scan(data[:-2]) == end_of_only_scan(b"") == 0
