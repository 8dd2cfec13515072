from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from cbir.base.errors import UserError
from cbir.labels.files import GROUNDTRUTH, TRAINING, read_groundtruth, read_training, write_groundtruth, write_training
from cbir.labels.groundtruth import label_images
from tests.support.manifests import image_id_of, manifest


def labelled() -> pd.DataFrame:
    groups = [(image_id_of("acc/a.jpg"), image_id_of("acc/b.jpg"))]
    return label_images(manifest("acc/a.jpg", "acc/b.jpg", "acc/c.jpg"), groups=groups, train=1.0, val=0.0, seed=0)


def test_what_is_known_reads_back_as_it_was_written_without_the_columns_of_the_manifest(tmp_path: Path) -> None:
    write_groundtruth(tmp_path / "groundtruth.parquet", labelled())
    pd.testing.assert_frame_equal(read_groundtruth(tmp_path / "groundtruth.parquet"), labelled()[GROUNDTRUTH.names])


def test_the_images_for_training_keep_the_path_and_page_by_which_they_are_read(tmp_path: Path) -> None:
    write_training(tmp_path / "training.parquet", labelled())
    pd.testing.assert_frame_equal(
        read_training(tmp_path / "training.parquet"), labelled()[TRAINING.names], check_dtype=False
    )


@pytest.mark.parametrize("read", [read_groundtruth, read_training])
def test_a_table_that_is_not_there_names_the_command_that_makes_it(
    tmp_path: Path, read: Callable[[Path], pd.DataFrame]
) -> None:
    with pytest.raises(UserError, match=r"x\.parquet, .*, is not there; `cbir run` makes it \(stage groundtruth\)"):
        read(tmp_path / "x.parquet")
