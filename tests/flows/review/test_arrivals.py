"""Tests of flows.review.arrivals: what landed, the surest finds first, each decided in place."""

from pathlib import Path

import pandas as pd
import pytest
from starlette.testclient import TestClient

from cbir.arrivals.changes import PAIRS, Arrivals
from cbir.arrivals.page import write_arrivals_csv
from cbir.serving.review.desk import Desk
from tests.support.review import image, make_app, make_desk, pair

ROWS = [
    ("new/e.jpg", "near-duplicate", False, 0.99, "e", "a"),
    ("new/=f.jpg", "possible", True, 0.6, "f", "b"),
    ("new/e.jpg", "possible", True, 0.4, "e", "b"),
    ("new/1.jpg", "none", False, None, "1", None),
    ("new/copy.jpg", "exact copy", False, 1.0, "a", "a"),
    ("new/copy.jpg", "near-duplicate", False, 0.99, "a", "e"),
    ("new/torn.jpg", "corrupt: cut off <b>", False, None, None, None),
    ("new/gone.jpg", "near-duplicate", False, 0.99, "9", "a"),
]


def report(folder: Path, name: str) -> None:
    def facts(file: str, finding: str, look: bool, likely: float | None, new: str | None, old: str | None) -> dict:
        ids = {"image_id": new and image(new), "other_id": old and image(old), "other_file": old and f"old/{old}.jpg"}
        return {"file": file, "page": 1, "finding": finding, "look": look, "probability": likely, "other_page": 1} | ids

    folder.mkdir(exist_ok=True)
    table = pd.DataFrame([facts(*row) for row in ROWS]).reindex(columns=PAIRS)
    write_arrivals_csv(folder / f"{name}.csv", Arrivals(table, pd.DataFrame(), len(ROWS), 1))


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return make_desk(tmp_path, ("ae", 0.99), ("be", 0.4), ("bf", 0.6), groups=("ae",), new="ef1")


def client(desk: Desk) -> TestClient:
    return TestClient(make_app(desk), base_url="http://127.0.0.1:8765", follow_redirects=False)  # type: ignore[arg-type]


def test_before_anything_has_landed_the_page_says_what_would_bring_it_in(desk: Desk) -> None:
    assert "Nothing has landed yet" in client(desk).get("/arrivals").text


def test_the_newest_report_shows_the_surest_finds_first_each_with_its_best_match(desk: Desk, tmp_path: Path) -> None:
    for name in ("20261101T000000Z", "20261102T000000Z"):
        report(tmp_path / "arrivals", name)
    browser = client(desk)
    address = browser.get("/arrivals").headers["location"]
    assert address == "/arrivals/20261102T000000Z"
    page = browser.get(address).text
    cards = page.split("<article")[1:]
    assert [
        f'href="/pairs/{pair(letters)}">Look closer' in card for letters, card in zip(("ea", "fb"), cards, strict=True)
    ]
    assert len(cards) == 2 and "to look at" not in cards[0] and "to look at" in cards[1]
    assert "one laid on the other" in cards[0] and f'href="/pairs/{pair("eb")}"' in cards[0]
    assert "corrupt: cut off &lt;b&gt;" in page and "new/copy.jpg" in page and "new/1.jpg" in page
    assert "gone.jpg" not in page and 'href="/arrivals/20261101T000000Z"' in page


def test_a_decision_is_kept_in_place(desk: Desk, tmp_path: Path) -> None:
    report(tmp_path / "arrivals", "20261101T000000Z")
    answer = client(desk).post(f"/arrivals/20261101T000000Z/{pair('ea')}?page=1", data={"relation": "same photograph"})
    assert answer.headers["location"] == "/arrivals/20261101T000000Z?page=1"
    assert [(each.first[0], each.second[0], each.relation) for each in desk.ledger.decisions()] == [
        ("e", "a", "same photograph")
    ]
    assert "<strong>same photograph</strong> Zoe" in client(desk).get("/arrivals/20261101T000000Z").text


@pytest.mark.parametrize("name", ["20261101T000000Z", "..%2f..%2fdecisions", "baseline"])
def test_a_report_that_is_not_there_is_refused_in_a_sentence(desk: Desk, name: str) -> None:
    answer = client(desk).get(f"/arrivals/{name}")
    assert answer.status_code in (400, 404) and "Traceback" not in answer.text
