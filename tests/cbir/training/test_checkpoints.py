"""cbir.training.checkpoints: whole or not at all, found again by what decides the training, and safe to read."""

from pathlib import Path
from typing import Any

import pytest
import torch

from cbir.training.checkpoints import checkpoint_key, checkpoint_path, read_checkpoint
from cbir.training.fitting.fit import AtomicCheckpoints


def test_a_checkpoint_is_read_as_it_was_written(tmp_path: Path) -> None:
    assert read_checkpoint(tmp_path) is None
    AtomicCheckpoints().save_checkpoint({"weights": torch.arange(3), "epoch": 2}, checkpoint_path(tmp_path))
    state = read_checkpoint(tmp_path)
    assert state is not None
    assert state["epoch"] == 2
    assert state["weights"].tolist() == [0, 1, 2]
    assert [path.name for path in tmp_path.iterdir()] == ["last.ckpt"]


def test_a_write_that_dies_leaves_the_checkpoint_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    AtomicCheckpoints().save_checkpoint({"epoch": 1}, checkpoint_path(tmp_path))

    def die(value: Any, path: Path) -> None:
        path.write_bytes(b"half")
        raise KeyboardInterrupt

    monkeypatch.setattr(torch, "save", die)
    with pytest.raises(KeyboardInterrupt):
        AtomicCheckpoints().save_checkpoint({"epoch": 2}, checkpoint_path(tmp_path))
    assert read_checkpoint(tmp_path) == {"epoch": 1}


def test_a_checkpoint_that_would_run_code_is_not_read(tmp_path: Path) -> None:
    torch.save({"callback": Path("/")}, checkpoint_path(tmp_path))
    with pytest.raises(Exception, match="Weights only load failed"):
        read_checkpoint(tmp_path)


def test_the_key_follows_from_facts_and_files_whatever_their_names(tmp_path: Path) -> None:
    for name, text in (("one", "rows"), ("same", "rows"), ("other", "other rows")):
        (tmp_path / name).write_text(text)
    facts = {"epochs": 3, "mean": [0.5]}
    key = checkpoint_key(facts, tmp_path / "one")
    assert len(key) == 32
    assert key == checkpoint_key(dict(reversed(facts.items())), tmp_path / "same")
    assert key != checkpoint_key(facts, tmp_path / "other")
    assert key != checkpoint_key(facts | {"epochs": 4}, tmp_path / "one")


def test_the_key_changes_with_the_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "training.py").write_text("epochs = 1")
    monkeypatch.setattr("cbir.training.checkpoints._CODE", [tmp_path])
    before = checkpoint_key({})
    (tmp_path / "training.py").write_text("epochs = 2")
    assert checkpoint_key({}) != before
