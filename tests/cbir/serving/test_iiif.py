"""Tests of cbir.serving.iiif: the files have the structure that IIIF Presentation 3.0 and Web Annotation ask for."""

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from cbir.groups.circulation import by_image
from cbir.groups.evidence.pages import describe_images
from cbir.groups.evidence.pairs import member_pairs
from cbir.labels.appearances.files import METADATA
from cbir.serving.iiif import Archive, write_iiif
from tests.support.review import HOSTILE, image, make_findings

ADDRESS = "https://archive.example/iiif"
MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Groups abc, of which a and b have titles and dates, and de, of whose pair nothing is known."""
    pairs = ("ab", 0.98), ("bc", 0.97)
    findings = make_findings(tmp_path, *pairs, groups=("abc", "de"), facts={"bc": {"map": None}})
    metadata = [
        {"image_id": image("a"), "title": HOSTILE, "date": "1916-05-04", "page": "4", "link": "https://a.example/1"},
        {"image_id": image("b"), "title": "Excelsior", "date": "1916", "written": "1916 ?"},
    ]
    known = by_image(pd.DataFrame(metadata).reindex(columns=METADATA.names))
    groups = findings.groups
    images = describe_images([*groups["image_id"]], findings.files(*groups["image_id"]), findings._known.rows([]))
    matches = findings.matches(*groups["image_id"])
    archive = Archive(
        groups, member_pairs(groups, matches, threshold=0.5), images, known,
        lambda _: np.full((384, 512), 90, np.uint8), 512,
    )  # fmt: skip
    folder = tmp_path / "iiif"
    folder.mkdir()
    assert write_iiif(folder, archive, address=f"{ADDRESS}/") == 2
    return folder


def read(folder: Path, address: str) -> Any:
    """The document at an address of the collection."""
    return json.loads((folder / address.removeprefix(f"{ADDRESS}/")).read_text(encoding="utf-8"))


def each(document: Any) -> list[dict[str, Any]]:
    """All objects in a document."""
    inner = document.values() if isinstance(document, dict) else document if isinstance(document, list) else ()
    own = [document] if isinstance(document, dict) else []
    return [*own, *(item for value in inner for item in each(value))]


def test_a_collection_lists_a_manifest_a_group_that_is_there(folder: Path) -> None:
    collection = read(folder, f"{ADDRESS}/collection.json")
    assert collection["@context"] == "http://iiif.io/api/presentation/3/context.json"
    assert (collection["type"], collection["id"]) == ("Collection", f"{ADDRESS}/collection.json")
    assert len(collection["items"]) == 2
    for item in collection["items"]:
        manifest = read(folder, item["id"])
        assert item["type"] == "Manifest" and item["label"] == manifest["label"] and manifest["id"] == item["id"]


def test_each_resource_has_what_the_standard_requires_of_its_type(folder: Path) -> None:
    addresses = []
    for item in read(folder, f"{ADDRESS}/collection.json")["items"]:
        manifest = read(folder, item["id"])
        assert next(iter(manifest)) == "@context"
        for resource in each(manifest):
            if "navDate" in resource:
                assert MOMENT.fullmatch(resource["navDate"])
            if "label" in resource:
                assert all(isinstance(text, list) for text in resource["label"].values())
            kind = resource.get("type")
            if kind in ("Manifest", "Canvas", "AnnotationPage"):
                assert resource["id"].startswith(f"{ADDRESS}/") and "#" not in resource["id"]
                assert (
                    resource.get("items")
                    or "partOf" in resource
                    or resource.keys() == {"id", "type"}
                    or "source" in resource
                )
        for canvas in manifest["items"]:
            assert canvas["type"] == "Canvas" and canvas["width"] > 0 and canvas["height"] > 0
            addresses.append(canvas["id"])
            (painting,) = canvas["items"][0]["items"]
            assert (painting["type"], painting["motivation"], painting["target"]) == (
                "Annotation",
                "painting",
                canvas["id"],
            )
            picture = painting["body"]
            with Image.open(folder / picture["id"].removeprefix(f"{ADDRESS}/")) as shown:
                assert (picture["type"], picture["format"], shown.size) == (
                    "Image", "image/jpeg", (picture["width"], picture["height"])
                )  # fmt: skip
    assert len(addresses) == len({*addresses}) == 5


def test_a_group_stands_by_date_with_what_is_known_of_each_appearance(folder: Path) -> None:
    manifest = read(folder, f"{ADDRESS}/manifests/{image('a')}.json")
    assert [canvas["id"][-1] for canvas in manifest["items"]] == ["b", "a", "c"]
    assert manifest["navDate"] == "1916-01-01T00:00:00Z" and manifest["label"] == {"none": ["Excelsior: 3 images"]}
    second = manifest["items"][1]
    assert second["navDate"] == "1916-05-04T00:00:00Z" and second["homepage"][0]["id"] == "https://a.example/1"
    assert {"label": {"none": ["Page"]}, "value": {"none": ["4"]}} in second["metadata"]
    assert "metadata" not in manifest["items"][2]


def test_an_annotation_links_the_area_of_one_image_to_that_of_the_other(folder: Path) -> None:
    manifest = read(folder, f"{ADDRESS}/manifests/{image('a')}.json")
    pages = [canvas["annotations"] for canvas in manifest["items"] if "annotations" in canvas]
    (link,) = (annotation for page in pages for annotation in page[0]["items"])
    assert (link["type"], link["motivation"]) == ("Annotation", "linking")
    area, comment = link["body"]
    canvases = {canvas["id"]: canvas for canvas in manifest["items"]}
    target, _, fragment = link["target"].partition("#")
    for address, value in ((target, fragment), (area["source"]["id"], area["selector"]["value"])):
        x, y, width, height = map(int, re.fullmatch(r"xywh=(\d+),(\d+),(\d+),(\d+)", value).groups())  # type: ignore[union-attr]
        assert width > 0 and height > 0
        assert x + width <= canvases[address]["width"] and y + height <= canvases[address]["height"]
    assert target != area["source"]["id"] and "0.980" in comment["value"]
