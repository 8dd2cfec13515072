"""An older params.yaml gets the names and settings of this program; a person's values and comments stay."""

import pytest
from ruamel.yaml import YAML

from cbir.base.errors import UserError
from flows.workspace.migration import migrated
from tests.support.workspace import ROOT

SHIPPED = """\
# Every setting.

groundtruth:
  file: "" # what is known
  accessions: [] # the encoder is trained on these

match: # pairs
  features: 500

evaluate:
  default_threshold: 0.5 # a probability
  threshold_rule: promise # promise or f1
  bootstrap: 1000

group:
  threshold: 0.0 # a probability

arrivals:
  margin: 0.3

plots: # drawn last
  projection_images: 2000 # at most
"""
OLDER = """\
# My archive.

groundtruth:
  file: mine.xlsx   # from Anne

train_notes: {} # mine

match:
  features: 300 # enough for us
  # the old way
  depth: 3 # never touched

evaluate:
  default_threshold: 0.4
  threshold: f1 # as agreed
  projection_images: 100

group:
  threshold: 0.8

arrivals:
  margin: 0.2
# the end
"""
EXPECTED = """\
# My archive.

groundtruth:
  file: mine.xlsx   # from Anne
  accessions: [] # the encoder is trained on these

train_notes: {} # mine

match:
  features: 300 # enough for us
  # # the old way
  # depth: 3 # never touched

evaluate:
  default_threshold: 0.4
  threshold_rule: f1 # promise or f1
  bootstrap: 1000

group:
  threshold: 0.8

arrivals:
  margin: 0.2

plots: # drawn last
  projection_images: 100 # at most
# the end
"""


def test_names_settings_and_sections_follow_and_what_a_person_wrote_stays() -> None:
    text, changes = migrated(OLDER, SHIPPED)
    assert text == EXPECTED
    assert changes == [
        "evaluate.threshold is evaluate.threshold_rule now",
        "evaluate.projection_images is plots.projection_images now",
        "plots: a new section",
        "groundtruth.accessions: new, []",
        "match.depth: no setting any more, kept as a comment",
        "evaluate.bootstrap: new, 1000",
        "evaluate.threshold_rule: promise → f1",
        "plots.projection_images: 2000 → 100",
    ]


def test_what_is_migrated_is_migrated_no_further() -> None:
    assert migrated(EXPECTED, SHIPPED) == (EXPECTED, [])
    assert migrated(SHIPPED, SHIPPED) == (SHIPPED, [])


def test_cosines_of_the_time_before_match_become_the_shipped_probabilities() -> None:
    text, changes = migrated(OLDER[: OLDER.index("match:")] + OLDER[OLDER.index("evaluate:") :], SHIPPED)
    params = YAML(typ="safe").load(text)
    assert (params["group"], params["arrivals"]) == ({"threshold": 0.0}, {"margin": 0.3})
    assert params["evaluate"]["default_threshold"] == 0.5
    assert "group.threshold: 0.8 → 0.0" in changes


def test_a_section_in_one_line_is_refused_with_the_way_out() -> None:
    with pytest.raises(UserError, match=r"^params\.yaml: group must have one setting a line, .*; write it so$"):
        migrated("group: {threshold: 0.5}\n", SHIPPED)


def test_the_settings_of_the_first_release_become_those_of_this_program() -> None:
    shipped = (ROOT / "params.yaml").read_text(encoding="utf-8")
    released = (ROOT / "tests/flows/workspace/params-0.1.0.yaml").read_text(encoding="utf-8")
    before, after = (YAML(typ="safe").load(text) for text in (released, migrated(released, shipped)[0]))
    model = YAML(typ="safe").load(shipped)
    assert {name: set(section) for name, section in after.items()} == {
        name: set(section) for name, section in model.items()
    }
    assert after["train"]["method"] == before["train"]["method"]
    assert after["groundtruth"]["accessions"] == before["train"]["accessions"]
