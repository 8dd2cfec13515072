"""cbir.images.tiff: the chain of directories is followed to its end, whatever it leads to."""

import struct
from pathlib import Path

import numpy as np
import pytest
import tifffile

from cbir.images import reading
from cbir.images.reading import UnreadableImage, describe, open_image, read_image
from cbir.images.tiff import directories
from tests.support.scenes import GREY, near


def written(path: Path, *, pages: int = 1, **options: object) -> Path:
    with tifffile.TiffWriter(path, **options) as tiff:
        for page in range(pages):
            tiff.write(np.roll(GREY, page, axis=1), contiguous=False, metadata=None)
    return path


def pages(path: Path) -> list[int]:
    with open_image(path) as image:
        return image.pages


def links(path: Path) -> list[int]:
    """The bytes at which the pointers to the next directories stand."""
    with path.open("rb") as file:
        return [directory.link for directory in directories(file.fileno())]


def point(path: Path, at: int, to: int) -> None:
    data = bytearray(path.read_bytes())
    data[at : at + 4] = struct.pack("<I", to)
    path.write_bytes(data)


@pytest.mark.parametrize("options", [{}, {"bigtiff": True}, {"byteorder": ">"}, {"byteorder": ">", "bigtiff": True}])
def test_each_page_is_read_as_tifffile_reads_it_in_every_layout(tmp_path: Path, options: dict[str, object]) -> None:
    path = written(tmp_path / "a.tif", pages=3, **options)
    assert pages(path) == [0, 1, 2]
    for page in range(3):
        assert describe(path, page=page).pages == 3
        assert (read_image(path, page=page) == tifffile.imread(path, key=page)).all()
    with path.open("rb") as file, tifffile.TiffFile(path) as tiff:
        assert [directory.offset for directory in directories(file.fileno())] == [page.offset for page in tiff.pages]


@pytest.mark.parametrize("to", [1, 7, 0x7FFFFFFF, 0xFFFFFFF0])
def test_a_pointer_that_leads_nowhere_ends_the_chain_and_the_pages_before_it_are_read(tmp_path: Path, to: int) -> None:
    path = written(tmp_path / "a.tif", pages=2)
    point(path, links(path)[-1], to)
    assert pages(path) == [0, 1]
    assert near(read_image(path), GREY, within=0.1)
    assert near(read_image(path, page=1), np.roll(GREY, 1, axis=1), within=0.1)


@pytest.mark.parametrize("count", [1, 2, 3])
def test_a_chain_that_leads_back_is_followed_once(tmp_path: Path, count: int) -> None:
    path = written(tmp_path / "a.tif", pages=count)
    with path.open("rb") as file:
        first, *_, last = [*directories(file.fileno())] * 2
    point(path, last.link, first.offset)
    assert pages(path) == list(range(count))
    assert near(read_image(path, page=count - 1), np.roll(GREY, count - 1, axis=1), within=0.1)


def test_a_file_of_more_pages_than_are_read_is_refused_not_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = written(tmp_path / "a.tif", pages=4)
    monkeypatch.setattr(reading, "MOST_PAGES", 3)
    with pytest.raises(UnreadableImage, match="more than 3 pages; split it") as caught:
        pages(path)
    assert caught.value.status == "unsupported"


def test_an_entry_that_claims_more_values_than_the_file_has_bytes_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, GREY, tile=(64, 64))
    with tifffile.TiffFile(path) as tiff:
        entry = tiff.pages[0].tags[324].offset
    point(path, entry + 4, 0xFFFFFFFF)
    with path.open("rb") as file:
        assert [directory.end for directory in directories(file.fileno())] == [0]


def test_a_developed_picture_that_has_kept_the_tags_of_dng_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, GREY, extratags=[(50706, 1, 4, bytes([1, 4, 0, 0]), True)])
    assert near(read_image(path), GREY, within=0.1)


@pytest.mark.parametrize("options", [{}, {"tile": (64, 64)}, {"compression": "zlib", "rowsperstrip": 30}])
def test_cielab_in_planes_has_the_colours_of_the_same_samples_side_by_side(
    tmp_path: Path, options: dict[str, object]
) -> None:
    signed = np.dstack([GREY, np.roll(GREY, 70, axis=1) // 3 - 40, np.roll(GREY, 50, axis=0) // 4 - 30]).astype(
        np.uint8
    )
    tifffile.imwrite(tmp_path / "a.tif", signed, photometric="cielab")
    planes = np.moveaxis(signed, 2, 0)
    tifffile.imwrite(tmp_path / "b.tif", planes, photometric="cielab", planarconfig="separate", **options)
    assert describe(tmp_path / "b.tif").mode == "lab"
    for side in (None, 100):
        assert near(*(read_image(tmp_path / name, longest_side=side) for name in ("a.tif", "b.tif")), within=1)


def test_cielab_of_16_bits_in_planes_is_refused_not_read_with_its_channels_mixed(tmp_path: Path) -> None:
    planes = np.stack([GREY, GREY, GREY]).astype(np.uint16) * 100
    tifffile.imwrite(tmp_path / "a.tif", planes, photometric="cielab", planarconfig="separate")
    with pytest.raises(UnreadableImage, match=r"16 bits a sample.*save it as grey or RGB") as caught:
        read_image(tmp_path / "a.tif")
    assert caught.value.status == "unsupported"
