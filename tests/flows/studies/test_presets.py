"""Presets: what is shipped fits params.yaml, a preset means the same after any other, mistakes are one sentence."""

import io
import json
import shlex
from pathlib import Path
from typing import Any

import pytest
from dvc.utils.hydra import apply_overrides
from ruamel.yaml import YAML

from cbir.base.errors import UserError
from flows.studies.presets import DEFAULT, experiment_command, load_preset, preset_values, quick_values
from flows.workspace.checks import shipped_settings
from flows.workspace.settings import present, set_params, with_values
from tests.support.default_preset import default_preset
from tests.support.study_runs import with_presets
from tests.support.toy import Workspace

ROOT = Path(__file__).parents[3]
SHIPPED = sorted(path.stem for path in (ROOT / "presets").glob("*.yaml"))
TABLE = {
    "resnet50-imagenet", "dinov2-s14", "clip-b32-zeroshot", "clip-captions", "clip-captions-plain",
    "clip-captions-augmented", "simclr-press", "simclr-standard", "simclr-xray", "resnet152-scenes", "phash", "dhash",
    "sift", "press",
}  # fmt: skip
PARAMS = """\
train:
  method: simclr # how
  epochs: 30 # at most
  options: {} # of the model
  weights: "" # a file
  rate: 0.5
  workers: 1
"""
DEFAULTS = (
    "description: as it comes\nparams: {train: {method: simclr, epochs: 30, options: {}, weights: '', rate: 0.5}}\n"
)


def _read(text: str) -> dict[str, Any]:
    return YAML(typ="safe").load(io.StringIO(text))


@pytest.fixture
def shipped(monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(ROOT)
    return shipped_settings()


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "presets").mkdir()
    (tmp_path / "params.yaml").write_text(PARAMS)
    (tmp_path / "presets/default.yaml").write_text(DEFAULTS)
    _write(tmp_path, "a", "params: {train: {epochs: 5, options: {width: 8}}}")
    _write(tmp_path, "b", "params: {train: {method: none}}")
    return tmp_path


def _write(workspace: Path, name: str, text: str) -> None:
    (workspace / f"presets/{name}.yaml").write_text(f"description: preset {name}\n{text}\n")


def test_every_system_of_the_table_is_shipped() -> None:
    assert set(SHIPPED) == TABLE | {DEFAULT}


@pytest.mark.parametrize("name", SHIPPED)
def test_a_shipped_preset_fits_params_yaml(shipped: str, name: str) -> None:
    preset = load_preset(name)
    for values in (preset_values(preset), quick_values(preset)):
        params = _read(with_values(shipped, values)[0])
        assert {name: present(name, params) for name in values} == values


def test_the_default_preset_is_params_yaml_as_it_is_shipped(shipped: str) -> None:
    assert (ROOT / "presets/default.yaml").read_text(encoding="utf-8") == default_preset(), "run make presets"
    assert with_values(shipped, load_preset(DEFAULT).params) == (shipped, [])


def test_a_preset_after_another_leaves_nothing_of_it_behind(workspace: Path) -> None:
    set_params([], preset=preset_values(load_preset("a")))
    set_params([], preset=preset_values(load_preset("b")))
    assert (workspace / "params.yaml").read_text() == PARAMS.replace("method: simclr", "method: none")


def test_settings_that_no_preset_names_and_comments_stay(workspace: Path) -> None:
    set_params(["train.workers=4"])
    changes = set_params(["train.epochs=7"], preset=preset_values(load_preset("a")))
    assert changes == ["train.epochs: 30 → 7", "train.options: {} → {'width': 8}"]
    expected = PARAMS.replace("workers: 1", "workers: 4").replace("epochs: 30", "epochs: 7")
    assert (workspace / "params.yaml").read_text() == expected.replace("{} #", "{width: 8} #")


MISTAKES = {
    "params: {train: {epoch: 5}}": "params: params.yaml has no train.epoch; did you mean train.epochs?",
    "parms: {}": "parms is no part of a preset; its parts are description, published, params, quick, stage",
    "params: [train]": "params must hold sections of settings as params.yaml does, is ['train']",
    "params: {paths: {raw: x}}": "params: paths.raw is not for a preset to change; it may change none of paths, ",
    "published: {map@10: high}": "published must hold numbers by the names of metrics, is {'map@10': 'high'}",
    "stage: sieve": "stage 'sieve' is not in presets/stages",
    "params: {train: {workers: 2}}": "train.workers is not in presets/default.yaml; add it there with its default, so ",
}


