"""Tests of flows.review.audit: judged blind, to its end, and certified."""

import re
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from cbir.groups.table import write_groups
from cbir.serving.review.audits import Auditor
from tests.support.review import image, make_app, make_auditor, make_desk


@pytest.fixture
def auditor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Auditor:
    monkeypatch.chdir(tmp_path)
    return make_auditor(tmp_path)


@pytest.fixture
def browser(tmp_path: Path, auditor: Auditor) -> TestClient:
    desk = make_desk(tmp_path, ("ab", 0.93), ("bc", 0.93), ("de", 0.93), groups=("abc", "de"))
    return TestClient(make_app(desk, auditor=auditor), base_url="http://127.0.0.1:8765", follow_redirects=False)  # type: ignore[arg-type]


def text(page: str) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", page).split())


def judge(browser: TestClient, *verdicts: str) -> str:
    """Judges the sample from where it is; returns the address that the last answer leads to."""
    address = browser.get("/audit/next").headers["location"]
    for verdict in verdicts:
        address = browser.post(address, data={"verdict": verdict}).headers["location"]
    return address


def test_the_number_is_chosen_before_anything_shows(browser: TestClient, auditor: Auditor) -> None:
    page = text(browser.get("/audit").text)
    assert "Choose the number before you look. To promise 95 of 100 right: 59 pairs if none of them is wrong" in page
    assert "93 pairs if at most one is wrong 124 pairs if at most 2 are wrong" in page
    assert browser.post("/audit", data={"pairs": "4"}).headers["location"] == "/audit/next"
    assert auditor.progress().pairs == 4  # type: ignore[union-attr]
    answer = browser.post("/audit", data={"pairs": "59"})
    assert answer.status_code == 400 and "is drawn already; judge it to its end" in answer.text
    assert "of the sample" not in browser.get("/audit").text


def test_a_pair_is_judged_blind_and_only_progress_shows(browser: TestClient, auditor: Auditor) -> None:
    browser.post("/audit", data={"pairs": "4"})
    for verdict in ("right", "wrong", "unsure"):
        address = judge(browser, verdict)
        for page in (browser.get(address).text, browser.get("/audit").text):
            assert not re.search(r"0\.9|probability \d|polygon|perhaps|at least|Clopper|in a group of", page)
    page = text(browser.get(address).text)
    assert "3 of 4 judged" in page and "no probability, no outline and nobody's decision is shown" in page
    assert "is promised too much" in page
    assert browser.post("/audit/conclude").status_code == 400
    assert not auditor.certificates()


def test_all_judged_and_concluded_there_is_a_certificate(browser: TestClient, auditor: Auditor, tmp_path: Path) -> None:
    browser.post("/audit", data={"pairs": "4"})
    assert judge(browser, "right", "right", "right", "wrong") == "/audit"
    assert "All 4 pairs are judged" in text(browser.get("/audit").text)
    assert browser.post("/audit/undo").headers["location"] == "/audit/pairs/4"
    judge(browser, "right")
    address = browser.post("/audit/conclude").headers["location"]
    page = text(browser.get(address).text)
    assert "At least 100.0 % of the pairs in groups are right" in page and "Judged by Zoe" in page
    assert "It holds: the groups are those that were judged" in page and "old/a.jpg" in page
    assert browser.get("/audit").text.count(address) == 1 and "Draw the sample" in browser.get("/audit").text
    write_groups(tmp_path / "groups.parquet", auditor._groups().iloc[:3])
    assert "It holds no more: the groups have changed since" in browser.get(address).text
    assert browser.get("/audit/certificates/..%2fgroups").status_code in (400, 404)


def test_a_sample_of_groups_that_have_changed_is_moved_aside(
    browser: TestClient, auditor: Auditor, tmp_path: Path
) -> None:
    browser.post("/audit", data={"pairs": "4"})
    judge(browser, "right")
    write_groups(tmp_path / "groups.parquet", auditor._groups().iloc[:3])
    assert "The groups have changed since the last sample was drawn" in browser.get("/audit").text
    browser.post("/audit", data={"pairs": "2"})
    assert (auditor.progress().judged, auditor.progress().pairs) == (0, 2)  # type: ignore[union-attr]
    assert len([*tmp_path.glob("audit-*-4-0.csv")]) == 1


def test_two_people_judge_different_pairs(auditor: Auditor, browser: TestClient) -> None:
    auditor.draw(4)
    assert [auditor.next("Anne"), auditor.next("Ben"), auditor.next("Anne", after=1)] == [1, 2, 3]


@pytest.mark.parametrize(
    ("address", "fields", "words"),
    [
        ("/audit", {"pairs": "-1"}, "the sample must have 1 to 10000 pairs"),
        ("/audit", {"pairs": "99999"}, "the sample must have 1 to 10000 pairs"),
        ("/audit/pairs/1", {"verdict": "<b>"}, "verdict must be one of right, wrong, unsure, is &#39;&lt;b&gt;&#39;"),
        ("/audit/pairs/9", {"verdict": "right"}, "the sample has the pairs 1 to 4"),
    ],
)
def test_what_cannot_be_is_refused_in_a_sentence(
    browser: TestClient, auditor: Auditor, address: str, fields: dict[str, str], words: str
) -> None:
    auditor.draw(4)
    answer = browser.post(address, data=fields)
    assert answer.status_code == 400 and words in answer.text
    assert auditor.progress().judged == 0  # type: ignore[union-attr]


def test_others_judge_nothing_and_a_get_changes_nothing(browser: TestClient, auditor: Auditor) -> None:
    auditor.draw(4)
    for headers in ({"Origin": "http://evil.example"}, {"Sec-Fetch-Site": "cross-site"}, {"Host": "evil.example"}):
        for address in ("/audit/pairs/1", "/audit", "/audit/undo", "/audit/conclude"):
            assert browser.post(address, data={"verdict": "right"}, headers=headers).status_code == 403
    assert browser.get("/audit/pairs/1?verdict=right").status_code == 200
    for address in ("/audit/undo", "/audit/conclude"):
        assert browser.get(address).status_code == 405
    assert auditor.progress().judged == 0  # type: ignore[union-attr]
    assert image("a") in browser.get("/audit/pairs/1").text + browser.get("/audit/pairs/2").text
