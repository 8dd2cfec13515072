"""A stage that makes something else of the same small archive has another version: archives run it again by that alone.

It cannot notice changes below the tolerance of figures that go through floating point (cosines, probabilities,
metrics, weights), for they differ from machine to machine; the pixels of figures, thumbnails and overlays, whose names
and sizes it compares; numbers on pages and in workbooks, of which it compares all else; the order of equals; what only
other settings, formats or larger archives show. A change of a library has the same effect as one of the code.
"""

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tasks.harness.settings import read_yaml, written
from tasks.harness.versions import stage_versions
from tests.support import golden

TOLERANCE = 0.005  # absolute and relative; a processor without AVX differs by less than a tenth of it
MADE = json.loads(golden.GOLDEN.read_text(encoding="utf-8"))
ANEW = "write tests/golden.json anew (python -m tests.support.golden), and look at its difference"


def differences(made: Any, before: Any, place: str = "") -> Iterator[str]:
    """Yields where two outcomes differ by more than the tolerance."""
    if isinstance(made, dict) and isinstance(before, dict) and made.keys() == before.keys():
        for name in made:
            yield from differences(made[name], before[name], f"{place}.{name}".removeprefix("."))
    elif isinstance(made, list) and isinstance(before, list) and len(made) == len(before):
        for at, pair in enumerate(zip(made, before, strict=True)):
            yield from differences(*pair, f"{place}[{at}]")
    elif isinstance(made, float) and isinstance(before, float):
        if not math.isclose(made, before, rel_tol=TOLERANCE, abs_tol=TOLERANCE):
            yield f"{place}: {before} → {made}"
    elif made != before:
        yield f"{place}: {before!r:.200} → {made!r:.200}"


def sources() -> dict[str, set[str]]:
    """Returns by stage those whose outputs it reads, directly or through others."""
    graph = read_yaml(golden.ROOT / "dvc.yaml")["stages"]
    made_by = {output: stage for stage, described in graph.items() for output in written(described)}
    stages = graph | read_yaml(golden.ROOT / "presets/stages/sift.yaml")["stages"]
    before: dict[str, set[str]] = {}
    for stage in golden.STAGES:  # each after those that it reads from
        read = {made_by.get(dep) or made_by.get(dep.rpartition("/")[0]) for dep in stages[stage]["deps"]}
        direct = {source for source in read if source}
        before[stage] = direct.union(*(before[source] for source in direct))
    return before


def verdict(changed: dict[str, list[str]], versions: dict[str, int], kept: dict[str, int]) -> str:
    """Says what is to do about stages that make something else than was kept; empty where nothing is.

    The stages behind one that changed see other inputs: they run again by themselves, and tell nothing of their code.
    """
    other = {stage for stage, places in changed.items() if places}
    for stage in [stage for stage in changed if stage in other and versions[stage] == kept[stage]]:
        if not other & sources()[stage]:
            way = f"raise {stage} in tasks/versions.yaml from {kept[stage]} to {kept[stage] + 1}, then {ANEW}"
            return f"{stage} writes otherwise than before ({'; '.join(changed[stage][:3])}): {way}"
    raised = [stage for stage in versions if versions[stage] != kept.get(stage)]
    return f"{', '.join(raised)}: raised in tasks/versions.yaml; {ANEW}" if raised else ""


@pytest.mark.heavy
def test_a_stage_that_writes_otherwise_has_another_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    made = golden.as_json(golden.outcome(golden.run_stages()))
    changed = {stage: [*differences(made[stage], MADE["stages"][stage])] for stage in made}
    assert verdict(changed, stage_versions(), MADE["versions"]) == ""


def test_every_stage_with_a_version_is_looked_at() -> None:
    assert golden.STAGES.keys() == stage_versions().keys() == MADE["stages"].keys() == MADE["versions"].keys()


def test_the_kept_outputs_are_of_the_present_versions() -> None:
    assert verdict({}, stage_versions(), MADE["versions"]) == ""


def test_the_stage_to_raise_is_the_one_that_changed_and_not_those_behind_it() -> None:
    kept = dict.fromkeys(golden.STAGES, 4)
    changed = {"clean": [], "match": ["likely: 1 → 2"], "group": ["groups: 3 → 4"]}
    said = verdict(changed, kept, kept)
    assert said.startswith("match writes otherwise than before (likely: 1 → 2): raise match in tasks/versions.yaml")
    raised = kept | {"match": 5}
    assert verdict(changed, raised, kept).startswith("match: raised in tasks/versions.yaml; write tests/golden.json")
    assert verdict(changed | {"robustness": ["a: 1 → 2"]}, raised, kept).startswith("robustness writes otherwise")
    assert verdict({"clean": []}, kept, kept) == ""


def test_what_a_stage_reads_follows_from_the_graph() -> None:
    before = sources()
    assert before["clean"] == set()
    assert before["match"] == {"clean", "groundtruth", "train", "embed", "index"}
    assert before["sift"] == {"clean", "groundtruth"}
    assert "group" not in before["robustness"]


def test_a_change_of_a_word_a_whole_number_or_a_name_is_a_difference_and_one_of_bits_is_none() -> None:
    before = {"a": [1, "x", 0.5, None], "b": {"c": True}}
    assert [*differences({"a": [1, "x", 0.502, None], "b": {"c": True}}, before)] == []
    assert [*differences({"a": [2, "y", 0.6, 0], "b": {"d": True}}, before)] == [
        "a[0]: 1 → 2",
        "a[1]: 'x' → 'y'",
        "a[2]: 0.5 → 0.6",
        "a[3]: None → 0",
        "b: {'c': True} → {'d': True}",
    ]