@pytest.mark.parametrize(("text", "sentence"), MISTAKES.items())
def test_a_preset_that_is_not_as_it_must_be_is_one_sentence(workspace: Path, text: str, sentence: str) -> None:
    _write(workspace, "c", text)
    with pytest.raises(UserError) as refused:
        preset_values(load_preset("c"))
    assert str(refused.value).startswith(f"presets/c.yaml: {sentence}")
    assert "\n" not in str(refused.value)


def test_a_preset_that_is_no_yaml_is_one_sentence(workspace: Path) -> None:
    _write(workspace, "c", "params: {train: [")
    with pytest.raises(UserError, match=r"^presets/c.yaml is not valid YAML: ") as refused:
        load_preset("c")
    assert "\n" not in str(refused.value)


def test_a_value_of_another_kind_is_refused_and_nothing_written(workspace: Path) -> None:
    _write(workspace, "c", "params: {train: {method: none, epochs: many}}")
    with pytest.raises(UserError, match=r"train\.epochs must be a whole number, is 'many'"):
        set_params([], preset=preset_values(load_preset("c")))
    assert (workspace / "params.yaml").read_text() == PARAMS


@pytest.mark.parametrize(
    ("name", "hint"), [("simclr-pres", "did you mean simclr-press?"), ("../params", "there are default, ")]
)
def test_an_unknown_preset_is_named_with_the_nearest(shipped: str, name: str, hint: str) -> None:
    with pytest.raises(UserError) as refused:
        load_preset(name)
    assert str(refused.value).startswith(f"there is no preset '{name}' in presets; {hint}")


@pytest.mark.parametrize("name", [name for name in SHIPPED if name != "sift"])
def test_dvc_exp_run_gets_the_same_values(shipped: str, name: str, tmp_path: Path) -> None:
    values = preset_values(load_preset(name))
    dirty = with_values(shipped, {"train.backbone_options": {"pad_type": "same", "deep": {"er": [1]}}})[0]
    (tmp_path / "params.yaml").write_text(dirty)
    words = shlex.split(experiment_command(values))
    assert words[:3] == ["dvc", "exp", "run"]
    assert words[3::2] == ["-S"] * len(words[4::2])
    apply_overrides(tmp_path / "params.yaml", words[4::2])
    assert _read((tmp_path / "params.yaml").read_text()) == _read(with_values(shipped, values)[0])


def test_values_that_the_shell_or_hydra_would_read_otherwise_arrive_as_they_are(tmp_path: Path) -> None:
    values = {
        "a.empty": "",
        "a.null": "null",
        "a.number": "10",
        "a.words": "it's a:b, c=[d]",
        "a.map": {"x": {"y": ["z w"]}},
    }
    (tmp_path / "params.yaml").write_text(
        json.dumps({"a": {"empty": 1, "null": 1, "number": 1, "words": 1, "map": {"q": 1}}})
    )
    apply_overrides(tmp_path / "params.yaml", shlex.split(experiment_command(values))[4::2])
    written = _read((tmp_path / "params.yaml").read_text())["a"]
    assert {f"a.{key}": value for key, value in written.items()} == values


@pytest.mark.heavy
def test_presets_are_listed_a_line_each_and_one_is_run_by_dvc_as_by_cbir(toy: Workspace) -> None:
    workspace = with_presets(toy)
    listed = [line.split(maxsplit=1) for line in workspace.command("cbir", "presets").stdout.splitlines()]
    assert listed[0] == ["default", "as it comes"]  # its own, in place of the program's
    assert [name for name, _ in listed[1:]] == sorted({*SHIPPED, "tall", "wide"} - {DEFAULT})
    assert {"tall": "a taller third stage", "wide": "a wider second stage"}.items() <= dict(listed).items()
    before = _read((workspace.folder / "params.yaml").read_text())
    shown = workspace.flow("--preset", "wide", "--set", "third.factor=6").stderr
    assert "params.yaml: second.factor: 3 → 9" in shown
    by_cbir = (workspace.folder / "reports/metrics.json").read_bytes()
    workspace.flow("--preset", "default")
    assert _read((workspace.folder / "params.yaml").read_text()) == before
    workspace.ran()
    command = workspace.command("cbir", "presets", "wide").stdout.strip()
    workspace.command("sh", "-c", f"{command} -S third.factor=6")
    assert (workspace.folder / "reports/metrics.json").read_bytes() == by_cbir
    assert workspace.ran() == []  # restored: the same inputs to the letter
