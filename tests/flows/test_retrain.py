"""A challenger takes the place of the encoder in service only when it is measurably better, whatever kills the run."""

import os
import random
import shutil
import time
from pathlib import Path

import openpyxl
import pytest

from tests.support.archive import assign, copy, encoder, is_clean, kill, kill_after, params, registered, start
from tests.support.workspace import Workspace

pytestmark = pytest.mark.heavy
BAD, GOOD = "train.learning_rate=0.3", "train.learning_rate=0.003"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, sample: Workspace) -> Workspace:
    """A workspace with the badly trained encoder in service, and settings of a better one for the next."""
    workspace = copy(sample, tmp_path_factory.mktemp("served") / "workspace")
    workspace.command("cbir", "refresh")
    assign(workspace, GOOD, "promotion.significance=1.0", "promotion.tolerance=1.0")
    return workspace


@pytest.fixture(scope="module")
def promoted(served: Workspace, tmp_path_factory: pytest.TempPathFactory) -> tuple[Workspace, str, str]:
    """A copy in which a challenger took its place, and what the retraining said."""
    workspace = copy(served, tmp_path_factory.mktemp("promoted") / "workspace")
    done = workspace.command("cbir", "retrain")
    return workspace, done.stdout, done.stderr


@pytest.fixture
def workspace(served: Workspace, tmp_path: Path) -> Workspace:
    return copy(served, tmp_path / "workspace")


@pytest.fixture
def second(promoted: tuple[Workspace, str, str], tmp_path: Path) -> Workspace:
    """A copy of the workspace with the challenger in service."""
    return copy(promoted[0], tmp_path / "workspace")


def test_where_the_gate_holds_the_challenger_is_in_service_and_trained_once(
    served: Workspace, promoted: tuple[Workspace, str, str]
) -> None:
    workspace, said, log = promoted
    assert "version 2 is in service, better: embedding_map@10" in said
    assert "challenger/train: ran" in log
    assert "\ntrain: restored from the run cache" in log
    assert encoder(workspace) != encoder(served)
    champion, tags = registered(workspace)
    assert (champion, tags["2"]["previous"], tags["2"]["gate.promoted"]) == ("2", "1", "true")
    assert float(tags["2"]["gate.embedding_map_at_10"]) > float(tags["2"]["gate.embedding_map_at_10_in_service"])
    assert {"gate.difference", "gate.low", "gate.high", "gate.p_value", "gate.recall_at_p90"} <= set(tags["2"])
    assert is_clean(workspace)


def test_where_it_does_not_the_challenger_is_registered_and_the_one_in_service_untouched(workspace: Workspace) -> None:
    assign(workspace, "promotion.significance=0.000001")  # below 1 in 10,001, the smallest p-value that there is
    before, settings = encoder(workspace), (workspace.folder / "params.yaml").read_bytes()
    done = workspace.command("cbir", "retrain")
    assert "version 2 is not promoted, the gain may be chance: embedding_map@10" in done.stdout
    assert encoder(workspace) == before
    assert (workspace.folder / "params.yaml").read_bytes() == settings
    champion, tags = registered(workspace)
    assert (champion, tags["2"]["gate.promoted"]) == ("1", "false")
    assert "previous" not in tags["2"]
    assign(workspace, BAD)  # as it is in service
    assert is_clean(workspace)


def test_killed_at_any_moment_nothing_is_half_promoted_and_the_next_run_completes(workspace: Workspace) -> None:
    chance = random.Random(os.environ.get("CBIR_KILL_SEED", "0"))
    first = encoder(workspace)
    for _ in range(int(os.environ.get("CBIR_KILLS", "2"))):
        kill_after(workspace, chance.uniform(2, float(os.environ.get("CBIR_KILL_WITHIN", "10"))), "retrain")
    workspace.command("cbir", "retrain")
    assert encoder(workspace) != first
    champion, tags = registered(workspace)
    assert (champion, list(tags)) == ("2", ["1", "2"])  # however often it began, it was trained to the same bytes
    assert tags["2"]["previous"] == "1"
    assert is_clean(workspace)
    assert "nothing new to learn" in workspace.command("cbir", "retrain").stdout


