"""Writes groups for IIIF viewers: a collection, a manifest a group, and annotations of the areas that match.

IIIF Presentation API 3.0, https://iiif.io/api/presentation/3.0/, and Web Annotations with media fragments (#xywh).
"""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image

from cbir.groups.circulation import Appearance, appearances
from cbir.groups.evidence.overlays import as_matrix, lie, reduced_size
from cbir.groups.evidence.pages import in_digits
from cbir.groups.reasons import verdict
from cbir.groups.table import best_first

FRAGMENTS = "http://www.w3.org/TR/media-frags/"
CONTEXT = "http://iiif.io/api/presentation/3/context.json"
_ZEROS = "0000-01-01T00:00:00Z"
_FACTS = {"Date": "when", "Title": "title", "Page": "page", "Place": "place", "Shelfmark": "shelfmark"}

Json = dict[str, Any]


@dataclass(frozen=True)
class Archive:
    """Holds what is written.

    Attributes:
        groups: as ``cbir.groups.table.read_groups`` gives them.
        pairs: matches within groups, as ``cbir.groups.evidence.pairs.member_pairs`` gives them.
        images: as ``cbir.groups.evidence.pages.describe_images`` gives them, by image_id.
        known: titles and dates, as ``cbir.groups.circulation.by_image`` gives them.
        pixels: of an image, uint8 (H, W) or (H, W, 3), at most ``longest_side`` px a side.
    """

    groups: pd.DataFrame
    pairs: pd.DataFrame
    images: Mapping[str, Mapping[str, Any]]
    known: Mapping[str, Mapping[str, Any]]
    pixels: Callable[[str], np.ndarray]
    longest_side: int


def write_iiif(folder: Path, archive: Archive, *, address: str) -> int:
    """Writes collection.json, manifests and images into a folder that is there; returns the number of groups.

    Args:
        address: of the folder on the web; IIIF names everything by addresses.
    """
    address = address.rstrip("/")
    for name in ("manifests", "images"):
        (folder / name).mkdir()
    items = []
    pairs = {image: rows.to_dict("records") for image, rows in archive.pairs.groupby("query_id")}
    for group_id, members in archive.groups.groupby("group_id"):
        manifest = _Manifest(str(group_id), best_first(members), archive, pairs, address).document()
        _write(folder / "manifests" / f"{group_id}.json", manifest)
        items.append({key: manifest[key] for key in ("id", "type", "label", "navDate", "thumbnail") if key in manifest})
    for image in archive.groups["image_id"]:
        Image.fromarray(archive.pixels(image)).convert("RGB").save(folder / "images" / f"{image}.jpg", quality=90)
    collection = {"id": f"{address}/collection.json", "type": "Collection", "label": _text("Near-duplicate groups")}
    _write(folder / "collection.json", {"@context": CONTEXT, **collection, "items": items})
    return len(items)


