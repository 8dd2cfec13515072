"""Settings changed from the command line land in params.yaml, with its comments, or not at all."""

from pathlib import Path

import pytest

from cbir.base.errors import UserError
from flows.workspace.settings import is_empty, require_workspace, set_params
from tests.support.workspace import take_settings

PARAMS = """\
# the top
train:
  epochs: 30 # at most
  rate: 0.5
  method: simclr
  mean: []
  frozen: false
"""


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "params.yaml").write_text(PARAMS)
    return tmp_path


def test_a_value_is_set_and_every_other_byte_stays(workspace: Path) -> None:
    assert set_params(["train.epochs=15", "train.rate=0.5"]) == ["train.epochs: 30 → 15"]
    assert (workspace / "params.yaml").read_text() == PARAMS.replace("epochs: 30", "epochs: 15")


def test_lists_texts_and_flags_are_read_as_yaml(workspace: Path) -> None:
    set_params(["train.mean=[0.5, 0.5]", "train.method=none", "train.frozen=true", "train.rate=1"])
    assert set_params(["train.mean=[0.5, 0.5]", "train.method=none", "train.frozen=true", "train.rate=1"]) == []


@pytest.mark.parametrize(
    ("assignment", "sentence"),
    [
        ("train.epochs", "'train.epochs' lacks its value; write section.key=value, such as train.epochs=5"),
        ("epochs=5", "'epochs=5' lacks its section; did you mean train.epochs=5?"),
        ("train.epoch=5", "params.yaml has no train.epoch; did you mean train.epochs?"),
        ("train.accessions=[a]", "params.yaml has no train.accessions; its name is groundtruth.accessions now"),
        ("nothing=5", "'nothing=5' lacks its section; write section.key=value, such as train.epochs=5"),
        ("train.epochs=many", "train.epochs must be a whole number, is 'many'"),
        ("train.epochs=1.5", "train.epochs must be a whole number, is '1.5'"),
        ("train.frozen=1", "train.frozen must be true or false, is '1'"),
        ("train.mean=0.5", "train.mean must be a list, is '0.5'"),
        ("train.mean=[0.5", "train.mean: '[0.5' is no YAML value; put quotes around a text"),
    ],
)
def test_a_wrong_assignment_changes_nothing(workspace: Path, assignment: str, sentence: str) -> None:
    with pytest.raises(UserError) as refused:
        set_params(["train.rate=0.7", assignment])
    assert str(refused.value) == sentence
    assert (workspace / "params.yaml").read_text() == PARAMS


def test_a_folder_without_a_pipeline_is_no_workspace(workspace: Path) -> None:
    with pytest.raises(UserError, match=r"is in no cbir workspace \(no folder from here up has dvc.yaml and params"):
        require_workspace()


def test_a_params_file_without_a_section_that_a_stage_reads_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    take_settings()
    Path(".dvc").mkdir()
    assert require_workspace().raw == Path("data/raw")
    text = Path("params.yaml").read_text()
    Path("params.yaml").write_text(text.replace("\nplots:", "\nfigures:"))
    with pytest.raises(UserError, match=r"params\.yaml has no section plots, .* `cbir upgrade` adds it"):
        require_workspace()


def test_an_archive_is_empty_until_it_holds_a_folder(tmp_path: Path) -> None:
    assert is_empty(tmp_path / "raw")
    (tmp_path / "raw").mkdir()
    (tmp_path / "raw/README.md").touch()
    assert is_empty(tmp_path / "raw")
    (tmp_path / "raw/accession").mkdir()
    assert not is_empty(tmp_path / "raw")
