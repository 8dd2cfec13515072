from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from cbir.base.errors import UserError
from cbir.encoders.encoder import Encoder, build_encoder, load_encoder
from cbir.images.reading import read_image
from cbir.serving.model import ImageEmbedder, _load_pyfunc
from tests.support.clip import TINY

CONFIG = {"longest_side": 96, "batch_size": 4, "precision": "float32"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("encoder")
    build_encoder(backbone="timm/test_resnet", image_size=64).save(folder)
    return folder


@pytest.fixture(scope="module")
def model(folder: Path) -> ImageEmbedder:
    return _load_pyfunc(str(folder), CONFIG)


@pytest.fixture(scope="module")
def encoder(folder: Path) -> Encoder:
    return load_encoder(folder)


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    """Six images of several formats and sizes, more than one batch."""
    random = np.random.default_rng(0)
    paths = [tmp_path / f"{number}.{kind}" for number, kind in enumerate(("jpg", "png", "tif", "jp2", "bmp", "webp"))]
    for number, path in enumerate(paths):
        coarse = random.integers(0, 255, (7, 9, 3), dtype=np.uint8)
        Image.fromarray(coarse).resize((150 + 40 * number, 200)).save(path)
    return paths


def test_bytes_of_images_give_the_vectors_of_the_pipeline_number_for_number(
    model: ImageEmbedder, encoder: Encoder, files: list[Path]
) -> None:
    given = model.predict(pd.DataFrame({"image": [path.read_bytes() for path in files]}))
    reduced = [read_image(path, longest_side=96) for path in files]
    np.testing.assert_array_equal(given, encoder.embed(reduced, batch_size=4, precision="float32"))


def test_an_encoder_with_a_text_tower_is_served_without_it(files: list[Path], tmp_path: Path) -> None:
    encoder = build_encoder(backbone="open_clip/ViT-B-32", backbone_options=TINY, image_size=0, pooling="native")
    encoder.save(tmp_path / "encoder")
    given = _load_pyfunc(str(tmp_path / "encoder"), CONFIG).predict([files[0].read_bytes()])
    image = read_image(files[0], longest_side=96)
    np.testing.assert_array_equal(given, encoder.embed([image], batch_size=4, precision="float32"))


def test_an_image_has_the_same_vector_alone_and_in_company(model: ImageEmbedder, files: list[Path]) -> None:
    contents = [path.read_bytes() for path in files]
    together = model.predict(contents)
    np.testing.assert_array_equal(together[4:5], model.predict(contents[4:5]))


def test_a_table_an_array_and_a_list_give_the_same(model: ImageEmbedder, files: list[Path]) -> None:
    contents = [path.read_bytes() for path in files]
    expected = model.predict(contents)
    np.testing.assert_array_equal(model.predict(pd.DataFrame({"image": contents})), expected)
    np.testing.assert_array_equal(model.predict(np.array(contents, object)), expected)


def test_no_images_give_no_vectors(model: ImageEmbedder, encoder: Encoder) -> None:
    assert model.predict(pd.DataFrame({"image": []})).shape == (0, encoder.dimension)


def test_a_row_that_is_no_image_is_named(model: ImageEmbedder, files: list[Path]) -> None:
    contents = [path.read_bytes() for path in files]
    with pytest.raises(UserError, match=r"row 5 of the column image: .* no image format"):
        model.predict([*contents[:5], b"nothing"])
    with pytest.raises(UserError, match="row 0 of the column image must be the bytes of an image file, is str"):
        model.predict(["picture.jpg"])  # type: ignore[list-item]


def test_a_table_without_the_column_is_refused(model: ImageEmbedder) -> None:
    with pytest.raises(UserError, match=r"no column image .* only \['picture'\]"):
        model.predict(pd.DataFrame({"picture": [b""]}))


def test_an_array_that_has_cut_off_zero_bytes_is_refused(model: ImageEmbedder) -> None:
    with pytest.raises(UserError, match=r"must be of the type object, is \|S4"):
        model.predict(np.array([b"ab\0\0", b"abcd"]))
