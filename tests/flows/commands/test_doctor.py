"""`cbir doctor`: each part that is broken is told in a line, with what to do, and ends the command with 1."""

import json
import socket
import sqlite3
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from typer.testing import CliRunner

import cbir.training.shipped.loading as shipped
from cbir.store import Store, damage_of
from flows.cli import app
from flows.commands import health
from flows.repository.making import begin_versions
from tasks.harness.settings import load_paths, read_yaml
from tests.support.workspace import ROOT, take_settings


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that looks like a workspace; what takes seconds to examine is sound."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    monkeypatch.setattr(health, "INSTALLED", {"disk": health.disk, "libraries": health.libraries})
    looks = {name: look for name, look in health.WORKSPACE.items() if name not in ("machine", "git and DVC")}
    monkeypatch.setattr(health, "WORKSPACE", looks)
    take_settings()
    (tmp_path / ".dvc/tmp").mkdir(parents=True)
    return tmp_path


def examined(code: int) -> dict[str, tuple[str, str]]:
    """Returns state and sentence by part, of a command that ends with a code."""
    done = CliRunner().invoke(app, ["doctor", "--json"], catch_exceptions=False)
    assert done.exit_code == code, done.output
    return {each["part"]: (each["state"], each["says"]) for each in json.loads(done.output)}


def test_a_sound_workspace_has_a_line_a_part_and_nothing_broken(workspace: Path) -> None:
    parts = examined(0)
    assert {"Python", "workspace", "disk", *health.INSTALLED, *health.WORKSPACE} == {*parts}
    assert parts["encoder in use"] == ("note", "none is here yet: `cbir run`")
    assert parts["libraries"][0] == "ok" and "torch 2" in parts["libraries"][1]
    lines = CliRunner().invoke(app, ["doctor"]).output.splitlines()
    assert len(lines) == len(parts) and lines[0].startswith("Python           ok      3.")


def test_outside_of_a_workspace_installation_and_machine_are_examined(workspace: Path) -> None:
    Path("dvc.yaml").unlink()
    assert examined(0)["workspace"][0] == "note"


def break_store() -> None:
    store = Store(Path(".store/features.sqlite"))
    store.put_many((f"{number}", bytes(3000)) for number in range(100))
    store.close()
    content = bytearray(store.path.read_bytes())
    content[16384 * 3 : 16384 * 5] = b"\xff" * 16384 * 2
    store.path.write_bytes(content)


def break_setting() -> None:
    text = Path("params.yaml").read_text()
    Path("params.yaml").write_text(text.replace("  k: 30 ", "  k: 0 "))


def name_a_dead_server() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    text = Path("params.yaml").read_text()
    Path("params.yaml").write_text(text.replace("sqlite:///mlflow.db", f"http://127.0.0.1:{port}"))


def break_decisions() -> None:
    Path("data").mkdir()
    Path("data/decisions.csv").write_text("no,such,columns\n1,2,3\n")


def break_encoder() -> None:
    Path("models/encoder").mkdir(parents=True)
    Path("models/encoder/config.json").write_text("{")


@pytest.mark.parametrize(
    ("harm", "part", "sentence"),
    [
        (break_store, "stores", "features.sqlite is damaged"),
        (break_setting, "settings", "index.k must be at least 1"),
        (name_a_dead_server, "servers", "MLflow (tracking.uri) does not answer at 127.0.0.1"),
        (break_decisions, "decisions", "decisions.csv"),
        (break_encoder, "encoder in use", "models/encoder holds no encoder"),
    ],
)
def test_a_broken_part_is_told_and_the_others_are_examined_all_the_same(
    workspace: Path, harm: Callable[[], None], part: str, sentence: str
) -> None:
    harm()
    parts = examined(1)
    assert [name for name, (state, _) in parts.items() if state == "broken"] == [part]
    assert sentence in parts[part][1]


def test_a_package_of_another_version_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health.metadata, "requires", lambda _: ["numpy<1", "absent>=2", 'moto; extra == "dev"'])
    state, says = health.libraries()
    assert state == "broken"
    assert says == "missing or of another version: numpy<1, absent>=2; pip install --upgrade cbir"


def test_a_full_disk_is_broken_and_a_small_one_worth_a_note(monkeypatch: pytest.MonkeyPatch) -> None:
    states: list[Any] = []
    for free in (1 << 29, 3 << 30, 1 << 40):
        monkeypatch.setattr(health.shutil, "disk_usage", lambda _, free=free: SimpleNamespace(free=free))
        states.append(health._finding("disk", health.disk).state)
    assert states == ["broken", "note", "ok"]


def test_git_and_dvc_are_told_with_what_is_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    begin_versions(tmp_path, git=True)
    state, says = health.versions(load_paths(read_yaml(ROOT / "params.yaml")))
    assert state == "note" and says.startswith("DVC 3.") and "git add --all" in says


@pytest.mark.heavy
def test_shipped_weights_that_embed_otherwise_are_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shipped, "ALIKE", 1.1)
    finding = health._finding("shipped weights", health.shipped_encoder)
    assert finding.state == "broken" and "install cbir again" in finding.says


def test_looking_for_damage_changes_no_database(tmp_path: Path) -> None:
    file = tmp_path / "mlflow.db"
    with sqlite3.connect(file) as database:
        database.execute("CREATE TABLE runs (name TEXT)")
    database.close()
    before = file.read_bytes()
    assert damage_of(file) == ""
    assert file.read_bytes() == before and [path.name for path in tmp_path.iterdir()] == ["mlflow.db"]
