"""flows.pipeline.embed_workers: workers here or on Ray compute what the stage alone would."""

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import numpy as np
import psutil
import pytest
from PIL import Image
from ruamel.yaml import YAML

from cbir.archive.manifest import SCHEMA, Row, write_manifest
from cbir.base.errors import UserError
from cbir.embedding.files import read_embeddings
from cbir.encoders.encoder import build_encoder
from cbir.images.ids import image_ids
from flows.pipeline.embed_workers import Folders, _require_shared, embed_in_shards
from flows.pipeline.stages import StageError
from flows.processes.running import Running
from tests.support.toy import REPOSITORY, Workspace

pytestmark = pytest.mark.heavy
COUNT = 60
STAGE = {
    "cmd": "python -m tasks.embed",
    "params": ["images", "embed"],
    "deps": ["${paths.manifest}", "${paths.encoder}"],
    "outs": ["${paths.embeddings}"],
}


# Python imports it by itself at its start: a worker keeps every shard but the first until the file RELEASE is there.
HOLD = """
import sys
if "spawn_main" in " ".join(sys.orig_argv):
    import os, time
    import cbir.embedding.inference as inference
    embed = inference.embed_shard
    def held(*arguments, **options):
        from prefect.runtime import task_run
        while not task_run.name.startswith("embed shard 1 of") and not os.path.exists(os.environ["RELEASE"]):
            time.sleep(0.05)
        return embed(*arguments, **options)
    inference.embed_shard = held
"""


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory, prefect_environment: dict[str, str]) -> Workspace:
    """A workspace with a manifest and an encoder, whose one stage is embed; nothing has run yet."""
    folder = tmp_path_factory.mktemp("shards") / "workspace"
    (folder / "data/raw/one").mkdir(parents=True)
    chance = np.random.default_rng(0)
    rows = []
    for number in range(COUNT):
        path = folder / f"data/raw/one/{number}.png"
        Image.fromarray(chance.integers(0, 256, (6, 8), np.uint8)).resize((64, 48)).save(path)
        rows.append(_row(f"one/{number}.png", image_ids(path)[0]))
    write_manifest(folder / "data/manifest.parquet", rows)
    build_encoder(backbone="timm/test_resnet", image_size=32).save(folder / "models/encoder")
    (folder / "models/weights").mkdir()
    params = YAML().load(REPOSITORY / "params.yaml")
    params["tracking"]["uri"] = ""
    params["embed"]["precision"] = "float32"
    params["shards"]["rows"] = 16
    YAML().dump(params, folder / "params.yaml")
    YAML().dump({"stages": {"embed": STAGE}}, folder / "dvc.yaml")
    workspace = Workspace(folder, prefect_environment)
    workspace.command("git", "init", "-q")
    workspace.dvc("init", "-q")
    return workspace


def _row(path: str, image_id: str) -> Row:
    known = {"image_id": image_id, "path": path, "page": 0, "accession": "one", "bytes": 1, "status": "ok"}
    return Row(**{**dict.fromkeys(SCHEMA.names), **known, "width": 64, "height": 48})


@pytest.fixture(scope="module")
def alone(prepared: Workspace, tmp_path_factory: pytest.TempPathFactory) -> np.ndarray:
    """The vectors as the stage computes them without workers."""
    workspace = prepared.copy(tmp_path_factory.mktemp("alone") / "workspace")
    workspace.flow()
    return _vectors(workspace)


@pytest.fixture
def workspace(prepared: Workspace, tmp_path: Path) -> Workspace:
    return prepared.copy(tmp_path / "workspace")


def _vectors(workspace: Workspace) -> np.ndarray:
    return read_embeddings(workspace.folder / "data/embeddings").vectors


def _stored(workspace: Workspace) -> int:
    path = workspace.folder / ".store/embeddings.sqlite"
    if not path.exists():
        return 0
    with closing(sqlite3.connect(path)) as store, suppress(sqlite3.OperationalError):  # it is just being made
        return store.execute("SELECT COUNT(*) FROM entries").fetchone()[0]
    return 0


@pytest.mark.parametrize("runner", ["processes", "ray"])
def test_two_workers_give_the_bytes_that_the_stage_gives_alone(
    workspace: Workspace, alone: np.ndarray, runner: str
) -> None:
    output = workspace.flow("--set", "shards.workers=2", "--set", f"shards.runner={runner}").stderr
    assert f"{COUNT} images in 4 shards for 2 workers ({runner})" in output
    assert f"0 images computed, {COUNT} taken from the store" in output
    assert np.array_equal(_vectors(workspace), alone)
    assert workspace.is_clean()
    assert "shard" not in workspace.flow().stderr


