"""Tests of `cbir review` in a real browser: a session by keys alone, a kill of the server, and every size of screen."""

import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cbir.groups.decisions.journal import read_decisions
from cbir.groups.table import SCHEMA as GROUPS
from cbir.groups.table import write_groups
from cbir.images.reduced import ReducedImages
from tests.support.browser import Browser, browser
from tests.support.review import LETTERS, MAP, image, pair, write_sources

pytestmark = pytest.mark.heavy

PAIRS = [(first + second, 0.5) for place, first in enumerate(LETTERS) for second in LETTERS[place + 1 :]]
WORDS = {"s": "same photograph", "c": "same scene", "d": "different", "u": "unsure"}
SERVER = """
import sys
from pathlib import Path
from cbir.images.reduced import ReducedImages
from cbir.serving.review.audits import AuditFiles, Auditor
from cbir.serving.review.desk import Desk, Settings
from cbir.serving.review.findings import Sources
from cbir.serving.review.pictures import Pictures
from flows.review import serving

def open_desk(root):
    names = ("manifest", "groundtruth", "matches", "groups")
    sources = Sources(*(root / f"{name}.parquet" for name in names), root / "threshold.json", root / "metadata.parquet")
    reduced = ReducedImages(root / "store", root / "raw", longest_side=512)
    pictures = Pictures(reduced, thumbnails=root / "thumbnails", archive=root / "raw")
    return Desk(sources, root / "decisions.csv", pictures, Settings(threshold=0, longest_side=512))

def open_audits(root):
    names = ("audit.csv", "audits", "raw", "manifest.parquet", "groups.parquet", "encoder")
    return Auditor(AuditFiles(*(root / name for name in names)), target=0.6)

serving.open_desk, serving.open_audits = open_desk, open_audits
people = sys.argv[3:]
serving.review(Path(sys.argv[1]), host="", port=int(sys.argv[2]), people=people, browse=False)
"""


