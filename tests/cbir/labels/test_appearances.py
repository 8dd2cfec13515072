"""Tests of cbir.labels.appearances: dates as people write them, and tables of titles and dates."""

from pathlib import Path

import openpyxl
import pandas as pd
import pytest

from cbir.base.errors import UserError
from cbir.labels.appearances.dates import iso_date
from cbir.labels.appearances.files import METADATA, read_appearances, write_appearances
from cbir.labels.appearances.metadata import compiled, find_metadata, read_metadata
from cbir.labels.names import NameIndex
from tests.support.manifests import image_id_of, manifest

FILES = manifest("a/Été 1.jpg", "a/Miroir_1916-03-02_p4.tif", "b/c.jpg")


@pytest.mark.parametrize(
    ("text", "date"),
    [
        ("1921", "1921"), ("1921-5", "1921-05"), ("1921/05/03", "1921-05-03"), ("1921-05-03 00:00:00", "1921-05-03"),
        ("3.5.1921", "1921-05-03"), ("05/13/1921", "1921-05-13"), ("13/05/1921", "1921-05-13"),
        ("3 mai 1921", "1921-05-03"), ("1er août 1916", "1916-08-01"), ("août 1916", "1916-08"),
        ("3. März 1921", "1921-03-03"), ("May 3rd, 1921", "1921-05-03"), ("déc. 1914", "1914-12"),
        ("31.2.1921", None), ("1921-13", None), ("c. 1921", None), ("1921?", None), ("", None), ("mai", None),
        ("40/40/1921", None), ("0000", None),
    ],
)  # fmt: skip
def test_a_date_is_read_as_exactly_as_it_is_known_or_not_at_all(text: str, date: str | None) -> None:
    assert iso_date(text) == date


def test_a_table_is_read_by_its_headings_and_its_names_are_matched_as_a_ground_truths(tmp_path: Path) -> None:
    table = tmp_path / "m.csv"
    rows = "Fichier;Titre;Date;Page;Lieu;Cote;Lien;Autre\nete 1;Le Miroir;3 mai 1916;4;Paris;ark:/1/2;https://x.example;z\n"
    table.write_text(rows + "c.jpg;Excelsior;vers 1916;;;;;\nno.jpg;X;1916;;;;;\nc;Later;1917;;;;;\n", encoding="utf-8")
    made = find_metadata([table], FILES, NameIndex(FILES))
    known = made.table.set_index("image_id")
    assert [*known.loc[image_id_of("a/Été 1.jpg")]] == [
        "Le Miroir", "1916-05-03", "3 mai 1916", "4", "Paris", "ark:/1/2", "https://x.example"
    ]  # fmt: skip
    other = known.loc[image_id_of("b/c.jpg")]
    assert (other["title"], other["written"]) == ("Excelsior", "vers 1916") and pd.isna(other["date"])
    assert [(note.row, note.problem) for note in made.notes] == [(3, "date not read"), (4, "no such file")]
    assert made.account == (
        "metadata of 2 images, 1 names without an image; 1 images have a date, 1 dates cannot be read",
    )
    write_appearances(tmp_path / "m.parquet", made.table)
    assert [*read_appearances(tmp_path / "m.parquet").columns] == METADATA.names


def test_dates_of_a_workbook_are_read(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    book.active.append(["name", "date"])  # type: ignore[union-attr]
    book.active.append(["c.jpg", pd.Timestamp("1916-05-03").to_pydatetime()])  # type: ignore[union-attr]
    book.save(tmp_path / "m.xlsx")
    assert find_metadata([tmp_path / "m.xlsx"], FILES, NameIndex(FILES)).table["date"].tolist() == ["1916-05-03"]


def test_dates_stand_in_names_of_files_where_no_table_has_one(tmp_path: Path) -> None:
    pattern = compiled(r"_(?P<year>\d{4})-(?P<month>\d\d)-(?P<day>\d\d)")
    made = find_metadata([], FILES, NameIndex(FILES), dates=pattern)
    assert made.table[["image_id", "date"]].values.tolist() == [
        [image_id_of("a/Miroir_1916-03-02_p4.tif"), "1916-03-02"]
    ]
    table = tmp_path / "m.csv"
    table.write_text("name,date\nMiroir_1916-03-02_p4.tif,1916\n", encoding="utf-8")
    assert find_metadata([table], FILES, NameIndex(FILES), dates=pattern).table["date"].tolist() == ["1916"]


def test_without_tables_and_pattern_nothing_is_known() -> None:
    made = find_metadata([], FILES, NameIndex(FILES))
    assert made.table.empty and not made.account and [*made.table.columns] == METADATA.names


@pytest.mark.parametrize("pattern", ["(", r"\d{4}", r"(?P<year>\d{4})(?P<hour>\d\d)"])
def test_a_pattern_that_cannot_be_is_one_sentence(pattern: str) -> None:
    with pytest.raises(UserError, match=r"groundtruth\.dates must"):
        compiled(pattern)


@pytest.mark.parametrize("text", ["date,title\n1916,x\n", "name\na.jpg\n", "name,unknown\na.jpg,x\n"])
def test_a_table_without_its_headings_is_one_sentence(tmp_path: Path, text: str) -> None:
    (tmp_path / "m.csv").write_text(text, encoding="utf-8")
    with pytest.raises(UserError, match="the headings must be name and"):
        read_metadata(tmp_path / "m.csv")
