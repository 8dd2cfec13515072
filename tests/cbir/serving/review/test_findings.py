"""Tests of cbir.serving.review.findings and of the tables that it looks rows up in."""

from pathlib import Path

import pyarrow as pa
import pytest

from cbir.base.errors import UserError
from cbir.serving.review.findings import Findings
from cbir.serving.review.lookup import Lookup
from tests.support.review import image, make_findings, write_sources


def test_rows_are_looked_up_in_a_table_in_any_order() -> None:
    lookup = Lookup(pa.table({"key": ["b", "a", "b", "c"], "value": [1, 2, 3, 4]}), "key")
    assert lookup.rows(["b", "c", "b", "x"])["value"].tolist() == [1, 3, 4]
    assert lookup.rows([])["value"].tolist() == []
    assert "a" in lookup and "x" not in lookup


def test_an_empty_table_has_no_rows() -> None:
    assert len(Lookup(pa.table({"key": pa.array([], pa.string())}), "key").rows(["a"])) == 0


def test_images_pairs_and_groups_are_those_of_the_files(tmp_path: Path) -> None:
    findings = make_findings(tmp_path, ("ab", 0.9), ("bc", 0.2), groups=("ab",))
    assert image("a") in findings and "x" not in findings
    assert findings.names(image("a")) == {image("a"): "old/a.jpg"}
    assert findings.matches(image("b"))["neighbour_id"].tolist() == [image("a"), image("c")]
    assert findings.members(image("a"))["image_id"].tolist() == [image("a"), image("b")]
    assert findings.sizes == {image("a"): 2}
    assert findings.threshold == 0.5


def test_a_file_that_is_written_anew_or_gone_changes_the_state(tmp_path: Path) -> None:
    sources = write_sources(tmp_path, ("ab", 0.9))
    findings = Findings.read(sources, chosen=0.7)
    assert findings.threshold == 0.7
    assert sources.state() == findings.state
    write_sources(tmp_path, ("ab", 0.8), groups=("ab",))
    assert sources.state() != findings.state
    sources.groups.unlink()
    assert None in sources.state()
    with pytest.raises(UserError, match=r"groups\.parquet, the table of groups, is not there; `cbir run` makes it"):
        Findings.read(sources, chosen=0)
