"""Tests of cbir.groups.page."""

import base64
import hashlib
import json
import re
import time
from dataclasses import replace
from html.parser import HTMLParser
from itertools import chain
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pandas as pd
import pytest

from cbir.base.display import visible
from cbir.groups.page import Link, write_page
from cbir.groups.rows import Summary
from tests.support.browser import browser
from tests.support.findings import EVIL, evil_rows, grouped, rows_of
from tests.support.manifests import image_id_of, manifest

SUMMARY = Summary(
    4, 0, 3, 1, 2, 3, 1, threshold=0.9, rule="By hand.", promise="None.", expected_precision=0.97, doubts=3
)


class Page(HTMLParser):
    """The elements of a page, and the texts inside its scripts and styles."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.inside: dict[str, str] = {}
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        tag, attributes = self.elements[-1] if self.elements else ("", {})
        if tag in ("script", "style") and self.cdata_elem:
            key = "data" if attributes.get("type") == "application/json" else tag
            self.inside[key] = self.inside.get(key, "") + data
        else:
            self.text += data

    @property
    def document(self) -> dict[str, Any]:
        return json.loads(self.inside["data"])


def write(folder: Path, rows: pd.DataFrame, *, summary: Summary = SUMMARY) -> str:
    write_page(
        folder / "index.html",
        rows,
        summary=summary,
        links=[Link("Cleaning report", "cleaning.csv")],
        archive="../data/raw",
        thumbnail_side=40,
    )
    return (folder / "index.html").read_text(encoding="utf-8")


def test_the_page_holds_every_group_with_its_images_files_and_captions(tmp_path: Path) -> None:
    table = manifest("a/1", "a/2", "a/3", "c/7", copies={"b/1": "a/1", "c/8": "c/7"})
    rows = rows_of(grouped(g=("a/1", "a/2", "a/3"), h=("c/7",)), table, {"a/2": "Médine"}, {"a/2": "k"})
    document = Page(write(tmp_path, rows)).document
    assert document["accessions"] == ["a", "b", "c"]
    first, second = document["groups"]
    assert [first["id"], second["id"]] == [image_id_of("a/1"), image_id_of("c/7")]
    assert [image["files"] for image in first["images"]] == [
        [["a/1", 1, 0], ["b/1", 1, 1]],
        [["a/2", 1, 0]],
        [["a/3", 1, 0]],
    ]
    assert [image.get("best") for image in first["images"]] == [1, None, None]
    assert [image["similarity"] for image in first["images"]] == [0.99, 0.98, 0.97]
    assert [image.get("caption") for image in first["images"]] == [None, "Médine", None]
    assert [image.get("known") for image in first["images"]] == [None, "k", None]
    assert len(second["images"][0]["files"]) == 2


def test_without_javascript_the_page_leads_to_the_page_of_each_group(tmp_path: Path) -> None:
    rows = rows_of(grouped(g=("a/1", "a/2"), h=("a/3",)), manifest("a/1", "a/2", "a/3", copies={"b/3": "a/3"}))
    page = Page(write(tmp_path, rows))
    links = [attributes["href"] for tag, attributes in page.elements if tag == "a"]
    assert links[-2:] == [f"groups/{image_id_of(first)}.html" for first in ("a/1", "a/3")]


def test_the_page_says_in_words_how_many_pairs_are_right_and_leads_to_those_in_doubt(tmp_path: Path) -> None:
    rows = rows_of(grouped(g=("a/1", "a/2")), manifest("a/1", "a/2"))
    page = write(tmp_path, rows)
    assert "1 group of 2 images; by their probabilities about 97 of 100 pairs are right; 3 pairs need your look" in page
    assert '<a href="doubts.html">' in page
    assert "doubts.html" not in write(tmp_path, rows, summary=replace(SUMMARY, doubts=0))


def test_captions_are_cut_to_one_length_where_the_page_would_be_too_large(tmp_path: Path) -> None:
    names = [f"a/{number:05d}" for number in range(2_000)]
    rows = rows_of(grouped(g=tuple(names)), manifest(*names), {name: "é" * 200 + name for name in names})
    page = write(tmp_path, rows)
    captions = [image["caption"] for image in Page(page).document["groups"][0]["images"]]
    assert set(captions) == {"é" * 60 + "…"}
    assert len(page.encode()) < 2_000_000


def test_no_text_of_the_archive_becomes_markup(tmp_path: Path) -> None:
    evil = replace(SUMMARY, rule=" ".join(EVIL))
    page = Page(write(tmp_path, evil_rows(), summary=evil))
    names = [(f"a/{number}", f"b/{number}") for number in range(len(EVIL))]
    groups = grouped(**{str(number): pair for number, pair in enumerate(names)})
    plain = Page(write(tmp_path, rows_of(groups, manifest(*chain(*names)))))
    assert [tag for tag, _ in page.elements] == [tag for tag, _ in plain.elements]
    assert not any(name.startswith("on") for _, attributes in page.elements for name in attributes)
    captions = {image["caption"] for group in page.document["groups"] for image in group["images"]}
    assert captions == set(EVIL)
    assert all(visible(text) in page.text for text in EVIL)


def test_the_data_element_holds_no_character_that_could_end_it(tmp_path: Path) -> None:
    data = re.search(
        r'<script type="application/json" id="data">(.*?)</script>', write(tmp_path, evil_rows()), re.DOTALL
    )
    assert data is not None
    assert not re.search("[<>&\u2028\u2029]", data[1])
    assert json.loads(data[1])["groups"]


def test_the_script_writes_texts_never_markup() -> None:
    script = (Path(__file__).parents[3] / "cbir/reports/templates/report.js").read_text(encoding="utf-8")
    for sink in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "Function(", "javascript:"):
        assert sink not in script


def test_only_the_own_script_and_style_may_run_and_nothing_is_loaded(tmp_path: Path) -> None:
    page = Page(write(tmp_path, evil_rows()))
    policy = next(
        attributes["content"] or ""
        for _, attributes in page.elements
        if attributes.get("http-equiv") == "Content-Security-Policy"
    )
    for kind in ("script", "style"):
        digest = base64.b64encode(hashlib.sha256(page.inside[kind].encode()).digest()).decode()
        assert f"{kind}-src 'sha256-{digest}'" in policy
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert not any(
        tag in ("script", "img", "iframe", "object") and "src" in attributes for tag, attributes in page.elements
    )
    assert not any("style" in attributes for _, attributes in page.elements)
    links = [attributes["href"] for tag, attributes in page.elements if tag in ("a", "link")]
    groups = [f"groups/{group['id']}.html" for group in page.document["groups"]]
    assert links == ["data:,", "#groups", "doubts.html", "cleaning.csv", *groups]


def test_an_original_is_offered_for_the_formats_that_browsers_show(tmp_path: Path) -> None:
    rows = rows_of(grouped(g=("a/1", "a/2", "a/3")), manifest("a/1", "a/2", "a/3"))
    rows["format"] = ["JPEG", "TIFF", "PNG"]
    rows["width"] = [40, 40, 100_000_000]
    images = Page(write(tmp_path, rows)).document["groups"][0]["images"]
    assert [image.get("original") for image in images] == [1, None, None]


def test_more_groups_than_the_page_shows_are_said_in_a_sentence(tmp_path: Path) -> None:
    rows = rows_of(grouped(g=("a/1", "a/2")), manifest("a/1", "a/2"))
    assert "This page shows 1 of the 3,456 groups" in write(tmp_path, rows, summary=replace(SUMMARY, groups=3456))
    assert "of the 1 groups" not in write(tmp_path, rows)


@pytest.mark.parametrize(("groups", "sentence"), [(0, "There are no groups to show"), (3, "shows none of the groups")])
def test_a_page_without_groups_says_so(tmp_path: Path, groups: int, sentence: str) -> None:
    page = Page(write(tmp_path, rows_of(grouped(), manifest("a/1")), summary=replace(SUMMARY, groups=groups)))
    assert sentence in page.text
    assert page.document["groups"] == []


def test_the_same_groups_give_the_same_bytes_without_a_path_of_this_machine(tmp_path: Path) -> None:
    first, other = write(tmp_path / "one", evil_rows()), write(tmp_path / "other", evil_rows())
    assert first == other
    assert str(tmp_path) not in first


def test_2000_groups_make_a_page_below_2_mb_in_seconds(tmp_path: Path) -> None:
    names = [tuple(f"accession-{image}/fonds/{group:05d}_recto.jpg" for image in range(3)) for group in range(2_000)]
    captions = dict.fromkeys(chain(*names), "Arrivée du général à la gare. " * 8)
    rows = rows_of(
        grouped(**{str(place): paths for place, paths in enumerate(names)}), manifest(*chain(*names)), captions
    )
    started = time.perf_counter()
    page = write(tmp_path, rows)
    assert time.perf_counter() - started < 20
    assert len(page.encode()) < 2_000_000
    assert sum(len(group["images"]) for group in Page(page).document["groups"]) == 6_000


@pytest.mark.heavy
def test_in_a_browser_names_are_text_whatever_is_in_them_and_links_lead_to_the_files(tmp_path: Path) -> None:
    names = [f"a/{text.replace('/', '|')}.jpg" for text in EVIL]
    names += ["a/\u202egpj.exe.jpg", "a/new\nline\x07\x1b[31m.jpg", "a/صورة \u200f#1?.jpg"]
    write(tmp_path, rows_of(grouped(g=tuple(names)), manifest(*names)))
    (tmp_path / "profile").mkdir()
    with browser(tmp_path / "profile") as tab:
        tab.open((tmp_path / "index.html").as_uri())
        tab.wait_for(f"document.querySelectorAll('.path').length == {len(names)}")
        shown = tab.run("[...document.querySelectorAll('.path')].map(path => path.textContent)")
        assert sorted(shown) == sorted(map(visible, names))
        foreign = "#groups script, #groups img:not([src^='thumbnails/'])"
        assert tab.run(f"document.querySelectorAll({json.dumps(foreign)}).length") == 0
        tab.run("document.querySelector('button.picture').click()")
        links = []
        for _ in names:
            links.append(tab.run("document.querySelector('#viewer-pictures a').getAttribute('href')"))
            tab.run("document.getElementById('viewer-next').click()")
        assert sorted(map(unquote, links)) == sorted(f"../data/raw/{name}" for name in names)
