"""Tests of flows.review.app: pairs and decisions over HTTP, and who and what is kept out."""

import errno
import re
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from cbir.groups.decisions.journal import append_decision, read_decisions
from cbir.serving.review import ledger
from cbir.serving.review.desk import Desk
from flows.review.access import Access
from tests.support.decisions import decision
from tests.support.review import image, make_app, make_desk, pair, write_sources

HERE = "http://127.0.0.1:8765"
REGION = f"{image('a')}@0.0000,0.0000,0.5000,0.5000"
PAIRS = ("ab", 0.5), ("cd", 0.5), ("ef", 0.5)


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return make_desk(tmp_path, *PAIRS, new="b")


def client(desk: Desk, access: Access | None = None, **headers: str) -> TestClient:
    """A browser at this machine, that follows no redirect by itself."""
    return TestClient(make_app(desk, access=access), base_url=HERE, headers=headers, follow_redirects=False)  # type: ignore[arg-type]


def kept(desk: Desk) -> list[str]:
    path = desk.ledger._journal.path
    return [f"{each.first[0]}{each.second[0]} {each.relation} {each.person}" for each in read_decisions(path)]


def text(page: str) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", page).split())


def test_the_first_page_is_the_pair_on_which_most_hangs(desk: Desk) -> None:
    answer = client(desk).get("/")
    assert (answer.status_code, answer.headers["location"]) == (303, f"/pairs/{pair('ab')}")
    page = client(desk).get(answer.headers["location"])
    assert page.status_code == 200
    assert "The same photograph, perhaps probability 0.500" in text(page.text)
    assert "old/a.jpg" in page.text and "two accessions" in page.text
    assert f'data-preload="/pictures/{image("c")} /pictures/{image("d")} "' in page.text


def test_a_decision_is_on_the_disk_before_the_next_pair_shows(desk: Desk) -> None:
    answer = client(desk).post(f"/pairs/{pair('ab')}", data={"relation": "same photograph", "note": "the crease"})
    assert answer.headers["location"] == f"/pairs/{pair('cd')}"
    assert kept(desk) == ["ab same photograph Zoe"]
    (row,) = desk.ledger.decisions()
    assert (row.note, row.first_file, row.second_file) == ("the crease", "old/a.jpg", "new/b.jpg")
    assert "old/a.jpg" in client(desk).get(f"/pairs/{pair('cd')}").text  # as the last decision, to undo


def test_undo_leads_back_to_the_pair_and_is_a_later_row(desk: Desk) -> None:
    browser = client(desk)
    browser.post(f"/pairs/{pair('ab')}", data={"relation": "different"})
    answer = browser.post("/undo")
    assert answer.headers["location"] == f"/pairs/{pair('ab')}"
    assert kept(desk) == ["ab different Zoe", "ab unsure Zoe"]
    assert browser.post("/undo").headers["location"] == f"/pairs/{pair('cd')}"  # nothing to undo: on with the next
    assert len(kept(desk)) == 2


def test_next_goes_on_without_a_word_and_at_the_end_comes_what_was_unsure(desk: Desk) -> None:
    browser = client(desk)
    assert (
        browser.post(f"/pairs/{pair('ab')}", data={"relation": "unsure"}).headers["location"] == f"/pairs/{pair('cd')}"
    )
    assert browser.get(f"/pairs?after={pair('cd')}").headers["location"] == f"/pairs/{pair('ef')}"
    assert browser.get(f"/pairs?after={pair('ef')}").headers["location"] == f"/pairs/{pair('cd')}"
    for letters in ("cd", "ef"):
        answer = browser.post(f"/pairs/{pair(letters)}", data={"relation": "same scene"})
    assert answer.headers["location"] == f"/pairs/{pair('ab')}"
    answer = browser.post(f"/pairs/{pair('ab')}", data={"relation": "different"})
    assert answer.headers["location"] == "/done"
    assert "No pair needs your look" in browser.get("/done").text


def test_what_was_said_of_a_pair_stands_on_its_page_with_who_said_it(desk: Desk) -> None:
    append_decision(desk.ledger._journal.path, decision(image("a"), "=", image("b"), by="Anne"))
    assert "same photograph Anne, 2026-11-28 00:00 UTC" in text(client(desk).get(f"/pairs/{pair('ab')}").text)


