"""A stage runs only as the version that dvc.yaml asks for."""

import pytest

from cbir.base.errors import UserError
from tasks.harness.versions import require_version, version_in


def test_a_version_is_read_from_a_command_and_a_command_of_a_clone_has_none() -> None:
    assert version_in("python -m tasks.match --stage-version=12") == 12
    assert version_in(["--stage-version=3"]) == 3
    assert version_in("python -m tasks.match") is None


def test_a_stage_without_a_version_or_with_this_programs_runs() -> None:
    require_version("match", [], {"match": 2})
    require_version("match", ["--stage-version=2"], {"match": 2})


@pytest.mark.parametrize(
    ("asked", "way"), [(1, "run `cbir run`, which follows the program"), (3, "install the newer cbir")]
)
def test_another_version_is_refused_with_the_way_out(asked: int, way: str) -> None:
    with pytest.raises(UserError) as refused:
        require_version("match", [f"--stage-version={asked}"], {"match": 2})
    assert str(refused.value) == f"dvc.yaml asks for version {asked} of match, and this cbir has 2: {way}"
