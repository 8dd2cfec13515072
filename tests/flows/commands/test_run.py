"""A worse encoder of `cbir run`: the settings from before come back, and the encoder with them, unless one says yes."""

from pathlib import Path
from typing import Any

import pytest

from flows.commands import run
from tasks.harness.settings import PARAMS

WORSE = "map@10 0.200, in service 0.250"


@pytest.fixture
def settings_of_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A workspace whose settings a run has changed; the settings of each run that follows."""
    monkeypatch.chdir(tmp_path)
    PARAMS.write_text("train: {epochs: 2}\n")
    settings: list[str] = []

    def note(*_: Any) -> tuple[list[Any], str | None]:
        settings.append(PARAMS.read_text())
        return [], None

    monkeypatch.setattr(run, "run_flow", note)
    return settings


def test_it_is_refused_and_a_run_with_the_settings_from_before_brings_the_old_one_back(
    settings_of_runs: list[str],
) -> None:
    outcomes, failure = run._settled(["ran"], "train: {epochs: 12}\n", WORSE)
    assert settings_of_runs == ["train: {epochs: 12}\n"] == [PARAMS.read_text()]
    assert outcomes == []
    assert failure is not None
    assert failure.startswith(f"the new encoder is worse: {WORSE}; ")
    assert "--yes" in failure


def test_it_stays_where_someone_at_the_terminal_says_so(
    settings_of_runs: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin.isatty", lambda: True)
    monkeypatch.setattr(run.typer, "confirm", lambda question, err: WORSE in question)
    assert run._settled(["ran"], "train: {epochs: 12}\n", WORSE) == (["ran"], None)
    assert settings_of_runs == []


def test_where_no_setting_changed_it_is_only_said(
    settings_of_runs: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    assert run._settled(["ran"], PARAMS.read_text(), WORSE) == (["ran"], None)
    assert settings_of_runs == []
    assert WORSE in caplog.text
