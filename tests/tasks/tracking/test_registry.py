"""The registry follows the encoder on disk, whoever moved either of them, and knows how each version was made."""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from cbir.base.errors import UserError
from cbir.encoders.encoder import build_encoder
from cbir.encoders.files import encoder_digest
from tasks.harness.settings import PARAMS, load_paths, read_yaml
from tasks.tracking import registry
from tasks.tracking.connection import Pipeline, connection, load_tracking
from tasks.tracking.facts import Ran
from tasks.tracking.registry import answer
from tasks.tracking.runs import record
from tests.support.outputs import make_outputs, settings

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*AnyType:UserWarning"),
    pytest.mark.filterwarnings("ignore:.*input example:UserWarning"),
]

MODEL = "cbir-encoder"
Ask = Callable[..., Any]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A workspace whose registry has three versions, each trained in a run of its own; the third is on disk."""
    folder = tmp_path_factory.mktemp("registry") / "workspace"
    folder.mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "environ", os.environ.copy())
        make_outputs(folder)
        patch.chdir(folder)
        for number in (1, 2, 3):
            _change("train", epochs=number, **({"accessions": []} if number == 1 else {}))
            _change("groundtruth", accessions=["first"] if number == 2 else [])
            _make_encoder(folder / f"encoders/{number}", seed=number)
            _put_on_disk(number)
            record(Ran("train", 1.0), Pipeline(f"run-{number}", 0.0, "cbir run"))
        yield folder


@pytest.fixture
def ask(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Ask]:
    """A function of the registry asked on a copy of the workspace's registry."""
    monkeypatch.chdir(trained)
    shutil.copy("mlflow.db", tmp_path / "mlflow.db")
    _change("tracking", uri=f"sqlite:///{tmp_path.as_posix()}/mlflow.db")
    params = read_yaml(PARAMS)
    tracking, paths = load_tracking(params), load_paths(params)
    with connection(tracking, paths) as (client, experiment):
        asked = registry.Registry(client, experiment, tracking, paths)

        def function(name: str, *arguments: Any) -> Any:
            return getattr(registry, name)(asked, *arguments)

        function.client = client  # type: ignore[attr-defined]
        yield function


def _change(section: str, **values: Any) -> None:
    params = read_yaml(PARAMS)
    params[section] |= values
    YAML().dump(params, PARAMS)


def _make_encoder(folder: Path, *, seed: int) -> None:
    build_encoder(backbone="timm/test_resnet", image_size=64, greyscale=True, seed=seed).save(folder)


def _put_on_disk(number: int) -> None:
    for file in Path(f"encoders/{number}").iterdir():
        shutil.copy(file, Path("models/encoder") / file.name)


def _champion(ask: Ask) -> str | None:
    aliases = ask.client.get_registered_model(MODEL).aliases  # type: ignore[attr-defined]
    return str(aliases["champion"]) if "champion" in aliases else None


def _tags(ask: Ask, number: int) -> dict[str, str]:
    return ask.client.get_model_version(MODEL, str(number)).tags  # type: ignore[attr-defined]


def _serve(ask: Ask, *numbers: int) -> str:
    """The encoders of these versions on disk, one after the other, each noticed; what the last look said."""
    said = ""
    for number in numbers:
        _put_on_disk(number)
        said = ask("sync")
    return said


def test_the_alias_follows_the_encoder_on_disk_and_a_second_look_says_nothing(ask: Ask) -> None:
    assert _serve(ask, 1) == f"in service: version 1 of {MODEL}"
    assert _champion(ask) == "1"
    assert ask("sync") == ""
    assert "previous" not in _tags(ask, 1)
    assert _serve(ask, 3) == f"in service: version 3 of {MODEL}"
    assert _champion(ask) == "3"
    assert _tags(ask, 3)["previous"] == "1"


def test_an_alias_that_was_moved_by_hand_is_moved_back_with_the_way_to_promote(ask: Ask) -> None:
    _serve(ask, 1, 2)
    ask.client.set_registered_model_alias(MODEL, "champion", "1")  # type: ignore[attr-defined]
    assert ask("sync") == (
        "the alias champion was moved to version 1, but version 2 is in service: moved back; "
        "`cbir promote 1` puts the other one into service"
    )
    assert _champion(ask) == "2"
    assert _tags(ask, 2)["previous"] == "1"
    ask.client.delete_registered_model_alias(MODEL, "champion")  # type: ignore[attr-defined]
    assert ask("sync") == f"in service: version 2 of {MODEL}"
    assert _champion(ask) == "2"


def test_every_promotion_leaves_a_way_back_and_going_it_keeps_the_one_before(ask: Ask) -> None:
    _serve(ask, 1, 2, 3)
    assert ask("describe", "previous").number == 2
    _serve(ask, 2)  # a rollback
    assert _tags(ask, 2)["previous"] == "1"
    assert ask("describe", "previous").number == 1
    _serve(ask, 3, 1)  # an earlier one is promoted
    assert _tags(ask, 1)["previous"] == "3"


