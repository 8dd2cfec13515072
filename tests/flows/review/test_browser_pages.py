"""Tests of the pages of `cbir review` in a real browser: search, phones, night, keys alone, and axe-core."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from tests.support.axe import violations
from tests.support.browser import Browser
from tests.support.pictures import picture, turned
from tests.support.review import image, pair
from tests.support.searchable import named
from tests.support.served import REPORT, Server

pytestmark = pytest.mark.heavy

FOUND = "location.pathname.startsWith('/search/pictures/')"
NAME = "(e.labels?.[0]?.textContent || e.ariaLabel || e.textContent || e.querySelector('img')?.alt || '').trim()"
CONTROLS = "button:not(:disabled), main a, nav a, input:not([type=hidden], [type=radio]:not(:checked)), select, summary"
PASTE = """new Promise((done) => {
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = 64;
  canvas.toBlob((blob) => {
    const data = new DataTransfer();
    data.items.add(new File([blob], "pasted.png", {type: "image/png"}));
    document.dispatchEvent(new ClipboardEvent("paste", {clipboardData: data}));
    done(true);
  });
})"""
PLACES = """((place) => [0.2, 0.6].map((part) => [place.e + place.a * part * 512, place.f + place.d * part * 340]))(
  document.querySelector("svg.region").getScreenCTM())"""


def addresses(server: Server) -> list[str]:
    """One address of each kind of page."""
    region = f"/search/pictures/{named(server.root, 'old/0')}@0.2000,0.0000,0.5000,0.5000"
    pages = [f"/pairs/{pair('af')}", f"/pairs/{pair('a1')}", "/done", "/contradictions", "/enter", "/pairs/none-none"]
    pages += [f"/arrivals/{REPORT}", "/groups", f"/groups/{image('0')}", "/circulation", "/audit"]
    pages += [
        "/search",
        "/search?name=old",
        f"/search/region/{named(server.root, 'old/0')}",
        "/search/words?text=tower",
    ]
    return [*pages, region, f"{region}/{named(server.root, 'new/crop')}"]


@pytest.fixture
def drawn(server: Server, tab: Browser) -> Iterator[Browser]:
    """A window on the page where a region of the first scene is drawn."""
    tab.open(f"{server.address}/search/region/{named(server.root, 'old/0')}")
    tab.wait_for("document.querySelector('svg.region')")
    yield tab


def results(tab: Browser) -> str:
    tab.wait_for(FOUND)
    return tab.text()


def test_a_picture_from_outside_is_chosen_or_pasted_and_its_photograph_stands_first(
    server: Server, tab: Browser, tmp_path: Path
) -> None:
    Image.fromarray(turned(picture(2), 8)).save(tmp_path / "print.png")
    tab.open(f"{server.address}/search")
    tab.choose(".drop input[type=file]", tmp_path / "print.png")
    text = results(tab)
    assert "1 picture shows this photograph, it seems" in text and text.index("old/2.png") < text.index("old/0.png")
    tab.run("document.querySelector('article .same').click()")
    tab.wait_for("document.querySelector('article .said')")
    assert server.kept()[0].endswith("same photograph") and tab.run("document.activeElement.tagName") == "ARTICLE"

    tab.open(f"{server.address}/search")
    tab.run(PASTE)
    assert "Nothing shows this photograph" in results(tab)


def test_a_region_is_drawn_with_the_mouse_or_written_and_words_are_searched_for(server: Server, drawn: Browser) -> None:
    tab = drawn
    tab.drag(*tab.run(PLACES))
    values = "['left', 'top', 'width', 'height'].map(n => Number(document.querySelector(`[name=${n}]`).value))"
    left, top, width, height = tab.run(values)
    assert 15 < left < 25 and 10 < top < 30 and 30 < width < 50 and 20 < height < 60
    tab.run("document.querySelector('[name=top]').select()")
    for number, value in enumerate(("0", "50", "50")):  # the tab key selects what is in a field
        for key in (("Tab",) if number else ()) + (*value,):
            tab.press(key)
    assert tab.run(values)[1:] == [0, 50, 50]
    assert tab.run("Number(document.querySelector('rect.box').getAttribute('width'))") == pytest.approx(256)
    tab.press("Enter")
    assert "new/crop.png" in results(tab) and "1 picture shows this photograph" in tab.text()
    tab.open(f"{server.address}/search")
    tab.run("document.querySelector('[name=text]').focus()")
    for key in ("t", "o", "w", "e", "r", "Enter"):
        tab.press(key)
    tab.wait_for("location.pathname === '/search/words'")
    assert "“tower”" in tab.text() and "old/4.png" in tab.text()


def test_pages_fit_a_phone_are_readable_by_day_and_by_night_and_break_no_rule_of_axe(
    server: Server, tab: Browser
) -> None:
    for address in addresses(server):
        for width, dark in ((1366, False), (400, True)):
            tab.resize(width, 800, dark=dark)
            tab.open(server.address + address)
            tab.wait_for("document.readyState === 'complete'")
            assert tab.run("document.documentElement.scrollWidth <= innerWidth"), (address, width)
            colours = "[getComputedStyle(document.body).color, getComputedStyle(document.body).backgroundColor]"
            light, deep = (sum(map(int, re.findall(r"\d+", colour)[:3])) for colour in tab.run(colours))
            assert (light > deep) is dark
            assert violations(tab) == [], (address, dark)
    tab.open(f"{server.address}/pairs/{pair('af')}")
    answers = "[...document.querySelectorAll('.answers > *')]"
    assert tab.run(f"{answers}.every(e => e.getBoundingClientRect().bottom <= innerHeight)")  # on the phone too


def test_every_control_has_a_name_is_reached_by_the_tab_key_and_shows_that_it_has_the_focus(
    server: Server, tab: Browser
) -> None:
    for address in addresses(server):
        tab.open(server.address + address)
        controls = f"[...document.querySelectorAll('{CONTROLS}')].filter(e => e.checkVisibility())"
        assert tab.run(f"{controls}.every(e => {NAME})"), address
        wanted, reached = {*tab.run(f"{controls}.map(e => {NAME})")}, set()
        for _ in range(tab.run(f"{controls}.length") + 3):
            tab.press("Tab")
            name, seen = tab.run(
                f"(e => [{NAME}, getComputedStyle(e).outlineStyle !== 'none'])(document.activeElement)"
            )
            reached.add(name)
            assert seen or name not in wanted, (address, name)
        assert wanted <= reached, address
