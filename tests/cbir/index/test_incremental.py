"""Neighbour lists that are extended are those of a search from scratch, number for number."""

from pathlib import Path

import numpy as np
import pytest

from cbir.embedding.files import Embeddings
from cbir.index import incremental as extension
from cbir.index.incremental import extended


def embeddings(rows: dict[str, np.ndarray]) -> Embeddings:
    ids = sorted(rows)
    vectors = np.stack([rows[name] for name in ids]).astype(np.float32)
    return Embeddings(np.array(ids, object), vectors / np.linalg.norm(vectors, axis=1, keepdims=True), "digest")


def lists(made: Embeddings, memory: Path, *, k: int = 5) -> tuple[list[list[str]], np.ndarray]:
    blocks = list(extended(made, k=k, memory=memory))
    near = np.concatenate([block.neighbours for block in blocks])
    return made.ids[near].tolist(), np.concatenate([block.similarity for block in blocks])


def assert_same(made: Embeddings, memory: Path, scratch: Path, *, k: int = 5) -> None:
    ours, theirs = lists(made, memory, k=k), lists(made, scratch, k=k)
    assert ours[0] == theirs[0]
    assert np.array_equal(ours[1], theirs[1])


def draw(chance: np.random.Generator, number: int, *, tied: bool) -> dict[str, np.ndarray]:
    """Images; with ``tied`` many have the very same vector."""
    values = chance.normal(size=(number, 8))
    if tied:
        values = np.round(values[chance.integers(0, max(1, min(4, number)), number)])
        values[:, 0] = 3
    return {f"{chance.integers(1 << 60):032x}": vector for vector in values}


@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize("seed", range(4))
def test_any_course_of_additions_and_removals_gives_the_lists_of_a_search_from_scratch(
    tmp_path: Path, tied: bool, seed: int
) -> None:
    chance = np.random.default_rng(seed)
    present = draw(chance, 3, tied=tied)
    for turn in range(12):
        present |= draw(chance, int(chance.integers(0, 12 if turn != 5 else 90)), tied=tied)
        for name in list(present)[: int(chance.integers(0, 3))]:
            if len(present) > 2:
                del present[name]
        assert_same(embeddings(present), tmp_path / "memory", tmp_path / f"scratch {turn}")


def test_only_what_is_new_is_searched_and_what_lost_a_neighbour(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    chance = np.random.default_rng(0)
    present = draw(chance, 300, tied=False)
    lists(embeddings(present), tmp_path)
    present |= draw(chance, 3, tied=False)
    with caplog.at_level("INFO"):
        lists(embeddings(present), tmp_path)
    searched = int(caplog.messages[-1].removeprefix("neighbours searched for ").split()[0])
    assert 3 <= searched <= 20
    assert caplog.messages[-1].endswith("kept lists updated with 3 new images")


def test_another_k_another_vector_and_another_version_are_not_taken_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    present = draw(np.random.default_rng(0), 40, tied=False)
    lists(embeddings(present), tmp_path / "memory")
    assert_same(embeddings(present), tmp_path / "memory", tmp_path / "a", k=7)
    present[min(present)] = -present[min(present)]
    assert_same(embeddings(present), tmp_path / "memory", tmp_path / "b")
    monkeypatch.setattr(extension, "VERSION", 99)
    lists(embeddings(present), tmp_path / "memory")
    assert len(list((tmp_path / "memory").iterdir())) == 3


def test_damaged_lists_are_made_anew(tmp_path: Path) -> None:
    present = draw(np.random.default_rng(0), 40, tied=False)
    lists(embeddings(present), tmp_path / "memory")
    (file,) = (tmp_path / "memory").iterdir()
    for content in (b"", b"nothing", file.read_bytes()[:2000]):
        file.write_bytes(content)
        assert_same(embeddings(present), tmp_path / "memory", tmp_path / f"scratch {len(content)}")


def test_one_image_has_no_neighbours(tmp_path: Path) -> None:
    assert list(extended(embeddings({"a": np.ones(3)}), k=5, memory=tmp_path)) == []