def test_contradictions_are_named_with_their_authors(desk: Desk) -> None:
    browser = client(desk)
    assert "No decision contradicts another" in browser.get("/contradictions").text
    for minute, (letters, sign, by) in enumerate((("ab", "=", "Anne"), ("bc", "=", "Ben"), ("ac", "!", "Zoe"))):
        word = decision(image(letters[0]), sign, image(letters[1]), by=by, minute=minute)
        append_decision(desk.ledger._journal.path, word)
    page = browser.get("/contradictions").text
    assert "not obeyed" in page
    for letters, by in (("ab", "Anne"), ("bc", "Ben"), ("ac", "Zoe")):
        assert f'href="/pairs/{pair(letters)}"' in page and f"said {by} on 2026-11-28" in page
    browser.post(f"/pairs/{pair('ac')}", data={"relation": "same photograph"})
    assert "No decision contradicts another" in browser.get("/contradictions").text


def test_findings_that_are_newer_are_told_and_shown_when_asked_for(desk: Desk, tmp_path: Path) -> None:
    browser = client(desk)
    assert "/renew" not in browser.get(f"/pairs/{pair('ab')}").text
    sources = write_sources(tmp_path, ("12", 0.5), new="b")
    page = browser.get(f"/pairs/{pair('ab')}").text
    assert "A run has made the tables anew" in page and 'action="/renew"' in page
    sources.groups.unlink()
    assert "A run is at work" in browser.get(f"/pairs/{pair('ab')}").text
    answer = browser.post("/renew")
    assert answer.status_code == 400 and "the table of groups, is not there" in answer.text
    assert browser.get("/").headers["location"] == f"/pairs/{pair('ab')}"  # the findings before it stay
    write_sources(tmp_path, ("12", 0.5), new="b")
    browser.post("/renew")
    assert browser.get("/").headers["location"] == f"/pairs/{pair('12')}"


def test_two_people_are_handed_different_pairs(desk: Desk) -> None:
    access = Access(tokens={"Anne": "one", "Ben": "two"})
    anne, ben = client(desk, access), client(desk, access)
    anne.cookies.set(access.cookie, "one")
    ben.cookies.set(access.cookie, "two")
    assert anne.get("/").headers["location"] == f"/pairs/{pair('ab')}"
    assert ben.get("/").headers["location"] == f"/pairs/{pair('cd')}"
    ben.post(f"/pairs/{pair('cd')}", data={"relation": "different"})
    assert anne.get("/").headers["location"] == f"/pairs/{pair('ab')}"
    assert kept(desk) == ["cd different Ben"]


# ---- what is kept out


@pytest.mark.parametrize(
    "address", ["/", f"/pairs/{pair('ab')}", "/contradictions", f"/pictures/{image('a')}", "/done"]
)
def test_without_a_token_that_is_known_nothing_shows(desk: Desk, address: str) -> None:
    browser = client(desk, access := Access(tokens={"Anne": "right"}))
    for token in ("", "wrong", "righ", "rightt"):
        browser.cookies.set(access.cookie, token)
        answer = browser.get(address)
        assert (answer.status_code, answer.headers["location"]) == (303, "/enter")
        assert browser.post(f"/pairs/{pair('ab')}", data={"relation": "different"}).headers["location"] == "/enter"
    assert kept(desk) == []


def test_a_token_lets_in_by_a_cookie_that_no_script_and_no_other_site_gets(desk: Desk) -> None:
    browser = client(desk, Access(tokens={"Anne": "right"}))
    assert "not known" in browser.post("/enter", data={"token": "wrong"}).text
    answer = browser.post("/enter", data={"token": "right"})
    assert answer.headers["location"] == "/pairs"
    assert {"HttpOnly", "SameSite=strict"} <= {*answer.headers["set-cookie"].split("; ")}
    browser.post(f"/pairs/{pair('ab')}", data={"relation": "different"})
    assert kept(desk) == ["ab different Anne"]


