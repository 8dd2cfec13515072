"""A challenger takes the place of the encoder in service only when it is measurably better, whatever kills the run."""

import os
import random
import shutil
from pathlib import Path

import pytest

from benchmarks.workspace import Workspace
from tests.flows.encoders import GOOD, assign, encoder, is_clean, kill_after, registered


@pytest.fixture
def workspace(served: Workspace, tmp_path: Path) -> Workspace:
    """A copy of the workspace, to be changed at will; the settings are better ones than those of the encoder."""
    shutil.copytree(served.folder, tmp_path / "workspace", symlinks=True)
    workspace = Workspace(tmp_path / "workspace", served.environment)
    assign(workspace, GOOD, "promotion.significance=1.0", "promotion.tolerance=1.0")
    return workspace


def test_where_the_gate_holds_the_challenger_is_in_service_and_trained_once(workspace: Workspace) -> None:
    before = encoder(workspace)
    done = workspace.command("cbir", "retrain")
    assert "version 2 is in service, better: map@10" in done.stdout
    assert "challenger/train: ran" in done.stderr
    assert "\ntrain: restored from the run cache" in done.stderr
    assert encoder(workspace) != before
    champion, tags = registered(workspace)
    assert (champion, tags["2"]["previous"], tags["2"]["gate.promoted"]) == ("2", "1", "true")
    assert float(tags["2"]["gate.map_at_10"]) > float(tags["2"]["gate.map_at_10_in_service"])
    assert {"gate.difference", "gate.low", "gate.high", "gate.p_value", "gate.recall_at_p90"} <= set(tags["2"])
    assert is_clean(workspace)
    again = workspace.command("cbir", "retrain")
    assert "nothing new to learn" in again.stdout
    assert "training on" not in again.stderr
    assert registered(workspace)[0] == "2"


def test_where_it_does_not_the_challenger_is_registered_and_the_one_in_service_untouched(workspace: Workspace) -> None:
    assign(workspace, "promotion.significance=0.000001")  # below 1 in 10,001, the smallest p-value that there is
    before, settings = encoder(workspace), (workspace.folder / "params.yaml").read_bytes()
    done = workspace.command("cbir", "retrain")
    assert "version 2 is not promoted, the gain may be chance: map@10" in done.stdout
    assert encoder(workspace) == before
    assert (workspace.folder / "params.yaml").read_bytes() == settings
    champion, tags = registered(workspace)
    assert (champion, tags["2"]["gate.promoted"]) == ("1", "false")
    assert "previous" not in tags["2"]
    assign(workspace, "train.learning_rate=0.3")  # as it is in service
    workspace.run()
    assert encoder(workspace) == before
    assert is_clean(workspace)


def test_killed_at_any_moment_nothing_is_half_promoted_and_the_next_run_completes(workspace: Workspace) -> None:
    chance = random.Random(os.environ.get("CBIR_KILL_SEED", "0"))
    first = encoder(workspace)
    for _ in range(int(os.environ.get("CBIR_KILLS", "3"))):
        kill_after(workspace, chance.uniform(2, float(os.environ.get("CBIR_KILL_WITHIN", "40"))), "retrain")
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


def test_without_tracking_the_gate_decides_all_the_same(workspace: Workspace) -> None:
    assign(workspace, "tracking.uri=")
    before = encoder(workspace)
    assert "the challenger is in service, better: map@10" in workspace.command("cbir", "retrain").stdout
    assert encoder(workspace) != before
    assert is_clean(workspace)
