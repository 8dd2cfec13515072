"""Ranges of settings stand in the signatures: a value out of its range is refused with the rule."""

from pathlib import Path
from typing import Any

import pytest

from cbir.base.errors import UserError
from tasks.clean import clean
from tasks.embed import embed
from tasks.evaluate import evaluate
from tasks.groundtruth import groundtruth
from tasks.group import group
from tasks.harness.settings import check, load_section, read_yaml, schema
from tasks.index import index
from tasks.match import match
from tasks.plots import plots
from tasks.robustness import robustness
from tasks.sift import sift
from tasks.train import train
from tests.support.params_schema import SECTIONS

ROOT = Path(__file__).parents[3]
STAGES = {
    stage.__name__: stage
    for stage in (clean, groundtruth, train, embed, index, match, evaluate, group, plots, robustness, sift)
}
PART, PROBABILITY = "it is a part of the pairs", "it is a probability"
RULES = [
    ("clean.max_pixels", 0, "at least 1, is 0"),
    ("clean.max_bytes", 0, "at least 1, is 0"),
    ("clean.min_side", -1, "at least 0, is -1"),
    ("clean.blank_deviation", -0.5, "at least 0, is -0.5"),
    ("clean.timeout", 0, "above 0, is 0"),
    ("clean.workers", -1, "at least 0, is -1"),
    ("train.temperature", 0.0, "above 0, is 0.0"),
    ("train.learning_rate", -1.0, "above 0, is -1.0"),
    ("train.head_learning_rate", float("nan"), "above 0, is nan"),
    ("train.batch_size", 1, "at least 2, is 1"),
    ("train.epochs", 0, "at least 1, is 0"),
    ("train.epochs", 1.5, "a whole number, is 1.5"),
    ("train.epochs", True, "a whole number, is True"),
    ("train.epochs", "1", "a whole number, is '1'"),
    ("train.patience", 0, "at least 1, is 0"),
    ("train.workers", -1, "at least 0, is -1"),
    ("train.koleo", -0.5, "at least 0, is -0.5"),
    ("train.clip_norm", -1.0, "at least 0, is -1.0"),
    ("train.clip_norm", float("inf"), "at least 0, is inf"),
    ("train.lora_rank", 0, "at least 1, is 0"),
    ("train.text_blocks", -1, "at least 0, is -1"),
    ("train.head_width", 0, "at least 1, is 0"),
    ("train.head_dropout", 1.0, "at least 0 and below 1, is 1.0"),
    ("train.head_dropout", -0.1, "at least 0 and below 1, is -0.1"),
    ("train.lora_dropout", 1.0, "at least 0 and below 1, is 1.0"),
    ("train.clean_views", -0.1, "at least 0 and below 1, is -0.1"),
    ("train.freeze_batch_norm", 1, "true or false, is 1"),
    ("train.restarts", [1.5], "of type list[int], is [1.5]"),
    ("train.tune", "whole", "one of full, last_blocks, heads, lora, is 'whole'"),
    ("match.features", 7, "at least 8, is 7: it is a number of local features"),
    ("match.neighbours", -1, "at least 0, is -1: it is a number of candidates"),
    ("match.votes", -1, "at least 0, is -1: it is a number of candidates, 0 for none"),
    ("match.implied", -1, "at least 0, is -1: it is a number of pairs, 0 for none"),
    ("evaluate.target_precision", 0.0, f"above 0 and at most 1, is 0.0: {PART}"),
    ("evaluate.target_precision", 1.5, f"above 0 and at most 1, is 1.5: {PART}"),
    ("evaluate.default_threshold", 2, f"at least 0 and at most 1, is 2: {PROBABILITY}"),
    ("evaluate.bootstrap", -1, "at least 0, is -1: it is a number of resamples, 0 for no intervals"),
    ("group.threshold", 1.5, f"at least 0 and at most 1, is 1.5: {PROBABILITY}, and 0 takes the learned one"),
    ("group.threshold", -0.1, f"at least 0 and at most 1, is -0.1: {PROBABILITY}, and 0 takes the learned one"),
    ("group.report_groups", -1, "at least 0, is -1"),
    ("group.thumbnail_side", 8, "at least 32, is 8"),
    ("robustness.images", 0, "at least 1, is 0: to choose by hand name files in robustness.chosen"),
    ("promotion.significance", 0.0, "above 0 and at most 1, is 0.0: it is a probability"),
    ("promotion.significance", 1.5, "above 0 and at most 1, is 1.5: it is a probability"),
    ("promotion.tolerance", -0.1, "at least 0, is -0.1"),
    ("shards.workers", 0, "at least 1, is 0"),
    ("shards.rows", 0, "at least 1, is 0"),
    ("shards.runner", "dask", "one of processes, ray, is 'dask'"),
    ("landing.settle", -1, "at least 0, is -1"),
    ("notify.timeout", 0, "above 0, is 0"),
]  # fmt: skip


@pytest.fixture(scope="module")
def shipped() -> dict[str, Any]:
    return read_yaml(ROOT / "params.yaml")


@pytest.mark.parametrize(("name", "value", "rule"), RULES)
def test_a_value_out_of_its_range_is_refused_with_the_rule(
    shipped: dict[str, Any], name: str, value: Any, rule: str
) -> None:
    section, key = name.split(".")
    with pytest.raises(UserError) as refused:
        if section in STAGES:
            check(section, {key: value}, schema(STAGES[section]))
        else:
            load_section(section, SECTIONS[section], {section: shipped[section] | {key: value}})
    assert str(refused.value) == f"params.yaml: {name} must be {rule}"


@pytest.mark.parametrize(
    "section", ["clean", "groundtruth", "train", "embed", "index", "match", "evaluate", "group", "plots", "robustness"]
)
def test_the_values_that_are_shipped_are_within_their_ranges(shipped: dict[str, Any], section: str) -> None:
    check(section, shipped[section], schema(STAGES[section]))


@pytest.mark.parametrize("section", SECTIONS)
def test_a_section_of_the_flows_holds_what_they_read(shipped: dict[str, Any], section: str) -> None:
    assert load_section(section, SECTIONS[section], shipped)
