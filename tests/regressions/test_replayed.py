"""Files and names at which the program once crashed, hung, or saw no damage: what the fuzzer found, made small."""

from pathlib import Path

import pytest

from tests.fuzz import images, names, tables
from tests.fuzz.table_seeds import Book
from tests.fuzz.verdicts import FAULTS, Case

HERE = Path(__file__).parent


def kept(kind: str) -> list[Path]:
    return sorted((HERE / kind).iterdir())


@pytest.mark.parametrize("path", kept("images"), ids=lambda path: path.name)
def test_a_picture_costs_one_row_and_is_not_ok_where_a_decoder_tells_of_damage(path: Path, tmp_path: Path) -> None:
    verdict = images.look_at(Case(path.name, path.read_bytes()), tmp_path)
    assert verdict.outcome not in FAULTS, verdict.words


@pytest.mark.parametrize("path", [*kept("tables"), *kept("captions")], ids=lambda path: path.name)
def test_a_table_is_told_of_where_it_is_not_what_was_written(path: Path, tmp_path: Path) -> None:
    captions = (("written", "otherwise"),) if path.parent.name == "captions" else ()
    case = tables.TableCase(path.name, path.read_bytes(), book=Book(path.name, b"", captions=captions))
    verdict = tables.try_one(case, tmp_path)
    assert verdict.outcome not in FAULTS, verdict.words


@pytest.mark.parametrize("path", kept("names"), ids=lambda path: path.name)
def test_a_name_is_looked_up_and_shown_as_text(path: Path) -> None:
    names.require_harmless(path.read_bytes().decode("utf-8", "surrogatepass"))
