"""Tests of cbir.robustness.copies."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from cbir.encoders.encoder import build_encoder
from cbir.robustness import copies as module
from cbir.robustness.alterations import KINDS, altered
from cbir.robustness.copies import CODE, PACKAGE, Copies, copy_vectors
from tests.support.code import imported


class Pictures:
    """Images by their id: smooth random ones."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, int]] = []

    def read(self, image_id: str, path: str, page: int) -> np.ndarray:
        self.asked.append((image_id, path, page))
        coarse = np.random.default_rng(int(image_id, 16) % 2**32).integers(0, 256, (4, 4), dtype=np.uint8)
        return np.kron(coarse, np.ones((16, 20), np.uint8))


def test_a_copy_depends_on_its_image_kind_and_seed_alone() -> None:
    source = Pictures()
    copy = Copies(source, seed=3).read(f"{7:032x}/crop", "a/7.jpg", 2)
    assert source.asked == [(f"{7:032x}", "a/7.jpg", 2)]
    np.testing.assert_array_equal(copy, altered(source.read(f"{7:032x}", "", 0), "crop", key=f"3/{7:032x}"))


def images(count: int) -> pd.DataFrame:
    ids = [f"{n:032x}" for n in range(count)]
    return pd.DataFrame({"image_id": ids, "path": ids, "page": 0})


@pytest.fixture
def encoder(tmp_path: Path) -> Path:
    build_encoder(backbone="timm/test_resnet", image_size=32, seed=0).save(tmp_path / "encoder")
    return tmp_path / "encoder"


def vectors(encoder: Path, count: int = 4, *, store: str = "store", seed: int = 0, **changes: Any) -> np.ndarray:
    options: dict[str, Any] = {"longest_side": 80, "batch_size": 4, "precision": "float32"}
    copies = Copies(Pictures(), seed=seed)
    return copy_vectors(images(count), copies, encoder, encoder.parent / store, **(options | changes))


def test_each_copy_has_the_vector_that_the_encoder_gives_it(encoder: Path) -> None:
    embedded = vectors(encoder)
    read = Copies(Pictures(), seed=0).read
    pixels = [read(f"{n:032x}/{kind}", "", 0) for n in range(4) for kind in KINDS]
    expected = build_encoder(backbone="timm/test_resnet", image_size=32, seed=0).embed(pixels, precision="float32")
    np.testing.assert_allclose(embedded.reshape(20, -1), expected, atol=1e-5)


def test_only_copies_of_new_images_are_embedded_and_without_any_the_encoder_is_not_loaded(
    encoder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    vectors(encoder, 3)
    grown = vectors(encoder, 4)
    monkeypatch.setattr(module, "load_encoder", None)
    np.testing.assert_array_equal(vectors(encoder, 4), grown)
    monkeypatch.undo()
    np.testing.assert_array_equal(vectors(encoder, 4, store="another"), grown)


def test_other_seeds_and_other_code_give_other_copies(encoder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert (vectors(encoder) != vectors(encoder, seed=1)).any()
    asked: list[str] = []
    monkeypatch.setattr(module, "code_digest", lambda: "edited")
    monkeypatch.setattr(module, "load_encoder", lambda folder: asked.append(str(folder)) or _loaded(folder))
    vectors(encoder)
    assert asked == [str(encoder)]


def _loaded(folder: Path) -> Any:
    from cbir.encoders.encoder import load_encoder

    return load_encoder(folder)


def test_all_code_that_alters_images_is_in_the_digest() -> None:
    code = {f"cbir/{path.relative_to(PACKAGE).as_posix()}" for path in CODE}
    assert code == imported("cbir/robustness/alterations.py")
