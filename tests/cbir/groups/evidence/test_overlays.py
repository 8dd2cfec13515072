"""Tests of cbir.groups.evidence.overlays."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from PIL import Image

from cbir.groups.evidence.overlays import Laid, address, write_overlays
from cbir.images.reading import UnreadableImage
from cbir.images.reduced import ReducedImages
from cbir.store import Store

QUERY, OTHER = "a" * 32, "b" * 32
FILES = {image_id: {"files": [{"path": "gone.jpg", "page": 1}]} for image_id in (QUERY, OTHER)}


def source(folder: Path, query: NDArray[np.uint8], other: NDArray[np.uint8]) -> ReducedImages:
    images = ReducedImages(folder / "store", folder / "raw", longest_side=512)
    images.put(QUERY, query)
    images.put(OTHER, other)
    return images


def pairs(affine: object) -> pd.DataFrame:
    return pd.DataFrame({"query_id": [QUERY], "neighbour_id": [OTHER], "map": [affine]})


def scene() -> NDArray[np.uint8]:
    """A dark picture with a light square, 100 px wide and 80 px high."""
    pixels = np.full((80, 100), 20, np.uint8)
    pixels[20:40, 60:80] = 230
    return pixels


def lay(folder: Path, query: NDArray[np.uint8], other: NDArray[np.uint8], affine: object) -> Laid:
    images, kept = source(folder, query, other), Store(folder / "kept.sqlite")
    return write_overlays(folder, pairs(affine), FILES, images, store=kept)[QUERY, OTHER]


def picture(folder: Path) -> NDArray[np.uint8]:
    return np.asarray(Image.open(folder / address(QUERY, OTHER)).convert("RGBA"))


def test_a_crop_lies_at_its_place_and_is_transparent_around_it(tmp_path: Path) -> None:
    laid = lay(tmp_path, scene()[10:50, 50:90], scene(), [1, 0, 50, 0, 1, 10])
    shown = picture(tmp_path)
    inside = np.zeros((80, 100), bool)
    inside[10:50, 50:90] = True
    assert shown.shape == (80, 100, 4)
    assert (shown[..., 3] > 127).tolist() == inside.tolist()
    assert np.abs(shown[..., 0].astype(int) - scene())[inside].mean() < 6
    assert (laid.size, laid.other_size) == ((40, 40), (100, 80))
    assert sorted(laid.outline) == [(0, 0), (0, 40), (40, 0), (40, 40)]
    assert sorted(laid.other_outline) == [(50, 10), (50, 50), (90, 10), (90, 50)]


def test_a_mirrored_picture_is_turned_back(tmp_path: Path) -> None:
    lay(tmp_path, np.ascontiguousarray(scene()[:, ::-1]), scene(), [-1, 0, 99, 0, 1, 0])
    assert np.abs(picture(tmp_path)[..., 0].astype(int) - scene()).mean() < 6


def test_a_larger_picture_is_shrunk_with_its_dots_averaged(tmp_path: Path) -> None:
    dots = np.indices((320, 400)).sum(axis=0) % 2 * 255
    lay(tmp_path, dots.astype(np.uint8), scene(), [0.25, 0, 0, 0, 0.25, 0])
    assert np.abs(picture(tmp_path)[5:-5, 5:-5, 0].astype(int) - 128).max() < 12


def test_pictures_whose_frames_do_not_meet_have_no_part_in_common(tmp_path: Path) -> None:
    laid = lay(tmp_path, scene(), scene(), [1, 0, 500, 0, 1, 0])
    assert (laid.outline, laid.other_outline) == ((), ())
    assert not picture(tmp_path)[..., 3].any()


def test_a_pair_without_a_map_has_no_picture(tmp_path: Path) -> None:
    kept = Store(tmp_path / "kept.sqlite")
    assert write_overlays(tmp_path, pairs(None), FILES, source(tmp_path, scene(), scene()), store=kept) == {}
    assert not list(tmp_path.glob("*.webp"))


def test_a_picture_that_was_made_before_is_the_same_and_reads_no_image(tmp_path: Path) -> None:
    laid = lay(tmp_path, scene(), scene(), [1, 0, 5, 0, 1, 0])
    first = picture(tmp_path)
    for file in (tmp_path / "store").iterdir():
        file.unlink()
    (tmp_path / address(QUERY, OTHER)).unlink()
    gone, kept = ReducedImages(tmp_path / "store", tmp_path, longest_side=512), Store(tmp_path / "kept.sqlite")
    again = write_overlays(tmp_path, pairs([1, 0, 5, 0, 1, 0]), FILES, gone, store=kept)
    assert again == {(QUERY, OTHER): laid}
    assert (picture(tmp_path) == first).all()
    with pytest.raises(UnreadableImage):
        write_overlays(tmp_path, pairs([1, 0, 6, 0, 1, 0]), FILES, gone, store=kept)