def test_tokens_are_compared_in_a_time_that_says_nothing(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    compared = []
    monkeypatch.setattr("secrets.compare_digest", lambda own, given: compared.append((own, given)) or own == given)
    access = Access(tokens={"Anne": "a", "Ben": "b"})
    assert access.person("a") == "Anne"
    assert compared == [(b"a", b"a"), (b"b", b"a")]  # also those behind the right one
    assert access.person("é") is None


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example:8765"},
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
def test_pages_of_others_change_and_read_nothing(desk: Desk, headers: dict[str, str]) -> None:
    browser = client(desk, **headers)
    assert browser.get(f"/pairs/{pair('ab')}").status_code == 403
    assert browser.post(f"/pairs/{pair('ab')}", data={"relation": "different"}).status_code == 403
    assert kept(desk) == []


def test_no_get_changes_anything(desk: Desk, tmp_path: Path) -> None:
    browser = client(desk)
    app: Any = browser.app
    browser.post(f"/pairs/{pair('ab')}", data={"relation": "different"})
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file() and "store" not in path.parts}
    paths = [route.path for route in app._app.routes if "GET" in getattr(route, "methods", ())]
    assert len(paths) > 6
    for path in paths:
        ids = {"image_id": image("a"), "group_id": image("a"), "query_id": REGION}
        browser.get(path.format(pair=pair("cd"), name="review.js", number=1, **ids))
    browser.get(f"/pairs/{pair('cd')}?relation=different")
    after = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file() and "store" not in path.parts}
    assert before == after
    for path in ("/undo", "/renew"):
        assert browser.get(path).status_code == 405


def test_a_page_runs_no_script_within_it_and_loads_nothing_from_elsewhere(desk: Desk) -> None:
    page = client(desk).get(f"/pairs/{pair('ab')}")
    policy = dict(rule.split(" ", 1) for rule in page.headers["content-security-policy"].split("; "))
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == policy["form-action"] == "'self'"
    assert policy["frame-ancestors"] == "'none'"
    assert page.headers["x-content-type-options"] == "nosniff"
    assert page.headers["cache-control"] == "no-store"
    assert re.findall(r"<script(?![^>]*\ssrc=)|<style|\sstyle=|\son\w+=|https?://", page.text) == []


def test_markup_in_captions_and_notes_is_shown_as_text(desk: Desk) -> None:
    browser = client(desk)
    browser.post(f"/pairs/{pair('ab')}", data={"relation": "different", "note": "<b>x</b>"})
    page = browser.get(f"/pairs/{pair('ab')}").text
    assert "&lt;script&gt;alert(1)&lt;/script&gt; &amp; \ufffdgpj.exe" in page
    assert "&lt;b&gt;x&lt;/b&gt;" in page and "<b>" not in page


def test_what_is_no_pair_of_the_archive_is_refused_in_a_sentence(desk: Desk) -> None:
    browser = client(desk)
    for address in (f"{image('a')}-{'9' * 32}", f"{image('a')}-{image('a')}", "%3Cscript%3E", f"{image('a')}-../x"):
        answer = browser.get(f"/pairs/{address}")
        assert answer.status_code in (400, 404)
        assert "<script>" not in answer.text
    answer = browser.post(f"/pairs/{pair('ab')}", data={"relation": "perhaps"})
    assert answer.status_code == 400 and "relation must be one of same photograph, " in answer.text
    assert browser.post(f"/pairs/{pair('ab')}", data={"relation": "x" * 20_000}).status_code == 400
    assert browser.get("/static/..%2f..%2fapp.py").status_code == 404
    assert browser.get("/static/app.py").status_code == 404
    assert kept(desk) == []


def test_a_full_disk_is_told_and_nothing_goes_on(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(ledger, "append_decision", fail)
        answer = client(desk).post(f"/pairs/{pair('ab')}", data={"relation": "different"})
    assert answer.status_code == 507
    assert "Nothing was kept: no space is left on the disk. Free some space, and press again." in answer.text
    assert client(desk).get("/").headers["location"] == f"/pairs/{pair('ab')}"


def test_a_damaged_file_of_decisions_is_told_with_its_line(desk: Desk) -> None:
    desk.ledger._journal.path.write_text("date,who\n")
    answer = client(desk).get(f"/pairs/{pair('ab')}")
    assert answer.status_code == 400 and "decisions.csv, line 1: the header must be" in answer.text


def test_style_and_script_are_served_from_the_package(desk: Desk) -> None:
    for name, kind in (("review.js", "javascript"), ("review.css", "css"), ("page.css", "css")):
        answer = client(desk).get(f"/static/{name}")
        assert answer.status_code == 200 and kind in answer.headers["content-type"]
