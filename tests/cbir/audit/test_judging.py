"""Tests of cbir.audit.judging and cbir.audit.certificate."""

from pathlib import Path

import pandas as pd
import pytest

from cbir.archive.manifest import SCHEMA
from cbir.audit.certificate import Stand, names_of, read_certificate, witnessed
from cbir.audit.conclusion import conclude
from cbir.audit.judging import Sheet
from cbir.audit.record import write_audit
from cbir.audit.sheet import Verdicts, read_verdicts
from cbir.base.errors import UserError
from tests.support.sheets import draw_sheet

GROUPS = pd.DataFrame({"group_id": "a", "image_id": list("abc")})
ROWS = [[image, f"=old/{image},é.jpg", 0, "old", 1, 9, 9, "ok"] for image in "abc"]
COLUMNS = ["image_id", "path", "page", "accession", "bytes", "width", "height", "status"]
MANIFEST = pd.DataFrame(ROWS, columns=COLUMNS).reindex(columns=SCHEMA.names)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return draw_sheet(tmp_path, GROUPS, MANIFEST)


def test_a_verdict_is_in_the_file_at_once_with_who_gave_it_and_undo_empties_it(path: Path) -> None:
    before, sheet = path.read_bytes(), Sheet(path)
    sheet.judge(2, "right", "Anne")
    sheet.judge(3, "unsure", "Ben")
    assert [(item.number, item.verdict, item.person) for item in Sheet(path).items] == [
        (1, "", ""), (2, "right", "Anne"), (3, "unsure", "Ben")
    ]  # fmt: skip
    assert {item.first_image + item.second_image for item in sheet.items} == {"ab", "ac", "bc"}
    assert read_verdicts(path) == sheet.verdicts() == Verdicts(sheet.name, pairs=3, judged=2, wrong=1)
    for person in ("Anne", "Ben"):
        assert sheet.undo(person)
    assert sheet.undo("Anne") is None
    assert path.read_bytes() == before


def test_the_next_pair_is_one_without_a_verdict_that_nobody_looks_at(path: Path) -> None:
    sheet = Sheet(path)
    assert [sheet.next(), sheet.next(after=1), sheet.next(after=3), sheet.next(busy=[1])] == [1, 2, 1, 2]
    sheet.judge(1, "right", "Anne")
    sheet.judge(2, "wrong", "Anne")
    assert sheet.next(after=3, busy=[3]) == 3
    sheet.judge(3, "wrong", "Anne")
    assert sheet.next() is None


@pytest.mark.parametrize("content", ["", "number,verdict\n1,right\n", "\xff"])
def test_a_file_that_is_no_such_sheet_is_one_sentence(path: Path, content: str) -> None:
    path.write_bytes(content.encode("latin-1"))
    with pytest.raises(UserError, match=r"audit\.csv (cannot be read|is not as)"):
        Sheet(path)


def test_a_certificate_says_who_when_of_which_archive_and_whether_it_holds(path: Path, tmp_path: Path) -> None:
    sheet = Sheet(path)
    for number, person in ((1, "Zoe"), (2, "Anne"), (3, "Zoe")):
        sheet.judge(number, "right", person)
    manifest, encoder = tmp_path / "manifest.parquet", tmp_path / "encoder"
    manifest.write_bytes(b"first")
    stand = Stand(GROUPS, manifest, encoder)
    audit = witnessed(conclude(path, read_verdicts(path), GROUPS, date="2026-11-29"), sheet.items, stand, person="me")
    assert (audit.people, audit.model) == (("Anne", "Zoe"), "")
    assert audit.began == sheet.items[0].time <= audit.ended == sheet.items[2].time
    record = write_audit(tmp_path, audit, sheet=sheet.name)
    assert names_of(tmp_path) == [record.stem]
    certificate = read_certificate(tmp_path, record.stem, stand)
    assert certificate.holds and not certificate.changed and not certificate.sample
    manifest.write_bytes(b"second")
    path.rename(record.with_suffix(".csv"))
    certificate = read_certificate(tmp_path, record.stem, Stand(GROUPS.iloc[1:], manifest, encoder))
    assert (certificate.holds, certificate.changed, len(certificate.sample)) == (False, ["archive"], 3)
    with pytest.raises(UserError, match="elsewhere: no audit of this name is kept"):
        read_certificate(tmp_path, "elsewhere", stand)
