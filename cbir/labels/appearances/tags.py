"""Reads where and when an image appeared from the tags inside its file: XMP, IPTC and EXIF.

The time at which a scanner made the file is no date of an appearance, and is never taken for one.
"""

import json
import logging
import re
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pandas as pd
from PIL import ExifTags, Image, IptcImagePlugin
from PIL.ImageFile import ImageFile

from cbir.archive.manifest import unique_images
from cbir.archive.sandbox import Lost, run_isolated
from cbir.base.display import Progress, silent
from cbir.store import Store

_VERSION = 1  # of what is read; another one is read anew
_SECONDS = 30  # for one file
_MOST = 500  # characters of a value that are kept
_RDF = "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}"
_VOCABULARIES = {
    "http://purl.org/dc/elements/1.1/": "dc",
    "http://ns.adobe.com/photoshop/1.0/": "photoshop",
    "http://prismstandard.org/namespaces/basic/": "prism",  # its version follows
}
# The first that is there counts.
_OF_XMP: Mapping[str, tuple[str, ...]] = {
    "title": ("prism:publicationName", "photoshop:Source", "dc:source"),
    "date": ("prism:coverDate", "prism:publicationDate", "photoshop:DateCreated"),
    "page": ("prism:startingPage", "prism:pageRange"),
    "place": ("prism:location", "photoshop:City"),
    "shelfmark": ("dc:identifier",),
    "link": ("prism:url",),
}
_OF_IPTC = {"title": (2, 115), "date": (2, 55), "place": (2, 90)}  # Source, Date Created, City

log = logging.getLogger(__name__)


def find_tags(
    manifest: pd.DataFrame, archive: Path, store: Path, *, progress: Progress = silent
) -> dict[str, dict[str, str]]:
    """Returns what the tags of files say of their images, by image_id, of those alone of which they say something.

    A file is read once in its life, in a process of its own: what damages or hangs that costs its tags alone.

    Args:
        manifest: as ``cbir.archive.manifest.read_manifest`` gives it.
        archive: folder that its paths are relative to.
        store: folder of the stores; the tags are kept in its ``tags.sqlite``.
    """
    images = unique_images(manifest)
    images = images[images["page"] == 0]
    key = {image_id: f"{image_id}/{_VERSION}" for image_id in images["image_id"]}
    image_of = {archive / path: image_id for image_id, path in zip(images["image_id"], images["path"], strict=True)}
    entries = Store(store / "tags.sqlite")
    stored = entries.get_many([*key.values()])
    todo = [file for file, image_id in image_of.items() if key[image_id] not in stored]
    isolated = run_isolated(read_tags, todo, timeout=_SECONDS) if todo else iter(())
    for outcome in progress(isolated, total=len(todo), desc="tags", unit="file"):
        if isinstance(outcome.result, Lost):
            log.warning("the tags of %s were not read: %s", outcome.item, outcome.result.reason)
        else:
            name = key[image_of[outcome.item]]
            stored[name] = json.dumps(outcome.result).encode()
            entries.put_many([(name, stored[name])])
    tags = {image_id: json.loads(stored[name]) for image_id, name in key.items() if name in stored}
    return {image_id: values for image_id, values in tags.items() if values}


def read_tags(file: Path) -> dict[str, str]:
    """Returns title, date, page, place, shelfmark and link, those of them that the tags of a file give.

    XMP counts before IPTC, and both before the time of EXIF, which counts where it lies before that of the scan.
    """
    try:
        with warnings.catch_warnings(), Image.open(file) as image:
            warnings.simplefilter("ignore")  # of damaged tags
            sources = [reader(image) for reader in (_of_xmp, _of_iptc, _of_exif)]
    except Exception:  # Pillow raises many kinds of errors for damaged tags; the picture was judged by the stage clean
        return {}
    tags: dict[str, str] = {}
    for source in sources:
        tags = source | tags
    return {field: text for field in sorted(tags) if (text := " ".join(tags[field].split())[:_MOST])}


def _of_xmp(image: ImageFile) -> dict[str, str]:
    packet = image.info.get("xmp") or image.info.get("XML:com.adobe.xmp")
    if not packet:
        return {}
    known = dict(_properties(ElementTree.fromstring(packet.strip(b"\0 " if isinstance(packet, bytes) else None))))
    firsts = {field: next((known[name] for name in names if known.get(name)), "") for field, names in _OF_XMP.items()}
    return {field: text for field, text in firsts.items() if text}


def _properties(packet: ElementTree.Element) -> Iterator[tuple[str, str]]:
    """Yields the properties of XMP of the vocabularies that are read, each with its first value."""
    for description in packet.iter(f"{_RDF}Description"):
        for name, value in description.items():
            yield _short(name), value
        for child in description:
            yield _short(child.tag), next((text for text in child.itertext() if text.strip()), "")


def _short(name: str) -> str:
    """Returns a name as ``dc:source``; empty for a vocabulary that is not read."""
    uri, _, local = name.removeprefix("{").partition("}")
    prefix = next((short for start, short in _VOCABULARIES.items() if uri.startswith(start)), "")
    return f"{prefix}:{local}" if prefix else ""


def _of_iptc(image: ImageFile) -> dict[str, str]:
    records: Mapping[tuple[int, int], Any] = IptcImagePlugin.getiptcinfo(image) or {}
    marked_utf8 = records.get((1, 90)) == b"\x1b%G"
    tags = {}
    for field, number in _OF_IPTC.items():
        value = records.get(number)
        if isinstance(value, list):
            value = value[0]
        if value:
            tags[field] = value.decode("utf-8" if marked_utf8 else "latin-1", "replace").strip("\0 ")
    if match := re.fullmatch(r"(\d{4})(\d{2})(\d{2})", tags.get("date", "")):
        tags["date"] = "-".join(part for part in match.groups() if part != "00")
    return tags


def _of_exif(image: ImageFile) -> dict[str, str]:
    exif = image.getexif().get_ifd(ExifTags.IFD.Exif)
    original, scanned = (
        str(exif.get(tag, ""))[:10].replace(":", "-")
        for tag in (ExifTags.Base.DateTimeOriginal, ExifTags.Base.DateTimeDigitized)
    )
    return {"date": original} if original and scanned and original < scanned else {}
