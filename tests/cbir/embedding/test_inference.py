"""A folder with ``raw/*.png``, grey and RGB, and ``encoder``."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from torch import Tensor

from cbir.base.errors import UserError
from cbir.embedding import inference
from cbir.embedding.files import read_embeddings
from cbir.embedding.inference import Counts, cast_convolutions, embed_archive
from cbir.encoders.devices import Precision
from cbir.encoders.encoder import Encoder, build_encoder
from cbir.images.ids import image_ids
from cbir.images.reading import UnreadableImage, read_image

COUNT, BATCH = 21, 4


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with ``raw/*.png``, grey and RGB, and ``encoder``."""
    folder = tmp_path_factory.mktemp("archive")
    (folder / "raw").mkdir()
    rng = np.random.default_rng(0)
    for number in range(COUNT):
        shape = (40, 48) if number % 3 else (48, 40, 3)
        coarse = rng.integers(0, 256, (5, 5, *shape[2:]), dtype=np.uint8)
        Image.fromarray(coarse).resize((shape[1], shape[0])).save(folder / f"raw/{number}.png")
    small_encoder().save(folder / "encoder")
    return folder


def small_encoder(seed: int = 0) -> Encoder:
    return build_encoder(backbone="timm/test_resnet", image_size=32, seed=seed)


def images_of(archive: Path) -> pd.DataFrame:
    files = sorted((archive / "raw").iterdir())
    rows = [{"image_id": image_ids(file)[0], "path": file.name, "page": 0} for file in files]
    return pd.DataFrame(rows).sort_values("image_id", ignore_index=True)


def embed(archive: Path, work: Path, images: pd.DataFrame, **options: Any) -> Counts:
    """Write ``work/embeddings``, with the store in ``work/store``."""
    return embed_archive(
        work / "embeddings",
        images,
        **{
            "encoder_folder": archive / "encoder",
            "archive": archive / "raw",
            "store": work / "store",
            "longest_side": 40,
            "batch_size": BATCH,
            **options,
        },
    )


@contextmanager
def threads(count: int) -> Iterator[None]:
    """So many of torch's."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def contents(work: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (work / "embeddings").iterdir()}


@pytest.fixture(autouse=True)
def processor(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inference, "choose_device", lambda: torch.device("cpu"))


@pytest.fixture
def passes(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Grows by the size of the batch with every forward pass."""
    sizes: list[int] = []
    forward = Encoder.forward

    def counted(self: Encoder, batch: Tensor) -> Tensor:
        sizes.append(len(batch))
        return forward(self, batch)

    monkeypatch.setattr(Encoder, "forward", counted)
    return sizes


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_every_image_gets_the_vector_that_the_encoder_gives_it(
    archive: Path, tmp_path: Path, precision: Precision
) -> None:
    images = images_of(archive)
    assert embed(archive, tmp_path, images, precision=precision) == Counts(computed=COUNT, stored=0)
    loaded = read_embeddings(tmp_path / "embeddings")
    pixels = [read_image(archive / "raw" / path, longest_side=40) for path in images["path"]]
    with threads(1):
        expected = small_encoder().embed(pixels, batch_size=BATCH, precision=precision)
    assert loaded.ids.tolist() == images["image_id"].tolist()
    assert np.array_equal(loaded.vectors, expected)
    assert np.abs(np.linalg.norm(loaded.vectors, axis=1) - 1).max() < 1e-5


def test_what_was_embedded_is_not_computed_again(archive: Path, tmp_path: Path, passes: list[int]) -> None:
    images = images_of(archive)
    embed(archive, tmp_path, images)
    first, count = contents(tmp_path), len(passes)
    assert count == 6  # 21 images by four, the last batch filled up
    assert set(passes) == {BATCH}
    assert embed(archive, tmp_path, images) == Counts(computed=0, stored=COUNT)
    assert len(passes) == count
    assert contents(tmp_path) == first


def test_a_processor_computes_a_few_images_at_a_time_however_many_are_read(
    archive: Path, tmp_path: Path, passes: list[int]
) -> None:
    images = images_of(archive)
    embed(archive, tmp_path, images, batch_size=64)
    assert passes == [8, 8, 8]
    assert embed(archive, tmp_path, images, batch_size=32).computed == 0


def test_new_images_cost_what_the_new_images_cost(archive: Path, tmp_path: Path, passes: list[int]) -> None:
    images = images_of(archive)
    embed(archive, tmp_path, images.drop([3, 9, 20]))
    passes.clear()
    assert embed(archive, tmp_path, images) == Counts(computed=3, stored=COUNT - 3)
    assert passes == [BATCH]


def test_stored_and_computed_vectors_give_the_same_bytes(archive: Path, tmp_path: Path) -> None:
    images = images_of(archive)
    embed(archive, tmp_path / "at-once", images)
    for chosen in (images.iloc[[2, 3, 5, 7, 11, 13]], images.iloc[::-2].sort_values("image_id"), images):
        embed(archive, tmp_path / "bit-by-bit", chosen)
    assert contents(tmp_path / "at-once") == contents(tmp_path / "bit-by-bit")


