"""The commands that look at a workspace and change its settings, in this process: what they print."""

import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from cbir.base.errors import UserError
from flows.cli import app
from flows.commands.speaking import PANELS, arrange
from tests.support.workspace import take_settings


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that looks like a workspace, without images, git and DVC."""
    monkeypatch.chdir(tmp_path)
    take_settings()
    (tmp_path / ".dvc/tmp").mkdir(parents=True)
    return tmp_path


def say(*words: str) -> str:
    """Returns the output of a command; its error is raised."""
    done = CliRunner().invoke(app, list(words), catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


def refusal(*words: str) -> str:
    """Returns the sentence with which a command refuses."""
    with pytest.raises(UserError) as refused:
        CliRunner().invoke(app, list(words), catch_exceptions=False)
    return str(refused.value)


def test_the_version_is_told() -> None:
    assert say("--version").startswith("cbir ")


def test_a_setting_is_shown_changed_and_compared_with_those_that_ship(workspace: Path) -> None:
    assert say("config", "get", "index.k") == "30\n"
    assert say("config", "diff") == ""
    assert say("config", "set", "index.k=50", "train.seed=3") == "index.k: 30 → 50\ntrain.seed: 0 → 3\n"
    assert "k: 50 # neighbours of every image" in Path("params.yaml").read_text()
    assert say("config", "diff").splitlines() == ["train.seed: 0 → 3", "index.k: 30 → 50"]
    assert json.loads(say("config", "diff", "--json")) == {"train.seed": [0, 3], "index.k": [30, 50]}
    assert say("config", "list", "index").splitlines()[:2] == ["index.kind = auto", "index.k = 50"]
    assert json.loads(say("config", "list", "--json"))["images.longest_side"] == 512


def test_a_wrong_setting_changes_none(workspace: Path) -> None:
    before = Path("params.yaml").read_bytes()
    assert refusal("config", "set", "train.seed=3", "index.k=0") == "params.yaml: index.k must be at least 1, is 0"
    assert refusal("config", "get", "index.kk") == "params.yaml has no index.kk; did you mean index.k?"
    assert refusal("config", "list", "indx").startswith("params.yaml has no section indx; there are paths, images,")
    assert Path("params.yaml").read_bytes() == before


def test_the_status_of_an_empty_workspace_says_how_to_begin(workspace: Path) -> None:
    lines = say("status", "--quick").splitlines()
    assert lines[0] == "archive    empty: bring images in with `cbir import DIR`, or try `cbir sample`"
    assert json.loads(say("status", "--quick", "--json"))["encoder"] is None


def test_the_status_shows_the_encoder_and_its_figures(workspace: Path) -> None:
    Path("data/raw/old").mkdir(parents=True)
    Path("models/encoder").mkdir(parents=True)
    Path("data/landing").mkdir()
    Path("data/landing/a.jpg").touch()
    Path("reports").mkdir()
    config = {"backbone": "timm/test_resnet", "image_size": 64, "training": {"method": "simclr"}}
    Path("models/encoder/config.json").write_text(json.dumps(config))
    Path("reports/metrics.json").write_text(json.dumps({"map@10": 0.5, "ci95": {}}))
    Path("reports/clean.json").write_text(json.dumps({"usable": 3, "exact_copies": 1, "rejected": 0}))
    lines = say("status", "--quick").splitlines()
    assert lines[:2] == [
        "archive    1 accession, 3 images, 1 exact copies, 0 rejected",
        "encoder    timm/test_resnet trained by simclr, 64 px; map@10 0.500",
    ]
    assert "landed     1 files wait in the landing folder: `cbir refresh`" in lines


def test_the_presets_are_listed_for_programs_too(workspace: Path) -> None:
    presets = json.loads(say("presets", "--json"))
    assert [line.split(None, 1) for line in say("presets").splitlines()] == [[*preset.values()] for preset in presets]
    assert presets[0]["name"] == "default"


def test_json_is_for_what_a_run_would_do(workspace: Path) -> None:
    assert refusal("run", "--json").startswith("--json is for --dry-run; after a run, `cbir status --json`")


def test_a_page_that_is_not_there_is_told_with_what_makes_it(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    assert refusal("open") == "reports/index.html is not there yet; `cbir run` makes it"
    assert refusal("open", "study") == "reports/study.html is not there yet; `cbir study` makes it"
    Path("reports").mkdir()
    Path("reports/index.html").touch()
    assert say("open") == "reports/index.html\n"


def test_a_table_is_written_by_the_name_of_its_file(workspace: Path) -> None:
    assert refusal("export", "groups", "groups.ods") == "groups.ods must be named .csv or .json"


def leaves(command: Any, words: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Yields the commands that do something, by the words that call them."""
    for name, each in getattr(command, "commands", {}).items():
        yield from leaves(each, (*words, name))
    if not hasattr(command, "commands"):
        yield words, command


def test_the_help_of_every_command_has_an_example_that_the_command_understands() -> None:
    for words, command in leaves(typer.main.get_command(app)):
        example = re.search(r"Example: cbir (.*)", command.help)
        assert example, words
        given = shlex.split(example[1])
        assert given[: len(words)] == [*words]
        parser = command.make_parser(command.context_class(command))
        assert parser.parse_args(given[len(words) :])[1] == [], example[0]


def test_iiif_is_written_into_a_new_folder_for_an_address_of_the_web(workspace: Path) -> None:
    assert refusal("export", "iiif", ".dvc").startswith(".dvc is there already; name a new folder")
    assert "--address must begin with http:// or https://" in refusal("export", "iiif", "new", "--address", "ftp://x")
    assert "the learned threshold" in refusal("export", "iiif", "new") and not Path("new").exists()


def test_every_command_has_its_place_in_the_help() -> None:
    arrange(app)
    shown = say("--help")
    assert all(f"─ {heading} ─" in shown for heading in PANELS)
    assert "─ Commands ─" not in shown