def test_what_was_killed_between_two_of_its_steps_is_taken_up_again(ask: Ask) -> None:
    _serve(ask, 1)
    _put_on_disk(2)
    ask.client.set_registered_model_alias(MODEL, "champion", "2")  # type: ignore[attr-defined]
    assert ask("sync") == f"in service: version 2 of {MODEL}"
    assert _tags(ask, 2)["previous"] == "1"
    assert ask("sync") == ""


def test_an_encoder_on_disk_that_is_not_registered_becomes_a_version_that_can_be_described(ask: Ask) -> None:
    _make_encoder(Path("encoders/4"), seed=4)
    assert _serve(ask, 3, 4) == f"in service: version 4 of {MODEL}"
    made = ask("describe", "4")
    assert (made.number, made.digest) == (4, encoder_digest(Path("encoders/4")))
    assert made.previous == "3"
    assert made.values["groundtruth.accessions"] == ["first"]


def test_a_version_is_described_with_the_settings_of_its_training_and_its_accessions_by_name(ask: Ask) -> None:
    made = ask("describe", "1")
    assert made.digest == encoder_digest(Path("encoders/1"))
    assert (made.values["train.epochs"], made.values["groundtruth.accessions"]) == (1, ["first"])
    images = {name: value for name, value in made.values.items() if name.startswith("images.")}
    assert images == {f"images.{key}": value for key, value in settings(Path())["images"].items()}
    assert ask("describe", "2").values["train.epochs"] == 2


def test_a_version_from_before_the_accessions_moved_is_described_by_the_present_names(ask: Ask) -> None:
    old = ask.client.search_model_versions(f"name = '{MODEL}' AND version_number = '1'")[0]  # type: ignore[attr-defined]
    assert "accessions" in read_yaml(Path(ask.client.download_artifacts(old.run_id, "params.yaml")))["train"]  # type: ignore[attr-defined]
    present = {f"{section}.{key}" for section, values in settings(Path()).items() for key in values}
    assert ask("describe", "1").values.keys() <= present


def test_what_cannot_be_described_is_refused_in_one_sentence(ask: Ask) -> None:
    with pytest.raises(UserError, match=rf"{MODEL} has no version 9; there are 1, 2, 3"):
        ask("describe", "9")
    _serve(ask, 1)
    with pytest.raises(UserError, match="nothing to go back to"):
        ask("describe", "previous")
    ask.client.delete_model_version_tag(MODEL, "2", "encoder")  # type: ignore[attr-defined]
    with pytest.raises(UserError, match=r"version 2 .* was not registered by this program"):
        ask("describe", "2")


def test_a_decision_is_on_the_version_of_the_challenger_also_where_its_training_was_not_recorded(
    ask: Ask, trained: Path, tmp_path: Path
) -> None:
    root = tmp_path / "challenger"
    shutil.copytree(trained, root, ignore=shutil.ignore_patterns("mlflow.db", "mlruns", "encoders"))
    shutil.rmtree(root / "models/encoder")
    _make_encoder(root / "models/encoder", seed=5)
    decision = {"promoted": False, "reason": "not better", "numbers": {"map@10": 0.25, "p_value": 0.123456789}}
    assert ask("note_decision", root, decision) == 4
    tags = _tags(ask, 4)
    assert {name: value for name, value in tags.items() if name.startswith("gate.")} == {
        "gate.promoted": "false",
        "gate.reason": "not better",
        "gate.map_at_10": "0.25",
        "gate.p_value": "0.123457",
    }
    assert tags["encoder"] == encoder_digest(root / "models/encoder")
    assert not (root / "mlflow.db").exists()
    assert Path.cwd() == trained


def test_the_registry_of_the_workspace_answers(trained: Path, tmp_path: Path) -> None:
    shutil.copy(trained / "mlflow.db", tmp_path / "mlflow.db")
    _change("tracking", uri=f"sqlite:///{tmp_path.as_posix()}/mlflow.db")
    _put_on_disk(2)
    assert answer(registry.keep_reports, "", []) == f"in service: version 2 of {MODEL}"
    assert answer(registry.describe, "2").values["train.epochs"] == 2
    with pytest.raises(UserError, match="has no version 8; there are 1, 2, 3"):
        answer(registry.describe, "8")


def test_without_tracking_there_is_no_registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    params = settings(tmp_path)
    params["tracking"]["uri"] = ""
    YAML().dump(params, tmp_path / "params.yaml")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=r"^tracking\.uri is empty in params\.yaml, so there is no registry: set it$"):
        answer(registry.sync)
