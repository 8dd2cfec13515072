"""All settings are checked before any is written: each mistake is one sentence, and nothing heavy is loaded for it."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from cbir.base.errors import UserError
from flows.studies.presets import load_preset, preset_values
from flows.workspace.checks import SCHEMA, require_settings, require_stages, shipped_settings
from flows.workspace.settings import set_params, with_values
from tests.support.params_schema import as_text
from tests.support.workspace import ROOT, take_settings

MISTAKES = [
    ("train.epochs=-3", "params.yaml: train.epochs must be at least 1, is -3"),
    ("train.method=simclrr", "train.method must be one of classifier, clip, none, simclr, is 'simclrr'"),
    ("train.backbone=timm/resnet50x", "backbone timm/resnet50x is unknown; did you mean timm/resnet50"),
    ("train.backbone=timm/resnet50.a1_in1kk", "backbone timm/resnet50 has no pretrained tag 'a1_in1kk'; did you mean"),
    ("train.backbone=torchvision/resnet5", "backbone torchvision/resnet5 is unknown; did you mean torchvision/resnet"),
    ("train.backbone=open_clip/ViT-B-33", "backbone open_clip/ViT-B-33 is unknown; did you mean open_clip/ViT-"),
    ("train.backbone=open_clip/ViT-B-32:laion", "backbone open_clip/ViT-B-32 has no pretrained tag 'laion'"),
    ("train.backbone=keras/resnet", "backbone must be imagehash/NAME, open_clip/NAME, timm/NAME or torchvision/NAME"),
    ("train.weights=none.safetensors", "train.weights is 'none.safetensors', which is no file in models/weights"),
    ("train.backbone=timm/resnet50", "train.backbone of train.weights shipped is 'timm/mobilenetv2_100', is set to"),
    ("train.method=clip", "train.method clip needs a backbone that reads texts, timm/mobilenetv2_100 with pooling gem"),
    ("train.tune=lora", "train.tune lora is for train.method clip alone, is set with none"),
    ("train.restarts=[70]", "train.restarts must be rising epochs between 0 and train.epochs (60), is [70]"),
    ("train.devices=40", "train.batch_size must be at least 2 for each of 40 processes, is 64"),
    ("train.mean=[1, 2]", "mean must hold 1 or 3 numbers"),
    ("train.image_size=8", "image_size must be at least 32 px"),
    ("groundtruth.train=0.9", "groundtruth.train (0.9) and groundtruth.val (0.2) must be 1 at most together"),
    ("groundtruth.file=nope.xlsx", "groundtruth.file is nope.xlsx, but data/reference/nope.xlsx is not there"),
    ("groundtruth.layout=column", "groundtruth.file is empty, but groundtruth.layout is column"),
    ("groundtruth.accessions=[gone]", "groundtruth.accessions names gone, which is no accession of the archive"),
    ("index.k=0", "params.yaml: index.k must be at least 1, is 0"),
    ("embed.batch_size=0", "params.yaml: embed.batch_size must be at least 1, is 0"),
    ("group.thumbnail_side=600", "group.thumbnail_side must be at most images.longest_side (512), is 600"),
    ("promotion.significance=2.0", "params.yaml: promotion.significance must be above 0 and at most 1, is 2.0"),
    ("tracking.uri=", None),
]


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    take_settings()
    (tmp_path / "data/raw/old").mkdir(parents=True)
    return tmp_path


@pytest.mark.parametrize(("assignment", "sentence"), MISTAKES)
def test_a_mistake_is_refused_before_anything_is_written(
    workspace: Path, assignment: str, sentence: str | None
) -> None:
    before = Path("params.yaml").read_bytes()
    if sentence is None:
        assert set_params([assignment], check=require_settings)
        return
    with pytest.raises(UserError) as refused:
        set_params([assignment], check=require_settings)
    assert str(refused.value).startswith(sentence)
    assert len(str(refused.value).splitlines()) == 1
    assert Path("params.yaml").read_bytes() == before


def test_a_value_that_is_missing_is_told(workspace: Path) -> None:
    text = Path("params.yaml").read_text()
    Path("params.yaml").write_text(text.replace("  epochs: 60 # at most\n", ""))
    with pytest.raises(UserError, match=r"train.epochs is missing; it must be a whole number and at least 1"):
        set_params([], check=require_settings)


@pytest.mark.parametrize("name", sorted({path.stem for path in (ROOT / "presets").glob("*.yaml")} - {"sift"}))
def test_what_every_preset_sets_is_accepted(workspace: Path, name: str) -> None:
    shutil.copytree(ROOT / "presets", "presets")
    set_params([], preset=preset_values(load_preset(name)), check=require_settings)


def test_a_name_that_is_no_stage_is_told_with_those_that_are(workspace: Path) -> None:
    require_stages(["train", "group"])
    with pytest.raises(UserError, match="--force trian: there is no such stage; there are clean, groundtruth, train,"):
        require_stages(["train", "trian"])


def test_the_schema_is_that_of_the_signatures() -> None:
    """`python -m tests.support.params_schema` writes it anew."""
    assert SCHEMA.read_text(encoding="utf-8") == as_text()


def test_the_checks_load_no_network(workspace: Path) -> None:
    code = (
        "import json, sys\nfrom ruamel.yaml import YAML\nfrom flows.workspace.checks import require_settings\n"
        "require_settings(YAML(typ='safe').load(open('params.yaml')))\nprint(json.dumps(sorted(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"torch", "timm", "faiss", "prefect", "mlflow", "dvc.repo"} & set(json.loads(done.stdout))


def test_what_ships_is_not_what_a_clone_has_made_of_its_own_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shipped = shipped_settings()
    assert YAML(typ="safe").load(shipped)["groundtruth"]["file"] == ""
    changes = {"groundtruth.file": "groundtruth.xlsx", "train.mean": [0.5], "train.epochs": 3}
    (tmp_path / "params.yaml").write_text(with_values(shipped, changes)[0], encoding="utf-8")
    monkeypatch.setattr("flows.workspace.checks.TEMPLATE", tmp_path)
    values = YAML(typ="safe").load(shipped_settings())
    assert values == YAML(typ="safe").load(shipped)
