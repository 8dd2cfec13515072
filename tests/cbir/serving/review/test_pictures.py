"""Tests of cbir.serving.review.pictures."""

import io
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from cbir.base.errors import UserError
from cbir.images.ids import image_ids
from cbir.images.reduced import ReducedImages
from cbir.serving.review.pictures import LARGE, Pictures, inside


class Known:
    """Findings that know of one file."""

    def __init__(self, image_id: str, path: str) -> None:
        self._id, self._path = image_id, path

    def __contains__(self, image_id: str) -> bool:
        return image_id == self._id

    def files(self, _: str) -> pd.DataFrame:
        return pd.DataFrame({"path": [self._path], "page": [0]})


@pytest.fixture
def archive(tmp_path: Path) -> SimpleNamespace:
    """An archive of one picture of 3000 px, of which nothing is stored."""
    file = tmp_path / "raw/old/é.png"
    file.parent.mkdir(parents=True)
    Image.fromarray(np.tile(np.arange(3000, dtype=np.uint8), (40, 1))).save(file)
    image_id = image_ids(file, pages=1)[0]
    reduced = ReducedImages(tmp_path / "store", tmp_path / "raw", longest_side=64)
    pictures = Pictures(reduced, thumbnails=tmp_path / "thumbnails", archive=tmp_path / "raw")
    return SimpleNamespace(file=file, id=image_id, reduced=reduced, pictures=pictures, folder=tmp_path)


def known(archive: SimpleNamespace, path: str = "old/é.png") -> Any:
    return Known(archive.id, path)


def size(webp: bytes) -> tuple[int, int]:
    return Image.open(io.BytesIO(webp)).size


def test_a_small_picture_is_that_of_the_reports_or_of_the_store(archive: SimpleNamespace) -> None:
    archive.reduced.put(archive.id, np.zeros((10, 64), np.uint8))
    archive.file.unlink()  # it is not asked
    assert size(archive.pictures.small(known(archive), archive.id)) == (64, 10)
    (archive.folder / "thumbnails").mkdir()
    (archive.folder / f"thumbnails/{archive.id}.webp").write_bytes(b"as it is")
    assert archive.pictures.small(known(archive), archive.id) == b"as it is"


def test_only_images_of_the_archive_are_handed_out(archive: SimpleNamespace) -> None:
    for image_id in ("f" * 32, "../../secret", ""):
        with pytest.raises(UserError, match="no image of the archive has this id"):
            archive.pictures.small(known(archive), image_id)
        with pytest.raises(UserError, match="no image of the archive has this id"):
            archive.pictures.large(known(archive), image_id)


@pytest.mark.parametrize("path", ["/etc/passwd", "../x.jpg", "old/../../x.jpg", "old\\..\\x.jpg", "old/\0"])
def test_a_path_that_leads_out_of_the_archive_is_refused(path: str, archive: SimpleNamespace) -> None:
    with pytest.raises(UserError, match="leads out of the archive"):
        inside(path)
    with pytest.raises(UserError, match="leads out of the archive"):
        archive.pictures.large(known(archive, path), archive.id)


def test_originals_are_decoded_in_a_process_of_their_own(archive: SimpleNamespace) -> None:
    assert size(archive.pictures.large(known(archive), archive.id))[0] == LARGE
    assert size(archive.pictures.small(known(archive), archive.id))[0] == 512  # nothing was stored
    worker = archive.pictures.sandbox.run(_process, None)
    assert worker != _process(None)
    archive.file.write_bytes(b"another")
    with pytest.raises(UserError, match="the file has changed since the last run"):
        archive.pictures.large(known(archive), archive.id)
    archive.file.unlink()
    with pytest.raises(UserError, match="the file cannot be read: No such file or directory"):
        archive.pictures.large(known(archive), archive.id)


def _process(_: None) -> int:
    import os

    return os.getpid()
