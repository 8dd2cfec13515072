"""The order of test files, for two workers that take a file at a time and should end together."""

from pathlib import Path

TESTS = Path(__file__).parents[1]
# The second file needs no sample workspace, which the worker that has the first one makes meanwhile.
LONGEST = (
    "flows/pipeline/test_flow.py",
    "flows/pipeline/test_embed_workers.py",
    "flows/test_retrain.py",
    "flows/studies/test_study.py",
    "flows/unattended/test_refresh.py",
    "flows/test_serve.py",
    "flows/test_attacks.py",
    "tasks/test_month.py",
    "tasks/test_train.py",
    "flows/test_end_to_end.py",
    "flows/test_invariants.py",
    "cbir/figures/test_projections.py",
    "flows/test_remotes.py",
    "cbir/encoders/backbones/test_real_models.py",
    "flows/studies/test_presets.py",
    "flows/repository/test_versioning.py",
    "flows/test_cli.py",
)


def place(file: Path) -> int:
    """Returns the place of a test file among all: those that take longest come first, the others as they are."""
    name = file.relative_to(TESTS).as_posix()
    return LONGEST.index(name) if name in LONGEST else len(LONGEST)
