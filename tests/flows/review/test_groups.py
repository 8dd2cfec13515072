"""Tests of flows.review.groups: the list of groups, and decisions about a whole group."""

from pathlib import Path

import pytest
from starlette.testclient import TestClient

from cbir.groups.decisions.links import link
from cbir.serving.review.desk import Desk
from tests.support.review import image, make_app, make_desk, pair


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return make_desk(tmp_path, ("ab", 0.9), ("bc", 0.9), ("de", 0.9), groups=("abc", "de"), new="e")


@pytest.fixture
def browser(desk: Desk) -> TestClient:
    return TestClient(make_app(desk), base_url="http://127.0.0.1:8765", follow_redirects=False)  # type: ignore[arg-type]


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
        ({"best": image("d")}, "is not in the group"),
        ({"action": "note", "about": image("d")}, "is not in the group"),
        ({"action": "merge", "other": "https://other.example/nowhere"}, "nowhere: no group has this id now"),
        ({"action": "merge", "other": image("a")}, "choose the groups to merge, at least two"),
        ({"action": "join", "pair": image("b")}, "no image of the archive has this id"),
        (
            {"action": "remove", "image": [image("b")]},
            "action must be one of confirm, different, same scene, merge, join, note, is &#39;remove&#39;",
        ),
    ],
)
def test_an_action_that_cannot_be_is_refused_in_a_sentence(
    browser: TestClient, desk: Desk, fields: dict[str, object], words: str
) -> None:
    answer = browser.post(f"/groups/{image('a')}", data=fields)
    assert answer.status_code == 400 and words in answer.text
    assert kept(desk) == []


def test_groups_are_merged_in_one_step_and_contradictions_show_on_the_page(browser: TestClient, desk: Desk) -> None:
    answer = browser.post("/groups", data={"chosen": [image("a"), image("d")], "note": "one negative"})
    assert (answer.status_code, answer.headers["location"]) == (303, f"/groups/{image('a')}")
    assert kept(desk) == ["ad same photograph"]
    page = browser.get(answer.headers["location"]).text
    assert "from the next run on" in page and f'href="/groups/{image("d")}"' in page and "not obeyed" not in page
    browser.post(f"/pairs/{pair('ab')}", data={"relation": "different"})
    browser.post(f"/groups/{image('d')}", data={"action": "merge", "other": f" http://127.0.0.1/groups/{image('a')}/ "})
    assert kept(desk) == ["ad same photograph", "ab different"]  # the same word again adds nothing
    browser.post(f"/pairs/{pair('db')}", data={"relation": "same photograph"})
    assert browser.get(f"/groups/{image('d')}").text.count("not obeyed") == 1
    assert browser.post("/groups", data={"chosen": [image("a")]}).status_code == 400


def test_the_best_copy_is_what_a_person_makes_it_until_undo(browser: TestClient, desk: Desk) -> None:
    browser.post(f"/groups/{image('a')}", data={"best": image("c")})
    assert kept(desk) == ["ca best copy"]
    page = browser.get(f"/groups/{image('a')}").text
    assert "chosen by Zoe" in page and page.index(f'src="/pictures/{image("c")}') < page.index(image("b"))
    assert "best copy" not in browser.get(f"/pairs/{pair('ac')}").text.partition("Your last decision")[0]
    answer = browser.post("/undo")
    assert answer.headers["location"] == f"/groups/{image('a')}"
    assert "chosen by" not in browser.get(answer.headers["location"]).text
    assert not desk.ledger.links().best


def test_a_note_on_a_group_is_shown_and_removed_by_who_wrote_it(browser: TestClient, desk: Desk) -> None:
    for text in ("see box 12", "<b>see box 13</b>"):
        browser.post(f"/groups/{image('a')}", data={"action": "note", "note": text})
    page = browser.get(f"/groups/{image('a')}").text
    assert "<q>&lt;b&gt;see box 13&lt;/b&gt;</q>" in page and "box 12" not in page
    assert desk.ledger.last("Zoe") is None  # undo is of decisions
    browser.post(f"/groups/{image('a')}", data={"action": "note", "about": image("a"), "note": ""})
    assert "<q>" not in browser.get(f"/groups/{image('a')}").text


def test_what_may_belong_to_a_group_is_put_together_with_it_at_its_page(tmp_path: Path) -> None:
    desk = make_desk(tmp_path, ("ab", 0.99), ("bd", 0.5), ("ae", 0.4), ("de", 0.99), groups=("ab", "de"))
    browser = TestClient(make_app(desk), base_url="http://127.0.0.1:8765")  # type: ignore[arg-type]
    page = browser.get(f"/groups/{image('a')}").text
    assert f'value="{pair("bd")}"' in page and page.count("put together") == 1  # asked once of two groups
    browser.post(f"/groups/{image('a')}", data={"action": "join", "pair": pair("bd")})
    assert kept(desk) == ["bd same photograph"]


TITLES = {
    "a": {"title": "<b>Miroir</b>", "date": "1916-05-04", "link": "https://a.example/1", "shelfmark": "ark:/1"},
    "b": {"title": "Excelsior", "date": "1916-05-01", "link": "javascript:alert(1)"},
}


def test_a_group_stands_by_date_and_the_table_says_who_shares_with_whom_after_how_long(tmp_path: Path) -> None:
    desk = make_desk(tmp_path, ("ab", 0.99), groups=("abc",), metadata=TITLES)
    browser = TestClient(make_app(desk), base_url="http://127.0.0.1:8765")  # type: ignore[arg-type]
    page = browser.get(f"/groups/{image('a')}").text
    assert page.index("1916-05-01") < page.index("1916-05-04") and page.count('class="earliest"') == 1
    assert '<a href="https://a.example/1" rel="noreferrer">ark:/1</a>' in page
    assert "<bdi>&lt;b&gt;Miroir&lt;/b&gt;</bdi>" in page and "javascript:" not in page
    page = browser.get("/circulation").text
    assert page.count("<circle") == 1
    assert "<bdi>Excelsior</bdi>" in page and "3 days" in page and 'href="/groups?text=%3Cb%3EMiroir%3C/b%3E"' in page
    assert f'href="/groups/{image("a")}"' in browser.get("/groups", params={"text": "<B>miroir"}).text


def test_without_titles_the_table_says_how_they_come_in(browser: TestClient) -> None:
    assert "cbir import --metadata FILE" in browser.get("/circulation").text
    assert "Where it appeared" not in browser.get(f"/groups/{image('a')}").text
