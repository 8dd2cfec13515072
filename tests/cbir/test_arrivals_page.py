"""Tests of cbir.arrivals_page."""

import re
import time
from pathlib import Path

from cbir.arrivals import Arrivals
from cbir.arrivals_layout import lay_out
from cbir.arrivals_page import write_page
from tests.cbir.archives import arrivals, eventful
from tests.cbir.findings import EVIL
from tests.cbir.manifests import identity, manifest
from tests.cbir.test_arrivals_text import Stays


def write(path: Path, found: Arrivals, *, text: str = "", pictures: dict[str, bytes] | None = None) -> str:
    captions = {identity("a/1"): f"Médine {text}"}
    write_page(
        path,
        found,
        lay_out(found, captions),
        name=f"20261125T063000Z {text}",
        pictures=pictures or {},
        left=[Stays(f"Thumbs.db {text}", "no image")],
        waiting=[Stays("z.tif", f"still growing {text}")],
        archive="../../data/raw",
        groups="../index.html",
        table="x.csv",
    )
    return path.read_text(encoding="utf-8")


def part(page: str, name: str) -> str:
    found = re.search(f'<section id="{name}">(.*?)</section>', page, re.DOTALL)
    assert found is not None
    return re.sub(r"\s+", " ", re.sub("<[^>]+>", " ", found[1]))


def test_the_page_says_what_arrived_in_a_sentence_and_in_figures(tmp_path: Path) -> None:
    page = write(tmp_path / "x.html", eventful())
    lead = re.sub("<[^>]+>", "", re.search(r'class="lead">(.*?)</p>', page, re.DOTALL)[1])  # type: ignore[index]
    assert "6 files arrived with 4 new images. 3 of them have near-duplicates; 1 file is an exact copy." in lead
    assert "4 pairs need a person's look." in lead
    assert re.findall(r"<dt>(.*?)</dt><dd>(.*?)</dd>", page)[:3] == [
        ("New files", "6"),
        ("New images", "4"),
        ("Near-duplicate pairs", "6"),
    ]


def test_every_kind_of_news_has_its_part(tmp_path: Path) -> None:
    page = write(tmp_path / "x.html", eventful())
    assert "0.900 above the threshold not in one group" in part(page, "look")
    near = part(page, "near")
    assert "2 new images joins a group of 3" in near
    assert "0.970 to 3 0.910 to 2" in near
    assert "exact copy: c b/" in near
    assert "new file c b/" in part(page, "copies")
    assert "4 b/" in part(page, "alone")
    assert "b/5 corrupt x" in part(page, "rejected")
    assert "z.tif still growing Thumbs.db no image" in part(page, "landing")
    assert "grew Grew from 2 to 3 images" in part(page, "changes")
    assert "changed 2 came, 1 left; 3 images now" in part(page, "changes")


def test_parts_without_anything_are_left_out(tmp_path: Path) -> None:
    page = write(tmp_path / "x.html", arrivals(manifest("a/1"), manifest("a/1", "a/2")))
    assert re.findall('<section id="(.*?)">', page) == ["alone", "landing"]


def test_pictures_are_inside_the_page_and_lead_to_the_files(tmp_path: Path) -> None:
    found = arrivals(manifest(), manifest("b/é #1?.jpg"))
    page = write(tmp_path / "x.html", found, pictures={identity("b/é #1?.jpg"): b"webp"})
    assert 'src="data:image/webp;base64,d2VicA=="' in page
    assert 'href="../../data/raw/b/%C3%A9%20%231%3F.jpg"' in page


def test_groups_lead_to_the_page_of_all_groups(tmp_path: Path) -> None:
    assert f'href="../index.html#{identity("a/1")}"' in write(tmp_path / "x.html", eventful())


def test_no_text_of_the_archive_becomes_markup(tmp_path: Path) -> None:
    plain = write(tmp_path / "x.html", eventful("x"), text="x")
    for text in EVIL:
        page = write(tmp_path / "x.html", eventful(text), text=text)
        assert re.findall("<[a-z]+", page) == re.findall("<[a-z]+", plain)
        assert not re.search(r"<[^>]*\son\w+=", page)


def test_only_the_own_style_counts_and_nothing_is_loaded(tmp_path: Path) -> None:
    page = write(tmp_path / "x.html", eventful())
    assert "default-src 'none'; img-src data:; style-src 'sha256-" in page
    assert "<script" not in page
    assert " style=" not in page


def test_the_same_arrival_gives_the_same_bytes(tmp_path: Path) -> None:
    assert write(tmp_path / "x.html", eventful()) == write(tmp_path / "y.html", eventful())


def test_a_page_of_two_thousand_new_images_is_made_in_seconds(tmp_path: Path) -> None:
    old = [f"a/{place:04}" for place in range(1000)]
    new = [f"b/{place:04}" for place in range(2000)]
    groups = [(f"a/{place:04}", f"b/{place:04}") for place in range(1000)]
    similar = {(f"b/{place:04}", f"a/{place:04}"): 0.92 for place in range(1000)}
    begun = time.monotonic()
    found = arrivals(manifest(*old), manifest(*old, *new), after=groups, similar=similar)
    page = write(tmp_path / "x.html", found)
    assert time.monotonic() - begun < 20
    assert page.count('id="group-') == 1000
    assert "The page shows 200 of 1,000 pairs" in page
