"""Stage train: params in, the encoder's folder out, as a process that can be killed."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from ruamel.yaml import YAML
from safetensors.torch import save_file

from cbir.base.errors import UserError
from cbir.base.files import write_parquet
from cbir.encoders.encoder import build_encoder, load_encoder
from cbir.images.ids import image_ids
from cbir.training.objective import PREDICTIONS
from cbir.training.shipped.loading import load_shipped
from cbir.training.trainer import HISTORY
from tasks.harness.settings import Paths, grouped, load_paths, read_yaml, schema
from tasks.train import train
from tests.support.clip import TINY as TINY_CLIP

PROJECT = Path(__file__).parents[2]
TINY = {
    "method": "simclr",
    "weights": "none",
    "backbone": "timm/test_resnet",
    "image_size": 32,
    "batch_size": 8,
    "epochs": 2,
    "projection": 16,
    "precision": "float32",
    "workers": 0,
}


def settings(**changes: Any) -> dict[str, Any]:
    params = read_yaml(PROJECT / "params.yaml")
    return {**params["images"], **params["train"], **TINY, **changes}


@pytest.fixture
def paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Paths:
    """A workspace of 24 images, 4 of them of split test and not even there."""
    monkeypatch.chdir(tmp_path)
    paths = load_paths(read_yaml(PROJECT / "params.yaml"))
    chance = np.random.default_rng(0)
    rows = []
    for n in range(24):
        path = paths.raw / f"first/{n:02}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        coarse = chance.integers(0, 256, (5, 5), dtype=np.uint8)
        cv2.imwrite(str(path), cv2.resize(coarse, (64, 48), interpolation=cv2.INTER_CUBIC))
        split = "test" if n >= 20 else None
        rows.append((image_ids(path)[0], f"group {n}" if split else None, split, f"first/{n:02}.png", 0))
        if split:
            path.unlink()
    columns = [pa.array(column) for column in zip(*sorted(rows), strict=True)]
    table = pa.table(columns, names=["image_id", "group_id", "split", "path", "page"])
    for name in ("class", "caption", "caption_en"):
        table = table.append_column(name, pa.nulls(len(table), pa.string()))
    write_parquet(paths.training, table)
    return paths


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_params_yaml_holds_what_the_stage_takes() -> None:
    assert sorted(settings()) == sorted(schema(train))


def test_the_encoder_its_facts_and_its_history_are_written_and_a_rerun_gives_the_same_bytes(paths: Paths) -> None:
    train(paths, **grouped(train, settings(whitening="pca")))
    first = files(paths.encoder)
    assert sorted(first) == ["config.json", "history.parquet", "model.safetensors", "predictions.parquet"]
    facts = json.loads(first["config.json"])["training"]
    assert facts["method"] == "simclr"
    assert facts["accessions"] == ["first"]
    assert facts["epochs"] == 2
    assert facts["best_epoch"] in (1, 2)
    assert facts["images"] + facts["validation_images"] == 20
    assert facts["settings"]["augmentation"] == "press"
    assert str(paths.raw.absolute()) not in first["config.json"].decode()
    history = pq.read_table(paths.encoder / "history.parquet")
    assert history.schema == HISTORY
    assert len(history) == 4
    assert pq.read_table(paths.encoder / "predictions.parquet").equals(PREDICTIONS.empty_table())
    assert not list((paths.store / "checkpoints").iterdir())
    train(paths, **grouped(train, settings(whitening="pca", workers=1)))
    assert files(paths.encoder) == first


def test_none_writes_the_backbone_whatever_the_settings_and_the_images_of_training_are(paths: Paths) -> None:
    train(paths, **grouped(train, settings(method="none")))
    first = files(paths.encoder)
    assert pq.read_table(paths.encoder / "history.parquet").equals(HISTORY.empty_table())
    image = np.zeros((40, 40), np.uint8)
    expected = build_encoder(backbone=TINY["backbone"], image_size=32, greyscale=True).embed([image])
    assert np.array_equal(load_encoder(paths.encoder).embed([image]), expected)
    table = pq.read_table(paths.training).slice(3)  # an archive that grows embeds nothing anew
    write_parquet(paths.training, table)
    train(paths, **grouped(train, settings(method="none", temperature=0.5, epochs=9, augmentation="simclr")))
    assert files(paths.encoder) == first


def test_as_shipped_the_stage_writes_the_encoder_that_comes_with_cbir(paths: Paths) -> None:
    params = read_yaml(PROJECT / "params.yaml")
    train(paths, **grouped(train, params["images"] | params["train"]))
    image = np.arange(3600, dtype=np.uint8).reshape(60, 60)
    assert np.array_equal(load_encoder(paths.encoder).embed([image]), load_shipped({}).embed([image]))
    facts = json.loads((paths.encoder / "config.json").read_text())["training"]
    assert facts["method"] == "none"
    assert facts["weights"].startswith("shipped, sha256:")


def test_training_goes_on_from_what_ships_and_learns_a_centre_of_its_own(paths: Paths) -> None:
    started = {"weights": "shipped", "backbone": "timm/mobilenetv2_100", "epochs": 1, "freeze_batch_norm": True}
    slow = {"projection": 0, "learning_rate": 1e-5, "head_learning_rate": 1e-5}
    train(paths, **grouped(train, settings(**started, **slow, whitening="centre")))
    shipped, trained = load_shipped({}).state_dict(), load_encoder(paths.encoder).state_dict()
    assert not torch.equal(trained["whitening.mean"], shipped["whitening.mean"])
    moved = [(trained[name] - shipped[name]).abs().max() for name in shipped if name.endswith("conv_pw.weight")]
    assert all(0 < distance < 1e-3 for distance in moved)


def test_a_clip_model_is_written_with_its_text_tower_and_its_own_preprocessing(paths: Paths) -> None:
    own = {"backbone": "open_clip/ViT-B-32", "backbone_options": TINY_CLIP, "pooling": "native", "greyscale": False}
    train(paths, **grouped(train, settings(method="none", image_size=0, resize="model", **own)))
    encoder = load_encoder(paths.encoder, text=True)
    assert (encoder.config.image_size, encoder.config.resize) == (32, "model")
    assert encoder.config.scaling is not None
    assert encoder.embed_texts(["a horse"]).shape == (1, 24)
    first = files(paths.encoder)
    train(paths, **grouped(train, settings(method="none", image_size=0, resize="model", **own)))
    assert files(paths.encoder) == first


def test_weights_are_known_by_their_content(paths: Paths) -> None:
    state = build_encoder(backbone=TINY["backbone"], image_size=32, seed=9).backbone.model.state_dict()
    state = {name: value.contiguous() for name, value in state.items()}
    paths.weights.mkdir(parents=True)
    for folder in ("here", "there"):
        save_file(state, paths.weights / f"{folder}.safetensors")
        train(paths, **grouped(train, settings(method="none", weights=f"{folder}.safetensors")))
        Path(folder, "encoder").mkdir(parents=True)
        for name, content in files(paths.encoder).items():
            Path(folder, "encoder", name).write_bytes(content)
    assert files(Path("here/encoder")) == files(Path("there/encoder"))
    facts = json.loads(Path("here/encoder/config.json").read_text())["training"]
    assert facts["weights"].startswith("sha256:")


@pytest.mark.parametrize("weights", ["../away.safetensors", "/away.safetensors", "missing.safetensors"])
def test_weights_lie_where_dvc_sees_them(paths: Paths, weights: str) -> None:
    with pytest.raises(UserError, match="is no file in models/weights: copy it there and give its name") as refused:
        train(paths, **grouped(train, settings(weights=weights)))
    assert f"train.weights is {weights!r}" in str(refused.value)


def test_without_training_images_it_says_which_stage_to_run(paths: Paths) -> None:
    paths.training.unlink()
    with pytest.raises(UserError, match=r"is not there; `cbir run` makes it \(stage groundtruth\)"):
        train(paths, **grouped(train, settings()))


def test_a_wrong_setting_leaves_the_encoder_before(paths: Paths) -> None:
    train(paths, **grouped(train, settings(method="none")))
    first = files(paths.encoder)
    with pytest.raises(UserError, match=r"train.method must be one of .*, is 'byol'"):
        train(paths, **grouped(train, settings(method="byol")))
    assert files(paths.encoder) == first


@pytest.mark.heavy
def test_killed_as_a_process_it_goes_on_and_gives_the_same_bytes(paths: Paths) -> None:
    params = read_yaml(PROJECT / "params.yaml") | {"tracking": {"uri": ""}}
    params["train"] |= {**TINY, "epochs": 20, "patience": 20, "workers": 1}
    with Path("params.yaml").open("w") as file:
        YAML().dump(params, file)
    Path("dvc.yaml").write_bytes((PROJECT / "dvc.yaml").read_bytes())
    command = [sys.executable, "-m", "tasks.train"]
    environment = {**os.environ, "PYTHONPATH": str(PROJECT)}
    process = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE)
    deadline = time.monotonic() + 120
    while not list(paths.store.glob("checkpoints/*/last.ckpt")):
        assert process.poll() is None, process.stderr and process.stderr.read().decode()
        assert time.monotonic() < deadline
        time.sleep(0.05)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    assert not paths.encoder.exists()
    resumed = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert "going on after epoch" in resumed.stderr
    first = files(paths.encoder)
    train(paths, **grouped(train, settings(epochs=20, patience=20)))
    assert files(paths.encoder) == first


def test_a_classifier_writes_what_it_says_of_the_images_of_val_and_test(paths: Paths) -> None:
    table = pq.read_table(paths.training).to_pandas()
    table = table[table["split"].isna()].assign(split=["train", "train", "train", "val", "test"] * 4)
    table["class"] = ["a", "b"] * 10
    write_parquet(paths.training, pa.Table.from_pandas(table, preserve_index=False))
    train(paths, **grouped(train, settings(method="classifier", augmentation="mild", class_balance="loss", epochs=1)))
    predictions = pq.read_table(paths.encoder / "predictions.parquet")
    assert predictions.schema == PREDICTIONS
    assert sorted(predictions["split"].to_pylist()) == ["test"] * 4 + ["val"] * 4
    assert set(predictions["predicted"].to_pylist()) <= {"a", "b"}


def test_clip_without_captions_says_in_one_sentence_what_to_set(paths: Paths) -> None:
    clip = {"backbone": "open_clip/ViT-B-32", "backbone_options": TINY_CLIP, "pooling": "native"}
    with pytest.raises(UserError, match=r"images with a caption that may train, there are 0; set groundtruth.captions"):
        train(paths, **grouped(train, settings(method="clip", **clip)))


@pytest.mark.heavy
def test_two_processes_train_together_and_one_of_them_writes(paths: Paths) -> None:
    done = train_as_process(paths, devices=2)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("epoch 2:") == 1
    facts = json.loads((paths.encoder / "config.json").read_text())["training"]
    assert facts["settings"]["ranks"] == 2
    assert facts["epochs"] == 2
    assert len(pq.read_table(paths.encoder / "history.parquet")) == 4
    assert np.isfinite(load_encoder(paths.encoder).embed([np.zeros((40, 40), np.uint8)])).all()
    assert not list((paths.store / "checkpoints").iterdir())
    first = files(paths.encoder)
    assert train_as_process(paths, devices=2).returncode == 0
    assert files(paths.encoder) == first


@pytest.mark.heavy
def test_a_mistake_of_two_processes_is_one_sentence(paths: Paths) -> None:
    done = train_as_process(paths, devices=2, learning_rate=1e30)
    assert done.returncode == 2
    assert "lower train.learning_rate" in done.stderr
    assert "Traceback" not in done.stderr
    assert not paths.encoder.exists()


def train_as_process(paths: Paths, **changes: Any) -> "subprocess.CompletedProcess[str]":
    """`python -m tasks.train` in the workspace, as DVC runs it."""
    params = read_yaml(PROJECT / "params.yaml")
    params["train"] |= {**TINY, **changes}
    params["tracking"]["uri"] = ""
    YAML().dump(params, Path("params.yaml"))
    graph = {"stages": {"train": {**read_yaml(PROJECT / "dvc.yaml")["stages"]["train"], "deps": ["${paths.training}"]}}}
    YAML().dump(graph, Path("dvc.yaml"))
    environment = {**os.environ, "PYTHONPATH": str(PROJECT), "TQDM_DISABLE": "1"}
    command = [sys.executable, "-m", "tasks.train"]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, check=False)
