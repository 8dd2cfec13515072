"""Tests of flows.review.search: the archive is searched by files, by regions and by words, and results are decided."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from starlette.testclient import TestClient

from cbir.serving.review.desk import Desk
from cbir.serving.review.search import queries
from cbir.serving.review.search.room import SearchRoom
from flows.review import search
from tests.support.pictures import picture, turned
from tests.support.review import make_app, make_desk, make_room, open_desk
from tests.support.searchable import named

heavy = pytest.mark.heavy  # an archive is made, with an encoder


@pytest.fixture(scope="module")
def root(searchable: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return shutil.copytree(searchable, tmp_path_factory.mktemp("search") / "archive", symlinks=True)


@pytest.fixture(scope="module")
def room(root: Path) -> SearchRoom:
    """Who searches for all tests: nothing of a search lasts but what is held in memory."""
    return make_room(root, open_desk(root))


@pytest.fixture
def desk(root: Path) -> Iterator[Desk]:
    yield open_desk(root)
    (root / "decisions.csv").unlink(missing_ok=True)


@pytest.fixture
def browser(desk: Desk, room: SearchRoom) -> TestClient:
    return TestClient(make_app(desk, room=room), base_url="http://127.0.0.1:8765", follow_redirects=False)  # type: ignore[arg-type]


def sent(browser: TestClient, file: Path) -> str:
    """Searches with a file; returns the address of the results."""
    answer = browser.post(f"/search?name={file.name}", content=file.read_bytes())
    assert answer.status_code == 303, answer.text
    return answer.headers["location"]


def outside(folder: Path) -> Path:
    """A print of the third scene that the archive does not hold, turned by 8°."""
    Image.fromarray(turned(picture(2), 8)).save(folder / "print <b>.png")
    return folder / "print <b>.png"


@heavy
def test_a_picture_from_outside_finds_its_photograph_verified_and_laid_on_it(
    browser: TestClient, root: Path, tmp_path: Path
) -> None:
    page = browser.get(sent(browser, outside(tmp_path))).text
    assert "1 picture shows this photograph, it seems" in page
    assert page.index("old/2.png") < page.index("old/0.png")
    assert "local features agree on one geometry" in page and "one laid on the other" in page and "<polygon" in page
    assert "print &lt;b&gt;.png" in page and "It is not in the archive" in page
    kept = {path.name for path in (root / "store").rglob("*.sqlite")}
    assert browser.get("/pictures/" + page.split('href="/pictures/')[1].split('"')[0]).status_code == 200
    assert kept == {path.name for path in (root / "store").rglob("*.sqlite")}


@heavy
def test_what_is_decided_of_a_picture_from_outside_counts_once_the_file_is_there(
    browser: TestClient, desk: Desk, root: Path, tmp_path: Path
) -> None:
    results = sent(browser, outside(tmp_path))
    answer = browser.post(f"{results}/{named(root, 'old/2')}", data={"relation": "same photograph"})
    assert (answer.status_code, answer.headers["location"]) == (303, results)
    (kept,) = desk.ledger.decisions()
    assert (kept.first_file, kept.second_file, kept.relation) == ("print <b>.png", "old/2.png", "same photograph")
    assert "same photograph</strong> Zoe" in browser.get(results).text
    shutil.copy(outside(tmp_path), root / "raw/late.png")
    assert named(root, "late") == kept.first
    assert browser.post("/undo").headers["location"] == "/search"
    assert desk.ledger.decisions()[-1].relation == "unsure"


@heavy
def test_a_file_of_the_archive_shows_the_pairs_of_the_last_run_without_itself(browser: TestClient, root: Path) -> None:
    page = browser.get(sent(browser, root / "raw/new/crop.png")).text
    assert "The archive holds this very file" in page and "1 picture shows this photograph" in page
    assert page.count(f'id="r{named(root, "old/0")}"') == 1 and f'id="r{named(root, "new/crop")}"' not in page


@heavy
def test_a_region_is_searched_for_by_an_address_that_lasts(browser: TestClient, desk: Desk, root: Path) -> None:
    image = named(root, "old/0")
    page = browser.get(f"/search/region/{image}").text
    assert page.count('type="number"') == 4 and f'href="/pictures/{image}/large"' in page
    region = {"image": image, "left": "20", "top": "0", "width": "50", "height": "50"}
    address = browser.get("/search/region", params=region).headers["location"]
    assert address == f"/search/pictures/{image}%400.2000%2C0.0000%2C0.5000%2C0.5000"
    page = browser.get(address).text
    assert "Searched with a region of <bdi>old/0.png</bdi>" in page and "1 picture shows this photograph" in page
    crop = named(root, "new/crop")
    closer = browser.get(f"{address}/{crop}").text
    assert 'class="viewer"' in closer and 'data-matrix=""' not in closer
    browser.post(f"{address}/{crop}", data={"relation": "different"})
    assert [each.pair for each in desk.ledger.decisions()] == [(min(image, crop), max(image, crop))]


@heavy
@pytest.mark.parametrize(
    "region", [("60", "0", "50", "50"), ("0", "0", "0.1", "50"), ("-1", "0", "50", "50"), ("nan", "0", "50", "50")]
)
def test_a_region_outside_of_the_picture_is_refused(browser: TestClient, root: Path, region: tuple[str, ...]) -> None:
    values = dict(zip(("left", "top", "width", "height"), region, strict=True))
    answer = browser.get("/search/region", params={"image": named(root, "old/0"), **values})
    assert answer.status_code in (400, 422) and (
        "a region must lie in the picture" in answer.text or "detail" in answer.text
    )


@heavy
def test_words_find_pictures_where_the_encoder_reads_them_and_else_a_sentence_says_why(
    browser: TestClient, room: SearchRoom, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = browser.get("/search/words?text=a horse").text
    assert page.count('class="pick"') == 6 and "probability" not in page
    assert 'action="/search/words"' in browser.get("/search").text
    monkeypatch.setattr(room, "why_no_words", lambda: "an encoder of phash reads no texts")
    page = browser.get("/search").text
    assert "an encoder of phash reads no texts" in page and 'action="/search/words"' not in page
    assert browser.get("/search/words?text=").status_code == 400


@heavy
def test_pictures_of_the_archive_are_found_by_a_part_of_their_name_in_capitals_or_not(browser: TestClient) -> None:
    page = browser.get("/search?name=CROP").text
    assert page.count('class="pick"') == 1 and "new/crop.png" in page
    assert "No file of the archive has “zzz” in its name" in browser.get("/search?name=zzz").text


def test_what_is_no_picture_or_too_large_is_refused_in_a_sentence_with_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    browser = TestClient(make_app(make_desk(tmp_path, ("ab", 0.5))), base_url="http://127.0.0.1:8765")  # type: ignore[arg-type]
    answer = browser.post("/search?name=../../etc/a<b>.jpg", content=b"no picture")
    assert answer.status_code == 400 and "../../etc/a&lt;b&gt;.jpg: " in answer.text and "/tmp/" not in answer.text
    assert "the picture is empty" in browser.post("/search", content=b"").text
    monkeypatch.setattr(search, "MOST_BYTES", 1000)
    answer = browser.post("/search", content=b"x" * 1001)
    assert answer.status_code == 400 and "a picture must have at most" in answer.text
    assert browser.post("/search", content=b"x", headers={"Origin": "http://evil.example"}).status_code == 403


@heavy
def test_pictures_from_outside_are_decoded_in_a_process_of_their_own(
    browser: TestClient, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("read_image", "describe", "image_ids"):
        monkeypatch.delattr(queries, name)  # this process has no decoder
    assert browser.get(sent(browser, outside(tmp_path))).status_code == 200
    image = named(root, "old/1")
    assert browser.get(f"/search/pictures/{image}@0.1000,0.1000,0.5000,0.5000").status_code == 200


@heavy
def test_a_picture_that_is_held_no_more_is_asked_for_again(browser: TestClient, root: Path, tmp_path: Path) -> None:
    for query in (
        "gone",
        f"{'f' * 32}@0.0000,0.0000,0.5000,0.5000",
        f"{named(root, 'old/0')}@0.9000,0.0000,0.5000,0.5000",
    ):
        assert browser.get(f"/search/pictures/{query}").status_code == 400
    Image.fromarray(np.zeros((40, 40), np.uint8)).save(tmp_path / "flat.png")
    assert "Nothing shows this photograph" in browser.get(sent(browser, tmp_path / "flat.png")).text