def test_a_metric_that_is_none_is_told_before_anything_is_trained(workspace: Workspace) -> None:
    assign(workspace, "promotion.metric=map@7")
    done = workspace.command("cbir", "retrain", check=False)
    assert done.returncode == 1
    assert "error: promotion.metric is 'map@7', which is no metric of the queries" in done.stderr
    assert "challenger/" not in done.stderr


def test_a_rollback_restores_the_one_before_and_promote_the_one_after_and_nothing_trains(second: Workspace) -> None:
    better = encoder(second)
    back = second.command("cbir", "rollback")
    assert "version 1 is in service" in back.stdout
    assert encoder(second) != better
    assert params(second)["train"]["learning_rate"] == 0.3
    assert registered(second)[0] == "1"
    assert is_clean(second)
    further = second.command("cbir", "rollback", check=False)
    assert further.returncode == 1
    assert "error: there is nothing to go back to" in further.stderr
    again = second.command("cbir", "promote", "2")
    assert encoder(second) == better
    assert params(second)["train"]["learning_rate"] == 0.003
    assert registered(second)[0] == "2"
    assert is_clean(second)
    assert "training on" not in back.stderr + again.stderr
    assert "version 2 is in service already" in second.command("cbir", "promote", "2").stdout


def test_what_cannot_be_restored_is_refused_in_one_sentence_and_nothing_is_touched(second: Workspace) -> None:
    done = second.command("cbir", "promote", "7", check=False)
    assert "error: cbir-encoder has no version 7; there are 1, 2" in done.stderr

    book = openpyxl.load_workbook(second.folder / "data/reference/groundtruth.xlsx")
    assert book.active is not None
    book.active.delete_rows(1, book.active.max_row // 2)
    book.save(second.folder / "data/reference/groundtruth.xlsx")
    before, settings = encoder(second), (second.folder / "params.yaml").read_bytes()
    done = second.command("cbir", "promote", "1", check=False)
    assert done.returncode == 1
    assert "error: version 1 cannot be restored: data/training.parquet changed since it was trained" in done.stderr

    shutil.rmtree(second.folder / ".dvc/cache/runs")
    done = second.command("cbir", "promote", "1", check=False)
    assert "error: version 1 cannot be restored: DVC remembers no training with its settings" in done.stderr
    assert encoder(second) == before
    assert (second.folder / "params.yaml").read_bytes() == settings


def test_killed_after_the_settings_were_written_the_next_run_goes_on_to_the_new_encoder(second: Workspace) -> None:
    better, settings = encoder(second), (second.folder / "params.yaml").read_bytes()
    process = start(second, "rollback")
    end = time.monotonic() + 180
    while (second.folder / "params.yaml").read_bytes() == settings:
        assert process.poll() is None
        assert time.monotonic() < end
        time.sleep(0.02)
    kill(process)
    done = second.command("cbir", "refresh")
    assert "training on" not in done.stderr
    assert encoder(second) != better
    assert registered(second)[0] == "1"
    assert is_clean(second)


def test_a_promotion_that_cannot_come_to_its_end_is_taken_back(second: Workspace) -> None:
    better = encoder(second)
    assign(second, 'robustness.chosen=["nowhere.jpg"]')
    settings = (second.folder / "params.yaml").read_bytes()
    done = second.command("cbir", "promote", "1", check=False)
    assert done.returncode == 1
    assert "nowhere.jpg" in done.stderr.splitlines()[-1]
    assert "params.yaml is as it was" in done.stderr.splitlines()[-1]
    assert (second.folder / "params.yaml").read_bytes() == settings
    assert encoder(second) == better
