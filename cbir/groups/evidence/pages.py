"""Writes the pages that show pairs: one a group, with the evidence of each member, and one of the pairs in doubt."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any

import pandas as pd

from cbir.archive.manifest import in_order
from cbir.groups.circulation import appearances
from cbir.groups.evidence import overlays
from cbir.groups.evidence.overlays import Images, Laid, Outline, Size
from cbir.groups.reasons import geometry_in_words, verdict
from cbir.reports import thumbnails
from cbir.reports.html import render, write_html

MOST_DOUBTS = 200  # pairs on the page of those in doubt
_STYLES = ("page.css", "pair.css")
_CERTAIN = 0.9995  # probabilities beyond are not written as 1.000


@dataclass(frozen=True)
class Beside:
    """Says where the files beside a page are, relative to it.

    Attributes:
        thumbnails, overlays: folders of pictures.
    """

    thumbnails: str
    overlays: str


def describe_images(ids: Sequence[str], manifest: pd.DataFrame, groundtruth: pd.DataFrame) -> dict[str, dict[str, Any]]:
    """Returns what pages say of images, by image_id.

    Args:
        manifest: as ``cbir.archive.manifest.read_manifest`` gives it.
        groundtruth: image_id, caption, caption_en.

    Returns:
        files (path, page from 1, accession), width, height, caption, translation.
    """
    files = in_order(manifest[(manifest["status"] == "ok") & manifest["image_id"].isin(ids)])
    captions = groundtruth.drop_duplicates("image_id").set_index("image_id")[["caption", "caption_en"]]
    texts = captions.astype(object).where(captions.notna(), None).to_dict("index")
    nothing = {"caption": None, "caption_en": None}
    images = {}
    for image_id, own in files.groupby("image_id", sort=False):
        paths = zip(own["path"], own["page"].astype(int) + 1, own["accession"], strict=True)
        images[str(image_id)] = {
            "id": image_id,
            "files": [{"path": path, "page": page, "accession": accession} for path, page, accession in paths],
            "width": int(own["width"].iloc[0]),
            "height": int(own["height"].iloc[0]),
            **texts.get(image_id, nothing),
        }
    return images


def write_group_pages(
    folder: Path,
    groups: pd.DataFrame,
    pairs: pd.DataFrame,
    images: Images,
    laid: Mapping[tuple[str, str], Laid],
    metadata: Mapping[str, Mapping[str, str]],
    *,
    threshold: float,
) -> None:
    """Writes a page a group into a folder that is there, named by the group_id.

    Args:
        groups: group, group_id, image_id, representative, decided (in words, or null), in the order in which images
            are shown.
        pairs: as ``cbir.groups.evidence.pairs.member_pairs`` gives them, of these groups.
        images: as :func:`describe_images` gives them.
        laid: as ``cbir.groups.evidence.overlays.write_overlays`` gives it.
        metadata: of images, as ``cbir.groups.circulation.by_image`` gives it.
    """
    beside = Beside("../thumbnails", "../overlays")
    rows = pairs.sort_values("group_id", kind="stable").to_dict("records")
    of_member = {key: list(own) for key, own in groupby(rows, itemgetter("group_id", "query_id"))}
    records = groups.astype(object).where(groups.notna(), None).to_dict("records")
    for (number, group_id), members in groupby(records, itemgetter("group", "group_id")):
        shown = [_member(row, of_member.get((group_id, row["image_id"]), []), images, laid, beside, threshold)
                 for row in members]  # fmt: skip
        appeared = appearances([member["id"] for member in shown], metadata)
        styles = (*_STYLES, "appearances.css") if appeared else _STYLES
        page = render(
            "group.html", styles=styles, number=number, group_id=group_id, members=shown, appeared=appeared,
            picture_of=lambda image: f"{beside.thumbnails}/{thumbnails.address(image)}",
        )  # fmt: skip
        (folder / f"{group_id}.html").write_text(page, encoding="utf-8", newline="\n")


def _member(
    row: dict[str, Any],
    pairs: list[dict[str, Any]],
    images: Images,
    laid: Mapping[tuple[str, str], Laid],
    beside: Beside,
    threshold: float,
) -> dict[str, Any]:
    views = [
        _pair(pair, images, laid, beside, doubt=pair["probability"] < threshold)
        | {"note": "" if pair["direct"] else _indirect(direct=len(pairs) > 1), "direct": pair["direct"]}
        for pair in pairs
    ]
    image = images[row["image_id"]]
    return {**_side(image, beside), "best": bool(row["representative"]), "decided": row["decided"], "pairs": views}


def _indirect(*, direct: bool) -> str:
    reason = "does not reach the threshold" if direct else "was not looked at"
    return f"Its pair with the best copy {reason}. This is its likeliest pair with another member."


def write_doubts(
    path: Path,
    doubts: pd.DataFrame,
    images: Images,
    laid: Mapping[tuple[str, str], Laid],
    *,
    groups: pd.DataFrame,
    threshold: float,
) -> None:
    """Writes the page of the pairs in doubt.

    Args:
        doubts: as ``cbir.groups.evidence.pairs.find_doubts`` gives them; the first ``MOST_DOUBTS`` are shown.
        images, laid: of the pairs that are shown.
        groups: group, group_id, image_id of the groups that have a page.
    """
    beside = Beside("thumbnails", "overlays")
    numbers = groups.drop_duplicates("group_id").set_index("group_id")["group"].to_dict()
    shown = [
        _pair(pair, images, laid, beside, doubt=True)
        | {"note": stake_in_words(pair), "groups": _with_pages(pair, numbers), "across": pair["across"]}
        for pair in doubts.head(MOST_DOUBTS).to_dict("records")
    ]
    write_html(path, "doubts.html", styles=_STYLES, pairs=shown, count=len(doubts), threshold=threshold)


def _with_pages(pair: dict[str, Any], numbers: Mapping[str, int]) -> list[tuple[str, int]]:
    return [(each, numbers[each]) for each in dict.fromkeys((pair["group_id"], pair["other_group"])) if each in numbers]


def stake_in_words(pair: dict[str, Any]) -> str:
    """Says in sentences what hangs on a pair of ``cbir.groups.evidence.pairs.find_doubts``."""
    if pair["together"]:
        parts = f"{_counted(pair['part'])} from {_counted(pair['other_part'])}"
        return f"They are in one group now. If they are not the same photograph, this parts {parts}."
    sides = " and ".join(
        "an image that is in no group" if pd.isna(group) else f"a group of {_counted(part)}"
        for group, part in ((pair["group_id"], pair["part"]), (pair["other_group"], pair["other_part"]))
    )
    return f"They are apart now. If they are the same photograph, this puts together {sides}."


def _counted(number: int) -> str:
    return f"{number} {'image' if number == 1 else 'images'}"


def _pair(
    pair: dict[str, Any], images: Images, laid: Mapping[tuple[str, str], Laid], beside: Beside, *, doubt: bool
) -> dict[str, Any]:
    """Returns what the macro in pair.html shows of a pair."""
    ends = pair["query_id"], pair["neighbour_id"]
    lying = laid.get(ends)
    outlines = (lying.outline, lying.other_outline) if lying else ((), ())
    sizes = (lying.size, lying.other_size) if lying else (None, None)
    sides = [
        _side(images[image_id], beside, size, line) for image_id, size, line in zip(ends, sizes, outlines, strict=True)
    ]
    return {
        "key": "-".join(image_id[:16] for image_id in ends),
        "verdict": verdict(pair),
        "doubt": doubt,
        "probability": in_digits(pair["probability"]),
        "mirrored": bool(pair["mirrored"]) and lying is not None,
        "geometry": geometry_in_words(pair),
        "sides": sides,
        "overlay": f"{beside.overlays}/{overlays.address(*ends)}" if lying else None,
    }


def in_digits(probability: float) -> str:
    """Writes a probability with three decimals, never as certain as 0 or 1."""
    if probability >= _CERTAIN:
        return "above 0.999"
    return "below 0.001" if probability < 1 - _CERTAIN else f"{probability:.3f}"


def _side(image: Mapping[str, Any], beside: Beside, size: Size | None = None, outline: Outline = ()) -> dict[str, Any]:
    """Returns an image with its picture and, in px of the reduced image, the outline on it, as SVG writes both."""
    width, height = overlays.reduced_size(image, thumbnails.PAGE_SIDE)
    address = f"{beside.thumbnails}/{thumbnails.address(image['id'])}"
    return {
        **image,
        "picture": {"address": address, "width": width, "height": height},
        "view": f"0 0 {size[0]} {size[1]}" if size else "",
        "outline": " ".join(f"{x},{y}" for x, y in outline),
    }
