"""Settings are checked against the signature of the stage that takes them."""

from pathlib import Path
from typing import Any, Literal

import pytest

from cbir.base.errors import UserError
from tasks.harness import settings
from tasks.harness.settings import Paths, arguments, dependencies, load_paths, read_yaml

PATHS = "paths: {" + ", ".join(f"{name}: p/{name}" for name in Paths.__dataclass_fields__) + "}\n"


def toy(
    paths: Paths, *, side: int, rate: float, kind: Literal["a", "b"], names: list[str], options: dict[str, Any]
) -> None:
    """A stage of many kinds of settings."""


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "dvc.yaml").write_text(
        "stages: {toy: {cmd: python -m tasks.toy, params: [toy, other.side], deps: ['${paths.raw}', code.py]}}"
    )
    write(tmp_path)
    return tmp_path


def write(
    folder: Path, toy: str = "rate: 1, kind: a, names: [x], options: {}", other: str = "side: 3, more: 1"
) -> None:
    (folder / "params.yaml").write_text(f"{PATHS}toy: {{{toy}}}\nother: {{{other}}}\n")


def test_a_section_and_a_single_value_of_another_reach_the_function(workspace: Path) -> None:
    values = arguments(toy)
    assert values.pop("paths").raw == Path("p/raw")
    assert values == {"side": 3, "rate": 1, "kind": "a", "names": ["x"], "options": {}}


@pytest.mark.parametrize(
    ("section", "sentence"),
    [
        ("rate: 1, kindd: a", "params.yaml: toy.kindd is no parameter; did you mean kind?"),
        ("rate: fast, kind: a", "params.yaml: toy.rate must be a number, is 'fast'"),
        ("rate: true, kind: a", "params.yaml: toy.rate must be a number, is True"),
        ("rate: 1, kind: c", "params.yaml: toy.kind must be one of a, b, is 'c'"),
        ("rate: 1, kind: a, names: [1]", "params.yaml: toy.names must be of type list[str], is [1]"),
        ("rate: 1, kind: a, names: []", "params.yaml: toy.options is missing"),
    ],
)
def test_a_wrong_setting_is_refused_in_one_sentence(workspace: Path, section: str, sentence: str) -> None:
    write(workspace, toy=section)
    with pytest.raises(UserError) as refused:
        arguments(toy)
    assert str(refused.value).startswith(sentence)


@pytest.mark.parametrize("name", ["accessions", "other"])
def test_a_setting_that_has_another_name_now_is_refused_with_the_new_one(
    workspace: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setitem(settings.RENAMED, f"toy.{name}", "toy.kind")
    write(workspace, toy=f"rate: 1, {name}: [a]")
    with pytest.raises(UserError) as refused:
        arguments(toy)
    assert str(refused.value) == f"params.yaml: toy.{name} is no parameter; its name is toy.kind now"
    write(workspace, toy="rate: 1, names: [], options: {}")
    with pytest.raises(UserError, match=rf"^params.yaml: toy.kind is missing; .*; where toy.{name} stands, rename it$"):
        arguments(toy)


@pytest.mark.parametrize("old", settings.RENAMED)
def test_a_new_name_is_one_of_params_yaml_and_the_old_one_is_none(old: str) -> None:
    params = read_yaml(Path(__file__).parents[3] / "params.yaml")
    new_section, new_key = settings.RENAMED[old].split(".")
    assert new_key in params[new_section]
    section, key = old.split(".")
    assert key not in params[section]


def test_a_folder_without_params_is_no_workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match="run this in the project's folder"):
        read_yaml(Path("params.yaml"))


def test_params_that_are_no_yaml_are_refused_in_one_line(workspace: Path) -> None:
    (workspace / "params.yaml").write_text("a: [1\nb: }")
    with pytest.raises(UserError, match=r"^params.yaml is not valid YAML: [^\n]*$"):
        read_yaml(Path("params.yaml"))


def test_the_dependencies_of_a_stage_are_those_of_the_graph_with_paths_filled_in(workspace: Path) -> None:
    values, paths = dependencies("toy")
    assert values["other.side"] == 3
    assert paths == [Path("p/raw"), Path("code.py")]


def test_a_path_that_is_missing_is_refused_in_one_sentence() -> None:
    with pytest.raises(UserError, match=r"^params.yaml: paths.raw is missing; it must be a text$"):
        load_paths({"paths": {"store": ".store"}})
