"""Tests of cbir.groups.evidence.pages."""

import re
from html import unescape
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from PIL import Image

from cbir.base.display import visible
from cbir.groups.evidence.overlays import Laid
from cbir.groups.evidence.pages import MOST_DOUBTS, describe_images, in_digits, write_doubts, write_group_pages
from cbir.groups.evidence.pairs import find_doubts, member_pairs
from cbir.matching.table import both_directions
from tests.support.browser import browser
from tests.support.findings import EVIL, grouped, known
from tests.support.manifests import image_id_of, manifest

FACTS = {"similarity": 0.5, "relation": "same photograph", "inliers": 30, "tone": 0.9, "log_nfa": -20.0}
FACTS |= {"overlap_query": 0.8, "overlap_neighbour": 0.6}
LYING = Laid((40, 30), (80, 60), ((0, 0), (40, 0), (40, 30)), ((1, 2), (3, 4), (5, 6)))


class Elements(HTMLParser):
    """The elements of a page with their attributes."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.all: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.all.append((tag, dict(attrs)))

    def values(self, tag: str, attribute: str) -> list[str | None]:
        return [attributes[attribute] for name, attributes in self.all if name == tag and attribute in attributes]


def match(first: str, second: str, probability: float, **facts: Any) -> dict[str, Any]:
    ids = {"query_id": image_id_of(first), "neighbour_id": image_id_of(second), "probability": probability}
    return FACTS | ids | {"map": (1, 0, 0, 0, 1, 0), "mirrored": False} | facts


def write(
    folder: Path, *pairs: dict[str, Any], captions: dict[str, str] | None = None, **groups: tuple[str, ...]
) -> Path:
    """Writes the pages of groups, each given by the paths of its images, and of the pairs in doubt."""
    paths = [path for group in groups.values() for path in group]
    published, matches = grouped(**groups), both_directions(pd.DataFrame(pairs))
    table = manifest(*paths, "b/alone", copies={"c/copy": paths[0]})
    usable = table["status"] == "ok"
    table.loc[usable, ["width", "height"]] = [800, 600]
    texts = known(captions) if captions else known({paths[0]: "a caption"})
    ids = [*published["image_id"], image_id_of("b/alone")]
    images = describe_images(ids, table, texts)
    laid = {
        (a, b): LYING
        for a, b, affine in matches[["query_id", "neighbour_id", "map"]].itertuples(index=False)
        if affine is not None
    }
    numbered = published.assign(group=published["group_id"].factorize()[0] + 1, decided=None)
    numbered.loc[1:1, "decided"] = "same as <b>x</b> (Anna)"
    shown = member_pairs(published, matches, threshold=0.5)
    (folder / "groups").mkdir(parents=True)
    write_group_pages(folder / "groups", numbered, shown, images, laid, {}, threshold=0.5)
    accessions = table.drop_duplicates("image_id").set_index("image_id")["accession"]
    doubts = find_doubts(published, matches, accessions, threshold=0.5)
    write_doubts(folder / "doubts.html", doubts, images, laid, groups=numbered, threshold=0.5)
    return folder


def page_of(folder: Path, first: str) -> str:
    return (folder / f"groups/{image_id_of(first)}.html").read_text(encoding="utf-8")


def test_a_page_of_a_group_shows_each_member_beside_the_best_copy_and_laid_on_it(tmp_path: Path) -> None:
    pairs = match("a/1", "a/2", 0.995), match("a/1", "a/3", 0.8)
    text = page_of(write(tmp_path, *pairs, g=("a/1", "a/2", "a/3")), "a/1")
    page = Elements(text)
    first, second, third = (image_id_of(f"a/{number}") for number in (1, 2, 3))
    assert page.values("article", "id") == [first, second, third]
    assert page.values("img", "src") == [
        f"../thumbnails/{first}.webp",
        *[f"../thumbnails/{image_id}.webp" for image_id in (second, first, first)],
        f"../overlays/{second}-{first}.webp",
        *[f"../thumbnails/{image_id}.webp" for image_id in (third, first, first)],
        f"../overlays/{third}-{first}.webp",
    ]
    assert set(page.values("img", "loading")) == {"lazy"}
    assert "The same photograph, almost surely</strong> <span>probability 0.995" in text
    assert "The same photograph, probably</strong> <span>probability 0.800" in text
    assert page.values("polygon", "points")[::2] == ["0,0 40,0 40,30", "1,2 3,4 5,6"] * 2
    assert "c/copy" in text
    assert "a caption" in text
    assert "Decided: same as &lt;b&gt;x&lt;/b&gt; (Anna)" in text


def test_a_member_whose_pair_with_the_best_copy_was_not_looked_at_says_so(tmp_path: Path) -> None:
    text = page_of(write(tmp_path, match("a/1", "a/2", 0.9), match("a/2", "a/3", 0.9), g=("a/1", "a/2", "a/3")), "a/1")
    assert "Its pair with the best copy was not looked at. This is its likeliest pair with another member." in text


def test_a_member_whose_pair_with_the_best_copy_is_unlikely_shows_both(tmp_path: Path) -> None:
    pairs = match("a/1", "a/2", 0.9), match("a/2", "a/3", 0.9), match("a/1", "a/3", 0.1, relation="unrelated")
    text = page_of(write(tmp_path, *pairs, g=("a/1", "a/2", "a/3")), "a/1")
    assert text.index("This pair alone does not show the same photograph") < text.index(
        "does not reach the threshold. This is its"
    )


def test_a_member_without_any_pair_says_so(tmp_path: Path) -> None:
    text = page_of(write(tmp_path, match("a/1", "a/2", 0.9), g=("a/1", "a/2", "a/3")), "a/1")
    assert text.count("No pair of it with another member was looked at.") == 1


def test_a_pair_without_a_map_is_shown_side_by_side_alone(tmp_path: Path) -> None:
    text = page_of(write(tmp_path, match("a/1", "a/2", 0.6, inliers=0, map=None), g=("a/1", "a/2")), "a/1")
    assert "neither picture can be laid on the other" in text
    assert "../overlays/" not in text


def test_a_mirrored_member_is_called_so(tmp_path: Path) -> None:
    text = page_of(write(tmp_path, match("a/1", "a/2", 0.999, mirrored=True), g=("a/1", "a/2")), "a/1")
    assert "The same photograph, mirrored, almost surely" in text
    assert "is mirrored: here it is turned back" in text


def test_a_group_of_exact_copies_lists_its_files(tmp_path: Path) -> None:
    text = page_of(write(tmp_path, match("a/1", "b/alone", 0.0), g=("a/1",)), "a/1")
    assert "Its files are exact copies" in text
    assert "c/copy" in text


def test_no_text_of_the_archive_becomes_markup_and_nothing_runs(tmp_path: Path) -> None:
    names = [tuple(f"a/{place}{text.replace('/', '|')}{end}" for end in "xy") for place, text in enumerate(EVIL)]
    captions = {path: text for paths, text in zip(names, EVIL, strict=True) for path in paths}
    pairs = [match(first, second, 0.6) for first, second in names]
    write(tmp_path, *pairs, captions=captions, **{f"g{place}": paths for place, paths in enumerate(names)})
    same = match("a/1", "a/2", 0.6), match("a/3", "a/4", 0.6)
    words = dict.fromkeys(("a/1", "a/2", "a/3", "a/4"), "x")
    plain = write(tmp_path / "plain", *same, captions=words, g=("a/1", "a/2"), h=("a/3", "a/4"))
    tags = [tag for tag, _ in Elements(page_of(plain, "a/3")).all]
    for (first, _), text in list(zip(names, EVIL, strict=True))[1:]:
        page = page_of(tmp_path, first)
        elements = Elements(page)
        assert [tag for tag, _ in elements.all] == tags
        assert not any(
            name.startswith("on") or name == "style" for _, attributes in elements.all for name in attributes
        )
        assert visible(text) in unescape(page)
    for page in (page_of(tmp_path, names[0][0]), (tmp_path / "doubts.html").read_text(encoding="utf-8")):
        assert "<script" not in page
        assert "script-src" not in page
        assert "default-src 'none'" in page


def test_the_page_of_doubts_says_what_hangs_on_each_pair(tmp_path: Path) -> None:
    pairs = match("a/1", "a/2", 0.6), match("a/1", "b/alone", 0.45, map=None)
    text = (write(tmp_path, *pairs, g=("a/1", "a/2")) / "doubts.html").read_text(encoding="utf-8")
    assert "<strong>2</strong> pairs need your look." in text
    across, within = text.split("<article")[1:]
    stake = re.search(
        "They are apart now. If they are the same photograph, this puts together (.*?) and (.*?)[.]", across
    )
    assert stake is not None
    assert sorted(stake.groups()) == ["a group of 2 images", "an image that is in no group"]
    assert "They are in one group now. If they are not the same photograph, this parts 1 image from 1 image." in within
    assert f'<a href="groups/{image_id_of("a/1")}.html">Group 1</a>' in within


def test_without_doubts_the_page_says_so(tmp_path: Path) -> None:
    text = (write(tmp_path, match("a/1", "a/2", 0.99), g=("a/1", "a/2")) / "doubts.html").read_text(encoding="utf-8")
    assert "No pair is in doubt." in text


def test_of_very_many_doubts_the_page_shows_the_first(tmp_path: Path) -> None:
    paths = [f"a/{number}" for number in range(MOST_DOUBTS + 50)]
    pairs = [match(path, "b/alone", 0.5 - number / 1000) for number, path in enumerate(paths)]
    groups = {f"g{number}": (path,) for number, path in enumerate(paths)}
    text = (write(tmp_path, *pairs, **groups) / "doubts.html").read_text(encoding="utf-8")
    assert (
        f"<strong>{MOST_DOUBTS + 50}</strong> pairs need your look; here are the {MOST_DOUBTS} on which most hangs."
        in text
    )
    assert len(re.findall("<article", text)) == MOST_DOUBTS


@pytest.mark.parametrize(
    ("probability", "digits"), [(0.9, "0.900"), (0.9994, "0.999"), (0.99999, "above 0.999"), (0.0001, "below 0.001")]
)
def test_a_probability_is_never_written_as_certain(probability: float, digits: str) -> None:
    assert in_digits(probability) == digits


@pytest.mark.heavy
def test_in_a_browser_without_scripts_the_pictures_load_from_disk_and_lie_on_one_another(tmp_path: Path) -> None:
    write(tmp_path, match("a/1", "a/2", 0.995), g=("a/1", "a/2"))
    first, second = image_id_of("a/1"), image_id_of("a/2")
    for file in (f"thumbnails/{first}.webp", f"thumbnails/{second}.webp", f"overlays/{second}-{first}.webp"):
        (tmp_path / file).parent.mkdir(exist_ok=True)
        Image.new("RGB", (40, 30), "grey").save(tmp_path / file)
    (tmp_path / "profile").mkdir()
    with browser(tmp_path / "profile") as tab:
        tab.open((tmp_path / f"groups/{first}.html").as_uri())
        tab.run("document.querySelectorAll('img').forEach(image => image.loading = 'eager')")
        tab.wait_for(
            "[...document.images].length == 5 && [...document.images].every(image => image.naturalWidth == 40)"
        )
        shown = "getComputedStyle(document.querySelector('.warped')).visibility"
        assert tab.run("getComputedStyle(document.querySelector('.warped')).maskImage").startswith("repeating-linear")
        assert tab.run(shown) == "visible"
        tab.run("document.querySelector('input.under').checked = true")
        assert tab.run(shown) == "hidden"
        assert tab.run("document.scripts.length") == 0