class Server:
    """`cbir review` on what a run has found; it can be killed, and started again at the same address."""

    def __init__(self, root: Path) -> None:
        self.root = root
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self.address = f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        command = [sys.executable, "-c", SERVER, str(self.root), str(self.port), "Zoe"]
        self.process = subprocess.Popen(
            command, stdout=subprocess.PIPE, text=True, start_new_session=True, cwd=self.root
        )
        assert self.process.stdout and self.process.stdout.readline() == f"Review   {self.address}\n"

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.communicate()

    def kept(self) -> list[str]:
        return [
            f"{each.first[0]}{each.second[0]} {each.relation}" for each in read_decisions(self.root / "decisions.csv")
        ]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """A server on 28 pairs in doubt, of eight pictures in two accessions."""
    mirrored = {"map": [-0.5, 0.0, 500.0, 0.0, 0.5, 20.0], "mirrored": True}
    write_sources(tmp_path, *PAIRS, new="ef12", facts={"ae": {"map": MAP}, "af": mirrored, "a1": {"map": None}})
    reduced = ReducedImages(tmp_path / "store", tmp_path / "raw", longest_side=512)
    tones = np.add.outer(np.arange(384), np.arange(512))
    for number, letter in enumerate(LETTERS):
        reduced.put(image(letter), (tones // (number + 4)).astype(np.uint8))
    server = Server(tmp_path)
    server.start()
    yield server
    server.kill()


@contextmanager
def opened(server: Server) -> Iterator[Browser]:
    with browser(server.root / "profile") as tab:
        tab.resize(1366, 850)
        tab.open(f"{server.address}/")
        tab.wait_for("document.querySelector('.viewer image')")
        yield tab


def shown(tab: Browser) -> str:
    """The letters of the pair that the page shows."""
    ends = re.findall(r"([a-f12])\1{31}", tab.run("location.pathname"))
    return "".join(ends)


def press(tab: Browser, key: str) -> None:
    """Presses a key, and waits until another page shows."""
    tab.run("document.body.id = 'before'")
    tab.press(key)
    tab.wait_for("document.body.id !== 'before'")


def test_a_session_by_keys_alone_with_undo_reload_and_a_kill_of_the_server(server: Server) -> None:
    with opened(server) as tab:
        wanted = []
        for number in range(12):
            ends, key = shown(tab), "scdu"[number % 4]
            press(tab, key)
            wanted.append(f"{ends} {WORDS[key]}")
            assert server.kept() == wanted  # on the disk, and the next pair shows
            assert shown(tab) != ends
        before = shown(tab)
        press(tab, "z")
        assert server.kept()[-1].startswith(shown(tab))
        press(tab, "n")
        tab.open(tab.run("location.href"))  # as reload does
        assert len(server.kept()) == 13

        server.kill()
        tab.press("d")
        tab.wait_for("!document.querySelector('#say').hidden")
        assert "The server does not answer" in tab.text()
        assert len(server.kept()) == 13
        server.start()
        ends = shown(tab)
        press(tab, "d")
        assert server.kept()[-1] == f"{ends} different"
        assert before


def test_an_audit_is_judged_by_keys_blind_and_to_its_end(server: Server) -> None:
    write_groups(server.root / "groups.parquet", pd.DataFrame(
        [(image("a"), image(letter), letter == "a", 0.9, "match") for letter in "abc"], columns=GROUPS.names
    ))  # fmt: skip
    with opened(server) as tab:
        tab.open(f"{server.address}/audit")
        for key, wanted in (("draw", "0 of 3 judged"), ("d", "1 of 3 judged"), ("z", "0 of 3 judged"), ("s", "1 of 3")):
            tab.run("document.querySelector('.draw button').click()") if key == "draw" else press(tab, key)
            tab.wait_for(f"document.body.innerText.includes('{wanted}')")
            assert not tab.run("document.querySelector('polygon')") and "0.5" not in tab.text()
        press(tab, "u")
        press(tab, "s")
        assert "All 3 pairs are judged" in tab.text()
        tab.run("document.querySelector('form[action=\"/audit/conclude\"] button').click()")
        tab.wait_for("document.body.innerText.includes('66.6 %')")
        tab.resize(400, 800)
        assert tab.run("document.documentElement.scrollWidth <= innerWidth")


def test_keys_in_a_note_are_letters_and_escape_leaves_it(server: Server) -> None:
    with opened(server) as tab:
        ends = shown(tab)
        tab.press("w")
        for letter in "scd":
            tab.press(letter)
        assert server.kept() == []
        tab.press("Escape")
        press(tab, "s")
        (only,) = read_decisions(server.root / "decisions.csv")
        assert (only.note, only.first[0] + only.second[0]) == ("scd", ends)


def test_pictures_are_laid_on_one_another_turned_over_and_zoomed_in_step(server: Server) -> None:
    with opened(server) as tab:
        tab.open(f"{server.address}/pairs/{pair('af')}")
        tab.wait_for("document.querySelector('.turn[data-turned]')")
        assert "shown turned over" in tab.text()
        tab.press("m")
        assert tab.run("document.querySelector('.turn').getAttribute('transform')") is None
        for key, view in (("2", "slide"), ("3", "blink"), ("4", "difference"), ("1", "side")):
            tab.press(key)
            assert tab.run("document.querySelector('.viewer').dataset.view") == view
        boxes = "[...document.querySelectorAll('.viewer svg')].map(svg => svg.viewBox.baseVal.width)"
        assert tab.run(boxes) == [512, 512, 512]
        tab.press("+")
        tab.press("+")
        first, second, laid = tab.run(boxes)
        assert second == laid == pytest.approx(512 / 2.25)
        assert first == pytest.approx(2 * second)  # the map halves: the same part of the scene, at the same scale
        centres = (
            "[...document.querySelectorAll('.viewer svg')].map(svg => svg.viewBox.baseVal).map(b => b.x + b.width / 2)"
        )
        before = tab.run(centres)
        tab.press("ArrowRight")
        after = tab.run(centres)
        assert after[1] > before[1] and after[0] <= before[0]  # the mirror image moves the other way
        tab.press("0")
        assert tab.run(boxes) == [512, 512, 512]


def test_from_a_key_to_the_next_pair_it_takes_less_than_a_second(server: Server) -> None:
    with opened(server) as tab:
        waits = []
        for _ in range(8):
            started = time.monotonic()
            press(tab, "u")
            waits.append(time.monotonic() - started)
        assert sorted(waits)[4] < 1, waits  # on a busy machine; benchmarks measure


@pytest.mark.parametrize(("width", "dark"), [(400, False), (1366, True)])
def test_pages_fit_a_phone_and_can_be_read_by_night(server: Server, width: int, dark: bool) -> None:
    with opened(server) as tab:
        tab.resize(width, 800, dark=dark)
        for address in (f"/pairs/{pair('af')}", f"/pairs/{pair('a1')}", "/contradictions"):
            tab.open(server.address + address)
            assert tab.run("document.documentElement.scrollWidth <= innerWidth"), address
            ink, paper = tab.run(
                "[getComputedStyle(document.body).color, getComputedStyle(document.body).backgroundColor]"
            )
            light, deep = (sum(map(int, re.findall(r"\d+", colour)[:3])) for colour in (ink, paper))
            assert (light > deep) is dark
        tab.open(f"{server.address}/pairs/{pair('af')}")
        assert tab.run(
            "[...document.querySelectorAll('.answers > *')].every(e => e.getBoundingClientRect().bottom <= innerHeight)"
        )


def test_every_control_is_reached_by_the_tab_key_and_has_a_name(server: Server) -> None:
    with opened(server) as tab:
        name = "(e.labels?.[0]?.textContent || e.ariaLabel || e.textContent).trim()"
        kinds = "button:not(:disabled), main a, nav a, input"
        controls = f"[...document.querySelectorAll('{kinds}')].filter(e => e.checkVisibility())"
        assert tab.run(f"{controls}.every(e => {name})")
        wanted = {*tab.run(f"{controls}.map(e => {name})")}
        reached = set()
        for _ in range(len(wanted) + 3):
            tab.press("Tab")
            reached.add(tab.run(f"(e => {name})(document.activeElement)"))
        assert wanted <= reached