@dataclass(frozen=True)
class _Manifest:
    """Makes the manifest of a group: a canvas an image, those with a date first, by date."""

    group_id: str
    members: list[str]
    archive: Archive
    pairs: Mapping[str, list[Json]]  # by the image that is their query
    address: str

    @property
    def own(self) -> str:
        return f"{self.address}/manifests/{self.group_id}.json"

    def document(self) -> Json:
        """Returns the manifest."""
        dated = appearances(self.members, self.archive.known)
        facts = {appearance.image_id: appearance for appearance in dated}
        order = [*facts, *(image for image in self.members if image not in facts)]
        label = next(
            (row.title for row in dated if row.title), self.archive.images[self.members[0]]["files"][0]["path"]
        )
        first = dated[0].date if dated else ""
        return {
            "@context": CONTEXT,
            "id": self.own,
            "type": "Manifest",
            "label": _text(f"{label}: {len(order)} images"),
            **({"navDate": _moment(first)} if first else {}),
            "thumbnail": [self._picture(self.members[0])],
            "items": [self._canvas(image, facts.get(image)) for image in order],
        }

    def _canvas(self, image: str, appearance: Appearance | None) -> Json:
        described, canvas = self.archive.images[image], self._id(image)
        painting = {"id": f"{canvas}/painting", "type": "Annotation", "motivation": "painting"}
        page = {"id": f"{canvas}/page", "type": "AnnotationPage"}
        links = list(self._links(image))
        matches = {"id": f"{canvas}/matches", "type": "AnnotationPage", "items": links}
        return {
            "id": canvas,
            "type": "Canvas",
            "label": _text(described["files"][0]["path"]),
            "height": described["height"],
            "width": described["width"],
            **_facts(appearance),
            "items": [{**page, "items": [{**painting, "body": self._picture(image), "target": canvas}]}],
            **({"annotations": [matches]} if links else {}),
        }

    def _links(self, image: str) -> Iterator[Json]:
        """Yields an annotation for each other member that an image was laid on: the area there that it shows too."""
        for pair in self.pairs.get(image, ()):
            areas = [] if pair["map"] is None else self._areas(pair)
            if not areas:
                continue
            other = self._id(pair["neighbour_id"])
            body = {
                "type": "SpecificResource",
                "source": {"id": other, "type": "Canvas", "partOf": [{"id": self.own, "type": "Manifest"}]},
                "selector": {
                    "type": "FragmentSelector",
                    "conformsTo": FRAGMENTS,
                    "value": areas[1],
                },
            }
            words = f"{verdict(pair)}, probability {in_digits(pair['probability'])}"
            comment = {"type": "TextualBody", "value": words, "format": "text/plain", "language": "en"}
            yield {
                "id": f"{self._id(image)}/matches/{pair['neighbour_id']}",
                "type": "Annotation",
                "motivation": "linking",
                "body": [body, comment],
                "target": f"{self._id(image)}#{areas[0]}",
            }

    def _areas(self, pair: Json) -> list[str]:
        """Returns the part in common on both images of a pair, as media fragments in px of each; none without any."""
        images = [self.archive.images[pair[name]] for name in ("query_id", "neighbour_id")]
        scales = [min(1.0, self.archive.longest_side / max(each["width"], each["height"])) for each in images]
        size, other_size = (reduced_size(each, self.archive.longest_side) for each in images)
        laid = lie(as_matrix(pair["map"]), size, other_size)
        outlines = laid.outline, laid.other_outline
        return [_fragment(*each) for each in zip(outlines, scales, images, strict=True)] if all(outlines) else []

    def _picture(self, image: str) -> Json:
        width, height = reduced_size(self.archive.images[image], self.archive.longest_side)
        address = f"{self.address}/images/{image}.jpg"
        return {"id": address, "type": "Image", "format": "image/jpeg", "height": height, "width": width}

    def _id(self, image: str) -> str:
        return f"{self.address}/canvases/{self.group_id}/{image}"


def _facts(appearance: Appearance | None) -> Json:
    if appearance is None:
        return {}
    pairs = [(label, getattr(appearance, name)) for label, name in _FACTS.items()]
    facts: Json = {"metadata": [{"label": _text(label), "value": _text(text)} for label, text in pairs if text]}
    if appearance.date:
        facts["navDate"] = _moment(appearance.date)
    if appearance.link:
        label = _text(appearance.shelfmark or appearance.title or appearance.link)
        facts["homepage"] = [{"id": appearance.link, "type": "Text", "label": label, "format": "text/html"}]
    return {name: value for name, value in facts.items() if value}


def _fragment(outline: Any, scale: float, image: Mapping[str, Any]) -> str:
    points = np.asarray(outline, float).reshape(-1, 2) / scale
    low = np.clip(np.floor(points.min(0)), 0, [image["width"] - 1, image["height"] - 1])
    high = np.clip(np.ceil(points.max(0)), low + 1, [image["width"], image["height"]])
    x, y, width, height = (int(value) for value in (*low, *(high - low)))
    return f"xywh={x},{y},{width},{height}"


def _moment(date: str) -> str:
    """Returns a date as IIIF wants it, from its beginning."""
    return date + _ZEROS[len(date) :]


def _text(text: str) -> Json:
    return {"none": [text]}


def _write(path: Path, document: Json) -> None:
    path.write_text(json.dumps(document, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
