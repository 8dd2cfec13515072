"""Refresh of an archive that lives: images land, are brought in, reported and versioned, whatever kills the run."""

import os
import random
from collections import Counter
from pathlib import Path

import pytest

from tests.support.archive import (
    assign,
    brought_in,
    copy,
    encoder,
    fill,
    is_clean,
    kill_after,
    land,
    params,
    registered,
    small_disk,
)
from tests.support.workspace import Workspace

pytestmark = pytest.mark.heavy


@pytest.fixture
def workspace(sample: Workspace, tmp_path: Path) -> Workspace:
    return copy(sample, tmp_path / "workspace")


def test_what_landed_is_brought_in_reported_and_committed_and_nothing_is_trained(workspace: Workspace) -> None:
    assign(workspace, "version.commit=true")
    workspace.commit("to be committed from now on")
    hashes, before = land(workspace), encoder(workspace)
    done = workspace.command("cbir", "refresh")
    assert "3 new images" in done.stdout
    assert "1 exact copy, 1 rejected" in done.stdout
    assert "training on" not in done.stderr
    assert encoder(workspace) == before
    assert brought_in(workspace) == hashes
    assert is_clean(workspace)
    (page,) = (workspace.folder / "reports/arrivals").glob("*.html")
    assert "blurred é 0.jpg" in page.read_text(encoding="utf-8")
    assert "notes.txt" in page.read_text(encoding="utf-8")
    subject = workspace.command("git", "log", "-1", "--format=%s").stdout.strip()
    assert subject == f"cbir refresh: {page.stem}"
    assert workspace.command("git", "status", "--porcelain").stdout == ""
    trained = params(workspace)["groundtruth"]["accessions"]
    assert len(trained) == 3
    assert page.stem not in trained
    assert registered(workspace)[0] == "1"

    (workspace.folder / "data/landing/IMG_1.HEIC").write_bytes(bytes(100))
    for name, other in (("one", "two"), ("two", "one")):
        (workspace.folder / "data/landing" / name).symlink_to(other)
    again = workspace.command("cbir", "refresh")
    assert "nothing landed; left in the landing folder: 1 (HEIC, a format that is not read; convert" in again.stdout
    assert "2 (a link that leads back to itself)" in again.stdout
    workspace.command("dvc", "repro")
    assert encoder(workspace) == before
    assert is_clean(workspace)


def test_killed_at_any_moment_a_refresh_loses_and_doubles_nothing_and_the_next_one_completes(
    workspace: Workspace,
) -> None:
    chance = random.Random(os.environ.get("CBIR_KILL_SEED", "0"))
    hashes: Counter[str] = Counter()
    before = encoder(workspace)
    for turn in range(int(os.environ.get("CBIR_KILLS", "2"))):
        hashes += land(workspace, seed=turn)
        kill_after(workspace, chance.uniform(1, float(os.environ.get("CBIR_KILL_WITHIN", "10"))), "refresh")
        assert brought_in(workspace) == hashes
    workspace.command("cbir", "refresh")
    assert brought_in(workspace) == hashes
    assert not list((workspace.folder / "data/raw").glob(".*landing.tmp"))
    assert is_clean(workspace)
    assert encoder(workspace) == before
    reports = "".join(
        path.read_text(encoding="utf-8") for path in (workspace.folder / "reports/arrivals").glob("*.csv")
    )
    assert all(f"blurred é {turn}.jpg" in reports for turn in range(turn + 1))


def test_a_disk_that_is_full_at_any_moment_costs_no_more_than_the_run(sample: Workspace, tmp_path: Path) -> None:
    chance = random.Random(os.environ.get("CBIR_KILL_SEED", "0"))
    hashes: Counter[str] = Counter()
    with small_disk(tmp_path / "disk", megabytes=400) as disk:
        workspace = copy(sample, disk / "workspace")
        before = encoder(workspace)
        for turn in range(int(os.environ.get("CBIR_FULL_DISKS", "1"))):
            hashes += land(workspace, seed=turn)
            ballast = fill(disk, left=chance.randint(0, int(os.environ.get("CBIR_FULL_WITHIN", "4_000_000"))))
            done = workspace.command("cbir", "refresh", check=False)
            assert "Traceback" not in done.stderr
            assert done.returncode == 0 or "no space" in done.stderr.splitlines()[-1], done.stderr
            assert brought_in(workspace) == hashes
            ballast.unlink()
        workspace.command("cbir", "refresh")
        assert brought_in(workspace) == hashes
        assert encoder(workspace) == before
        assert is_clean(workspace)


def test_a_refresh_without_an_encoder_says_how_to_get_one(tmp_path: Path, sample: Workspace) -> None:
    empty = Workspace.make(tmp_path / "empty", sample.environment)
    done = empty.command("cbir", "refresh", check=False)
    assert done.returncode == 1
    assert "no encoder is in service yet: `cbir run` makes one" in done.stderr


def test_a_refresh_that_would_have_to_train_says_so_and_trains_nothing(workspace: Workspace) -> None:
    land(workspace)
    before = encoder(workspace)
    text = (workspace.folder / "params.yaml").read_text(encoding="utf-8")
    (workspace.folder / "params.yaml").write_text(text.replace("  epochs: 2", "  epochs: 3"), encoding="utf-8")
    done = workspace.command("cbir", "refresh", check=False)
    assert done.returncode == 1
    assert "train is out of date because train.epochs changed;" in done.stderr
    assert encoder(workspace) == before
