"""Tests of cbir.groups.circulation."""

import pandas as pd

from cbir.groups.circulation import appearances, by_image, shared_sources
from cbir.labels.appearances.files import METADATA


def known(**rows: tuple[str, str]) -> dict[str, dict[str, str]]:
    """Metadata of images of one letter: title and date, empty where not known."""
    table: list[dict[str, str | None]]
    table = [{"image_id": image, "title": title or None, "date": date or None} for image, (title, date) in rows.items()]
    return by_image(pd.DataFrame(table).reindex(columns=METADATA.names))


def groups(*words: str) -> pd.DataFrame:
    return pd.DataFrame([(word[0], image) for word in words for image in word], columns=["group_id", "image_id"])


def test_appearances_stand_by_date_and_those_without_one_last() -> None:
    facts = known(a=("Z", ""), b=("Y", "1916-05"), c=("X", "1915"), d=("W", "1915-03-01"), f=("V", "1916-04-30"))
    rows = appearances("abcdef", facts)
    assert "".join(row.image_id for row in rows) == "cdfba"
    assert [row.earliest for row in rows] == [True, True, False, False, False]  # 1915 may be later than 1 March
    assert not any(row.earliest for row in appearances("a", facts))


def test_a_link_is_an_address_of_the_web_or_none() -> None:
    facts = known(a=("Z", ""), b=("Z", ""))
    facts["a"]["link"], facts["b"]["link"] = "javascript:alert(1)", "https://a.example/1"
    assert [row.link for row in appearances("ab", facts)] == ["", "https://a.example/1"]


def test_sources_share_photographs_from_the_earlier_to_the_later_with_the_delay() -> None:
    facts = known(
        a=("Miroir", "1916-05-01"), b=("Excelsior", "1916-05-04"), c=("Miroir", "1917-01-01"),
        d=("Excelsior", "1916-06-01"), e=("Miroir", "1916-05-30"), f=("Excelsior", ""), g=("Miroir", "1916"),
        h=("", "1916-01-01"),
    )  # fmt: skip
    rows = shared_sources(groups("abc", "de", "fg", "h"), facts).fillna(-1)
    assert rows.to_numpy().tolist() == [
        ["Miroir", "Excelsior", 2, 2, 2.5, 2, 3],
        ["Excelsior", "Miroir", 1, 0, -1, -1, -1],  # no order is known: they stand by name
    ]


def test_where_nothing_is_known_no_source_shares_anything() -> None:
    assert shared_sources(groups("ab"), known()).empty and not appearances("ab", known())
