"""tests.fuzz: mutants are the same for a seed, the referees hear damage, and a short run finds no fault."""

import random
from itertools import islice
from pathlib import Path

import pytest

from tests.fuzz import bombs, images, names, tables
from tests.fuzz.__main__ import fuzz
from tests.fuzz.image_seeds import NAMES, seed
from tests.fuzz.minimising import minimised
from tests.fuzz.mutations import OF_IMAGES
from tests.fuzz.table_seeds import LANGUAGES, LAYOUTS, Book, captions, laid_out
from tests.fuzz.verdicts import FAULTS, Case, Figures, Outcome, Verdict, table


@pytest.mark.heavy
@pytest.mark.parametrize(("kind", "most"), [("images", 1000), ("tables", 400), ("bombs", 53), ("names", 500)])
def test_a_short_run_finds_no_fault(kind: str, most: int, tmp_path: Path) -> None:
    """As many inputs on every machine: 20 seconds of them on a quiet one."""
    figures = fuzz(kind, tmp_path, 0, most=most)
    assert figures.counts.total() == most
    assert [(verdict.case.name, verdict.outcome, verdict.words) for verdict in figures.faults] == []


def test_a_seed_gives_the_same_inputs_each_time() -> None:
    for cases in (images.cases, tables.cases):
        first, again, other = (list(islice(cases(number), 30)) for number in (1, 1, 2))
        assert first == again != other


def test_mutations_change_most_files_and_fail_at_none() -> None:
    mutants = list(islice(images.cases(3), 4 * len(NAMES)))
    assert sum(case.data != seed(case.seed) for case in mutants) > 0.9 * len(mutants)
    assert len({case.name.split("__")[1] for case in mutants}) >= len({*OF_IMAGES}) - 2


def test_the_seeds_are_sound_to_program_and_referee(tmp_path: Path) -> None:
    for name in NAMES:
        assert images.look_at(Case(name, seed(name), name), tmp_path).outcome is Outcome.RIGHT, name
        assert images.damage_of(seed(name)) == "", name


@pytest.mark.parametrize("name", ["base.jpg", "restarts.jpg", "rgb.png", "lzw.tif"])
def test_the_referee_of_images_hears_damage(name: str) -> None:
    data = seed(name)
    half = len(data) // 2
    assert images.damage_of(data[:half] + bytes(2000) + data[half + 2000 :])


def test_a_picture_that_is_accepted_although_a_referee_tells_of_damage_is_a_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = Case("other.jpg", seed("base.jpg"), "progressive.jpg")
    assert images.look_at(other, tmp_path).outcome is Outcome.OTHER
    monkeypatch.setattr(images, "damage_of", lambda _: "Corrupt JPEG data")
    assert images.look_at(other, tmp_path).outcome is Outcome.WRONG


@pytest.mark.parametrize("layout", LAYOUTS)
def test_whole_tables_of_every_layout_are_read_right(layout: str, tmp_path: Path) -> None:
    for number in range(2):
        book = laid_out(layout, [], random.Random(number))
        case = tables.TableCase(f"{number}-{book.name}", book.data, book=book)
        assert tables.try_one(case, tmp_path).outcome is Outcome.RIGHT


def test_captions_of_every_language_are_tried() -> None:
    drawn = [captions(random.Random(number)) for number in range(200)]
    assert {book.name.partition("-")[0] for book in drawn} == LANGUAGES.keys()


def test_groups_that_are_read_otherwise_without_a_word_are_a_fault_unless_the_table_says_so(tmp_path: Path) -> None:
    book = Book("t.csv", b"scan_001.jpg,scan_002.jpg\n", (("scan_001.jpg", "scan_003.jpg"),), (), "utf-8", ",")
    whole = tables.TableCase("t.csv", book.data, book=book)
    assert tables.try_one(whole, tmp_path).outcome is Outcome.WRONG
    other = tables.TableCase("t.csv", book.data.replace(b"2", b"4"), book=book)
    assert tables.try_one(other, tmp_path).outcome is Outcome.OTHER
    assert tables.try_one(tables.TableCase("t.csv", b"PK\3\4", book=book), tmp_path).outcome is Outcome.TOLD


def test_names_are_tried_until_it_is_enough() -> None:
    verdicts = list(islice(names.try_all(6), names.EACH))
    assert {verdict.outcome for verdict in verdicts} == {Outcome.RIGHT}


def test_a_name_that_is_shown_as_more_than_text_is_made_short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(names, "visible", lambda text: text)
    (verdict,) = islice(names.try_all(7), 1)
    assert verdict.outcome is Outcome.CRASH
    assert len(verdict.case.data) <= 3


def test_bombs_are_small() -> None:
    assert all(len(case.data) < 3_000_000 for case in bombs.images())


def test_a_fault_is_made_small() -> None:
    assert minimised(b"aaXbbb", lambda data: b"X" in data) == b"X"
    intact = bytes(100)
    changed = bytes(40) + b"\7\7\7" + bytes(57)
    assert minimised(changed, lambda data: data[41] == 7, intact=intact) == bytes(41) + b"\7" + bytes(58)


def test_figures_are_a_row_of_a_table() -> None:
    figures = Figures("images", seconds=2)
    figures.add([Verdict(Case("a", b""), Outcome.RIGHT), Verdict(Case("b", b""), Outcome.HANG, "60 s")])
    assert [fault.case.name for fault in figures.faults] == ["b"] and {Outcome.HANG} <= FAULTS
    assert table([figures]).splitlines()[-1] == "| images | 2 | 1 | 0 | 0 | 0 | 1 | 0 | 1.0 |"
