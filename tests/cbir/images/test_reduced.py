import pickle
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cbir.images.ids import image_ids
from cbir.images.reading import UnreadableImage, read_image
from cbir.images.reduced import ReducedImages


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    folder = tmp_path / "raw" / "first"
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    pages = [Image.fromarray(rng.integers(0, 255, shape, dtype=np.uint8)) for shape in ((90, 120, 3), (60, 40))]
    pages[0].save(folder / "a.tif", save_all=True, append_images=pages[1:])
    return folder.parent


@pytest.mark.parametrize("page", [0, 1])
def test_an_image_is_decoded_once_and_comes_from_the_store_ever_after(archive: Path, tmp_path: Path, page: int) -> None:
    file = archive / "first" / "a.tif"
    image_id = image_ids(file, pages=2)[page]
    images = ReducedImages(tmp_path / "store", archive, longest_side=64)
    expected = read_image(file, page=page, longest_side=64)
    np.testing.assert_array_equal(images.read(image_id, "first/a.tif", page), expected)
    file.unlink()
    again = images.read(image_id, "first/a.tif", page)
    np.testing.assert_array_equal(again, expected)
    assert again.dtype == np.uint8 and again.flags.writeable and again.shape == ((48, 64, 3), (60, 40))[page]


def test_a_copy_in_another_process_reads_the_same_store(archive: Path, tmp_path: Path) -> None:
    images = ReducedImages(tmp_path / "store", archive, longest_side=64)
    images.put("a" * 32, np.arange(12, dtype=np.uint8).reshape(3, 4))
    copy = pickle.loads(pickle.dumps(images))
    assert copy.read("a" * 32, "nowhere.jpg", 0).tolist() == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 10, 11]]


def test_another_size_is_another_entry(archive: Path, tmp_path: Path) -> None:
    image_id = image_ids(archive / "first" / "a.tif")[0]
    sizes = [ReducedImages(tmp_path / "store", archive, longest_side=side) for side in (32, 64)]
    assert [images.read(image_id, "first/a.tif", 0).shape for images in sizes] == [(24, 32, 3), (48, 64, 3)]


def test_a_file_that_has_changed_is_not_taken_for_the_image(archive: Path, tmp_path: Path) -> None:
    images = ReducedImages(tmp_path / "store", archive, longest_side=64)
    with pytest.raises(UnreadableImage, match=r"a\.tif: the file has changed .*run clean again"):
        images.read("0" * 32, "first/a.tif", 0)


def test_a_file_that_is_gone_is_told_by_its_name(archive: Path, tmp_path: Path) -> None:
    images = ReducedImages(tmp_path / "store", archive, longest_side=64)
    with pytest.raises(UnreadableImage, match=r"gone\.tif: the file cannot be read: No such file"):
        images.read("0" * 32, "first/gone.tif", 0)
