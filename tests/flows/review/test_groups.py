"""Tests of flows.review.groups: the list of groups, and decisions about a whole group."""

from pathlib import Path

import pytest
from starlette.testclient import TestClient

from cbir.groups.decisions.links import link
from cbir.serving.review.desk import Desk
from flows.processes.guard import Guard
from flows.review.access import Access
from flows.review.app import create_app
from tests.support.review import image, make_desk, pair


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return make_desk(tmp_path, ("ab", 0.9), ("bc", 0.9), ("de", 0.9), groups=("abc", "de"), new="e")


@pytest.fixture
def browser(desk: Desk) -> TestClient:
    app = Guard(create_app(desk, Access(alone="Zoe")))
    return TestClient(app, base_url="http://127.0.0.1:8765", follow_redirects=False)  # type: ignore[arg-type]


def kept(desk: Desk) -> list[str]:
    return [f"{each.first[0]}{each.second[0]} {each.relation}" for each in desk.ledger.decisions()]


def test_groups_are_listed_with_their_pictures_and_links_that_last(browser: TestClient) -> None:
    page = browser.get("/groups").text
    assert "2 groups" in page
    assert page.index(f'href="/groups/{image("a")}"') < page.index(f'href="/groups/{image("d")}"')
    assert f'src="/pictures/{image("c")}"' in page
    page = browser.get("/groups?across=true").text
    assert "1 group<" in page and image("a") not in page
    assert "No group is like that" in browser.get("/groups?text=nowhere").text


def test_a_search_keeps_its_words_and_shows_them_as_text(browser: TestClient) -> None:
    page = browser.get("/groups", params={"text": '"><script>', "order": "certain"}).text
    assert 'value="&#34;&gt;&lt;script&gt;"' in page and "<script>" not in page
    assert '<option value="certain" selected>' in page


@pytest.mark.parametrize("query", ["order=best", "size=-1", "size=x", "page=0", "decided=perhaps", f"text={'x' * 300}"])
def test_a_question_of_another_form_is_refused(browser: TestClient, query: str) -> None:
    assert browser.get(f"/groups?{query}").status_code == 422


def test_many_groups_come_page_by_page(browser: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flows.review.groups.PAGE", 1)
    first, last = (browser.get(f"/groups?page={number}&doubt=false").text for number in (1, 2))
    assert "page 1 of 2" in first and 'href="/groups?order=large&amp;page=2"' in first
    assert image("d") in last and image("a") not in last


def test_a_groups_page_has_its_pictures_and_leads_to_pairs(browser: TestClient) -> None:
    page = browser.get(f"/groups/{image('a')}").text
    assert f'href="/pairs/{pair("ba")}"' in page and f'href="/pairs/{pair("ca")}"' in page
    answer = browser.get(f"/groups/{image('b')}")
    assert answer.status_code == 400 and "no group has this id now" in answer.text
    assert f'href="/groups/{image("a")}"' in browser.get(f"/pairs/{pair('ab')}").text


def test_a_group_is_confirmed(browser: TestClient, desk: Desk) -> None:
    answer = browser.post(f"/groups/{image('a')}", data={"action": "confirm", "note": "one negative"})
    assert (answer.status_code, answer.headers["location"]) == (303, f"/groups/{image('a')}")
    assert kept(desk) == ["ab same photograph", "ac same photograph"]
    assert {each.note for each in desk.ledger.decisions()} == {"one negative"}
    browser.post(f"/groups/{image('a')}", data={"action": "confirm"})
    assert len(kept(desk)) == 2  # said once
    assert f'href="/groups/{image("a")}"' in browser.get("/groups?decided=yes").text
    assert image("a") not in browser.get("/groups?decided=no").text


def test_pictures_are_taken_out_of_a_group(browser: TestClient, desk: Desk) -> None:
    browser.post(f"/groups/{image('a')}", data={"action": "same scene", "image": [image("b")]})
    assert kept(desk) == ["ba same scene", "bc same scene"]
    assert len(link(desk.ledger.decisions()).apart) == 2


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"action": "different"}, "at least one and not all"),
        ({"action": "different", "image": [image("d")]}, "is not in the group"),
        (
            {"action": "remove", "image": [image("b")]},
            "action must be confirm, different or same scene, is &#39;remove&#39;",
        ),
    ],
)
def test_an_action_that_cannot_be_is_refused_in_a_sentence(
    browser: TestClient, desk: Desk, fields: dict[str, object], words: str
) -> None:
    answer = browser.post(f"/groups/{image('a')}", data=fields)
    assert answer.status_code == 400 and words in answer.text
    assert kept(desk) == []