@contextmanager
def _held_flow(workspace: Workspace) -> Iterator[tuple["subprocess.Popen[str]", Path]]:
    """A run with two workers that waits for its second shard, and the file that lets it go on."""
    hook, release = workspace.folder / "hook", workspace.folder / "release"
    hook.mkdir()
    (hook / "sitecustomize.py").write_text(HOLD)
    workspace.environment["PYTHONPATH"] = f"{hook}{os.pathsep}{workspace.environment['PYTHONPATH']}"
    workspace.environment["RELEASE"] = str(release)
    flow = workspace.start(*workspace.flow_words, "--set", "shards.workers=2")
    try:
        _wait(lambda: _stored(workspace) > 0, flow)
        yield flow, release
    finally:
        flow.kill()
        flow.communicate(timeout=60)
        release.touch()


def _workers(flow: "subprocess.Popen[str]") -> list[psutil.Process]:
    children = psutil.Process(flow.pid).children(recursive=True)
    return [child for child in children if "spawn_main" in " ".join(child.cmdline())]


def _wait(condition: Callable[[], bool], flow: "subprocess.Popen[str]", seconds: float = 240) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it took too long"
        assert flow.poll() is None, flow.communicate()[0]
        time.sleep(0.1)


def test_a_run_goes_on_when_a_worker_is_killed(workspace: Workspace, alone: np.ndarray) -> None:
    with _held_flow(workspace) as (flow, release):
        os.kill(_workers(flow)[0].pid, signal.SIGKILL)
        release.touch()
        output = flow.communicate(timeout=240)[0]
        assert flow.returncode == 0, output
    assert "the process of a worker was killed" in output
    assert np.array_equal(_vectors(workspace), alone)


def test_a_run_that_is_killed_leaves_no_worker_and_keeps_what_came_back(
    workspace: Workspace, alone: np.ndarray
) -> None:
    with _held_flow(workspace) as (flow, _):
        workers = _workers(flow)
        flow.kill()
    assert psutil.wait_procs(workers, timeout=10)[1] == []
    before = _stored(workspace)
    output = workspace.flow().stderr
    assert "is marked as crashed: its process died" in output
    assert f"{COUNT - before} of {COUNT - before} images embedded" in output
    assert np.array_equal(_vectors(workspace), alone)


def test_a_run_that_is_interrupted_ends_soon(workspace: Workspace) -> None:
    with _held_flow(workspace) as (flow, _):
        began = time.monotonic()
        os.kill(flow.pid, signal.SIGINT)
        flow.communicate(timeout=60)
        assert time.monotonic() - began < 20
        assert flow.returncode != 0


def test_an_image_that_no_worker_can_read_ends_in_one_sentence(workspace: Workspace) -> None:
    shutil.copy(workspace.folder / "data/raw/one/0.png", workspace.folder / "data/raw/one/1.png")
    done = workspace.flow("--set", "shards.workers=2", check=False)
    assert done.returncode != 0
    assert "error: embed: a worker on" in done.stderr
    assert "has changed since the stage clean" in done.stderr
    assert "Traceback" not in done.stderr


def test_without_workers_no_run_loads_what_only_they_need() -> None:
    code = (
        "import sys, flows.pipeline.flow; assert not {'torch', 'ray', 'cbir.embedding.inference'} & sys.modules.keys()"
    )
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    subprocess.run([sys.executable, "-c", code], env=environment, check=True, timeout=60)


def test_a_params_file_without_the_section_means_the_stage_alone(tmp_path: Path) -> None:
    (tmp_path / "params.yaml").write_text("embed: {}\n")
    lines: list[str] = []
    embed_in_shards(tmp_path, lambda _, line: lines.append(line), Running())
    assert lines == []
    assert [path.name for path in tmp_path.iterdir()] == ["params.yaml"]


def test_a_section_that_lacks_a_value_is_refused_in_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "params.yaml").write_text("shards: {runner: processes, workers: 2, address: ''}\n")
    with pytest.raises(StageError, match=r"^embed: params.yaml: shards.rows is missing; it must be a whole number and"):
        embed_in_shards(tmp_path, lambda *_: None, Running())


def test_a_worker_on_a_machine_without_the_shared_folder_says_so(tmp_path: Path) -> None:
    where = Folders(encoder=tmp_path, archive=tmp_path / "gone", store=tmp_path, host="here")
    with pytest.raises(UserError, match=r"gone is not on there: .* the same path on all"):
        _require_shared(where, "there")
