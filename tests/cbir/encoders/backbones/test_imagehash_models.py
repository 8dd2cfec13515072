"""cbir.encoders.backbones.imagehash_models: the bits of imagehash, whose cosine is their Hamming distance."""

from typing import Any

import imagehash
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from cbir.base.errors import UserError
from cbir.encoders.encoder import Encoder, build_encoder, load_encoder
from cbir.training.objective import build_objective
from tests.support.clip import photographs
from tests.support.training import train_settings


def build(name: str, **changes: Any) -> Encoder:
    chosen: dict[str, Any] = {"image_size": 0, "resize": "model", "greyscale": True, "pooling": "native"}
    return build_encoder(backbone=f"imagehash/{name}", **chosen | changes)


@pytest.mark.parametrize("name", ["phash", "dhash"])
@pytest.mark.parametrize("greyscale", [True, False])
def test_the_cosine_of_two_images_is_their_hamming_distance(name: str, greyscale: bool) -> None:
    encoder = build(name, greyscale=greyscale)
    images = photographs(4)
    vectors = encoder.embed(images)
    squares = [encoder.preprocess(image).squeeze() for image in images]
    hashes = [getattr(imagehash, name)(Image.fromarray(square)) for square in squares]
    expected = [[1 - 2 * (first - other) / 64 for other in hashes] for first in hashes]
    assert encoder.dimension == 64
    assert np.allclose(vectors @ vectors.T, expected, atol=1e-6)
    assert np.ptp(expected) > 0.5


def test_phash_of_a_grey_photograph_is_that_of_the_whole_file() -> None:
    images = photographs(4, grey=True)
    bits = build("phash").embed(images) > 0
    assert np.array_equal(bits, [imagehash.phash(Image.fromarray(image)).hash.ravel() for image in images])


def test_a_loaded_hash_gives_the_same_numbers(tmp_path: Any) -> None:
    encoder = build("dhash")
    encoder.save(tmp_path)
    assert np.array_equal(load_encoder(tmp_path).embed(photographs()), encoder.embed(photographs()))


@pytest.mark.parametrize(
    ("name", "changes", "sentence"),
    [
        ("ahash", {}, "backbone imagehash/ahash is unknown; did you mean .*imagehash/dhash"),
        ("phash", {"pooling": "gem"}, "backbone imagehash/phash gives no feature map for pooling; use pooling native"),
        ("phash", {"weights": "pretrained"}, "has neither weights nor options, there is weights 'pretrained'"),
        ("phash", {"backbone_options": {"size": 9}}, r"neither weights nor options, there is backbone_options .*size"),
        ("dhash", {"mean": [0.5]}, "backbone imagehash/dhash reads images as they are; leave mean and std empty"),
    ],
)
def test_what_makes_no_sense_with_a_hash_is_refused(name: str, changes: dict[str, Any], sentence: str) -> None:
    with pytest.raises(UserError, match=sentence):
        build(name, **changes)


def test_a_hash_cannot_be_trained() -> None:
    encoder, images = build("phash"), pd.DataFrame()
    assert build_objective("none", encoder, images, train_settings()) is None
    with pytest.raises(UserError, match=r"backbone imagehash/phash has nothing to train; set train.method: none"):
        build_objective("simclr", encoder, images, train_settings())