def test_a_killed_run_keeps_what_it_computed(archive: Path, tmp_path: Path, passes: list[int]) -> None:
    images = images_of(archive)

    def killed(batches: Any, **_: Any) -> Iterator[Any]:
        for number, batch in enumerate(batches):
            if number == 4:
                raise KeyboardInterrupt
            yield batch

    with pytest.raises(KeyboardInterrupt):
        embed(archive, tmp_path, images, progress=killed)
    assert not (tmp_path / "embeddings").exists()
    passes.clear()
    assert embed(archive, tmp_path, images) == Counts(computed=COUNT - 4 * BATCH, stored=4 * BATCH)
    assert len(passes) == 2


@pytest.mark.parametrize("change", [{"longest_side": 32}, {"precision": "bfloat16"}, {"batch_size": 8}])
def test_another_way_of_computing_has_vectors_of_its_own(archive: Path, tmp_path: Path, change: dict[str, Any]) -> None:
    images = images_of(archive)
    embed(archive, tmp_path, images, precision="float32")
    assert embed(archive, tmp_path, images, **{"precision": "float32", **change}).computed == COUNT


def test_another_encoder_has_vectors_of_its_own(archive: Path, tmp_path: Path) -> None:
    images = images_of(archive)
    embed(archive, tmp_path, images)
    small_encoder(seed=1).save(tmp_path / "other")
    assert embed(archive, tmp_path, images, encoder_folder=tmp_path / "other").computed == COUNT


def test_the_stored_precision_of_vectors_and_the_parts_need_no_computing(
    archive: Path, tmp_path: Path, passes: list[int]
) -> None:
    images = images_of(archive)
    embed(archive, tmp_path, images)
    whole = read_embeddings(tmp_path / "embeddings")
    passes.clear()
    embed(archive, tmp_path, images, dtype="float16", part_rows=8)
    assert passes == []
    assert len(contents(tmp_path)) == 3
    assert np.abs(read_embeddings(tmp_path / "embeddings").vectors - whole.vectors).max() < 1e-3


def test_an_archive_without_a_usable_image_points_to_the_cleaning_report(archive: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"reports/cleaning\.csv"):
        embed(archive, tmp_path, images_of(archive).iloc[:0])


def test_a_file_that_changed_since_it_was_cleaned_stops_with_its_name(archive: Path, tmp_path: Path) -> None:
    images = images_of(archive)
    images.loc[5, "path"] = images.loc[6, "path"]
    with pytest.raises(UnreadableImage, match="has changed since the stage clean"):
        embed(archive, tmp_path, images)


def test_an_encoder_that_gives_no_numbers_is_refused(archive: Path, tmp_path: Path) -> None:
    encoder = small_encoder()
    next(encoder.parameters()).data.fill_(float("nan"))
    encoder.save(tmp_path / "broken")
    with pytest.raises(UserError, match="not finite"):
        embed(archive, tmp_path, images_of(archive), encoder_folder=tmp_path / "broken")


def test_the_threads_of_torch_are_as_before(archive: Path, tmp_path: Path) -> None:
    before = torch.get_num_threads()
    embed(archive, tmp_path, images_of(archive))
    assert torch.get_num_threads() == before


@pytest.mark.parametrize("cores", [1, 2, 8])
def test_the_number_of_cores_leaves_no_trace(archive: Path, tmp_path: Path, cores: int) -> None:
    images = images_of(archive)
    embed(archive, tmp_path / "here", images, precision="float32")
    with threads(cores):
        embed(archive, tmp_path / "there", images, precision="float32")
    assert contents(tmp_path / "here") == contents(tmp_path / "there")


def test_a_gpu_is_given_whole_batches_in_order(archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    images = images_of(archive)
    embed(archive, tmp_path / "processor", images, precision="float32")
    sizes = []

    class OnGpu:
        """An encoder that says it is on a GPU, and computes here."""

        dimension, preprocess = small_encoder().dimension, small_encoder().preprocess
        mean = type("Buffer", (), {"device": torch.device("cuda")})()

        def to(self, device: torch.device) -> "OnGpu":
            return self

        def embed_preprocessed(self, squares: np.ndarray, *, batch_size: int, precision: str) -> np.ndarray:
            sizes.append(len(squares))
            return small_encoder().embed_preprocessed(squares, batch_size=batch_size, precision="float32")

    monkeypatch.setattr(inference, "load_encoder", lambda _: OnGpu())
    monkeypatch.setattr(inference, "choose_device", lambda: torch.device("cuda"))
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    embed(archive, tmp_path / "gpu", images, batch_size=16, precision="float32")
    assert sizes == [16, 5]
    first, other = (read_embeddings(tmp_path / name / "embeddings") for name in ("processor", "gpu"))
    assert np.allclose(first.vectors, other.vectors, atol=1e-6)


def test_weights_cast_for_good_give_the_numbers_that_autocast_gives() -> None:
    squares = np.random.default_rng(0).integers(0, 256, (4, 32, 32, 1), np.uint8)
    encoder = build_encoder(backbone="timm/test_resnet", image_size=32, greyscale=True)
    before = encoder.embed_preprocessed(squares, batch_size=4, precision="bfloat16")
    cast_convolutions(encoder)
    assert {module.weight.dtype for module in encoder.modules() if isinstance(module, torch.nn.Conv2d)} == {
        torch.bfloat16
    }
    assert np.array_equal(encoder.embed_preprocessed(squares, batch_size=4, precision="bfloat16"), before)
