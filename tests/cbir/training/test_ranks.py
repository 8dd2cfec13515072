"""cbir.training.ranks: parts of batches, and losses of processes that train together."""

from pathlib import Path

import pandas as pd
import pytest
import torch
from torch import distributed, multiprocessing
from torch.nn import functional

from cbir.training import ranks
from cbir.training.batches import SpreadBatches
from cbir.training.methods.clip import MaskedClipLoss, gathered, same_pairs
from cbir.training.ranks import is_helper, own_part, place


def test_a_process_alone_takes_whole_batches() -> None:
    assert place() == (0, 1)
    assert own_part([3, 1, 2]) == [3, 1, 2]


def test_parts_are_disjoint_and_of_one_size(monkeypatch: pytest.MonkeyPatch) -> None:
    parts = []
    for rank in range(3):
        monkeypatch.setattr(ranks, "place", lambda rank=rank: (rank, 3))
        parts.append(own_part(list(range(11))))
    assert parts == [[0, 3, 6], [1, 4, 7], [2, 5, 8]]


def test_each_process_validates_on_four_images_or_more() -> None:
    images = pd.DataFrame({"image_id": list("abcdefghijklmnopqrstuvwx"), "group_id": ["one"] * 6 + [None] * 18})
    sizes = []
    for count in (1, 2):
        batches = SpreadBatches.of(images, batch_size=64, seed=0, validates=True, ranks=count)
        sizes.append(min(len(batch) // count for batch in batches))
    assert sizes == [4, 4]


@pytest.mark.parametrize(
    ("name", "value", "helps"), [("LOCAL_RANK", "0", 0), ("LOCAL_RANK", "1", 1), ("NODE_RANK", "2", 1)]
)
def test_helpers_know_themselves_by_their_environment(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, helps: int
) -> None:
    monkeypatch.setenv(name, value)
    assert is_helper() == bool(helps)


def _data() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    chance = torch.Generator().manual_seed(0)
    draw = torch.randn(2, 8, 5, generator=chance)
    tokens = torch.arange(8)[:, None].repeat(1, 3)
    tokens[5] = tokens[2]
    return draw[0], draw[1], tokens, torch.arange(8)


def _gradient(rows: slice) -> torch.Tensor:
    """Computes the gradient of a weight that makes vectors of images, by the loss of captions."""
    images, texts, tokens, group = (part[rows] for part in _data())
    weight = torch.eye(5, requires_grad=True)
    vectors = gathered(functional.normalize(images @ weight)), gathered(functional.normalize(texts))
    same = same_pairs(gathered(tokens), gathered(group))
    MaskedClipLoss(same)(*vectors, torch.tensor(3.0)).backward()
    assert weight.grad is not None
    return weight.grad


def _of_one(rank: int, folder: str) -> None:
    distributed.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=2)
    gradient = _gradient(slice(4 * rank, 4 * rank + 4))
    distributed.all_reduce(gradient)  # as DDP does: the mean over processes
    torch.save(gradient / 2, f"{folder}/{rank}.pt")
    distributed.destroy_process_group()


@pytest.mark.heavy
def test_two_processes_have_the_gradient_of_the_whole_batch(tmp_path: Path) -> None:
    multiprocessing.spawn(_of_one, args=(str(tmp_path),), nprocs=2)
    whole = _gradient(slice(0, 8))
    for rank in range(2):
        assert torch.allclose(torch.load(tmp_path / f"{rank}.pt", weights_only=True), whole, atol=1e-6)
