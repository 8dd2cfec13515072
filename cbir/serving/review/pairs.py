"""Describes a pair of images for the page on which people decide about it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cbir.groups.decisions.journal import Decision
from cbir.groups.decisions.links import Links
from cbir.groups.decisions.words import decided_between
from cbir.groups.evidence.overlays import as_matrix, lie, reduced_size
from cbir.groups.evidence.pages import in_digits, stake_in_words
from cbir.groups.reasons import explain_pair, geometry_in_words, verdict
from cbir.serving.review.findings import Findings


@dataclass(frozen=True)
class Side:
    """One of the two images.

    Attributes:
        name: of its first file, with the page where it is a later one.
        copies: names of further files with the same bytes.
        accessions: of all of them.
        pixels: width and height of the image, px; ``width`` and ``height`` those of its reduced picture.
        outline: of the part in common, as SVG writes it; empty where that is not known.
        group_id, members: the group that it is in now, and how many images that has; None and 1 where it is in none.
    """

    id: str
    name: str
    copies: Sequence[str]
    accessions: Sequence[str]
    pixels: tuple[int, int]
    width: int
    height: int
    caption: str | None
    translation: str | None
    outline: str
    group_id: str | None
    members: int


@dataclass(frozen=True)
class Pair:
    """Holds all that the page says of two images.

    Attributes:
        sides: both; a map leads from px of the first's reduced picture to px of the second's.
        verdict, probability, geometry: what the program found, in words; empty for a pair that was not looked at.
        doubtful: the program does not say that it is the same photograph.
        matrix: the map as SVG writes it; empty where there is none.
        mirrored: one picture is the other's mirror image.
        across: the two came in different accessions.
        stake: what hangs on the answer; empty for a pair that is no question.
        reasons: why the two are or are not together now.
        said: what people decided about the pair, the last word last; ``bound`` by decisions together or apart.
    """

    sides: tuple[Side, Side]
    verdict: str
    probability: str
    doubtful: bool
    geometry: str
    matrix: str
    mirrored: bool
    across: bool
    stake: str
    reasons: Sequence[str]
    said: Sequence[Decision]
    bound: bool | None


def describe_pair(
    findings: Findings,
    first: str,
    second: str,
    *,
    question: pd.Series | None,
    links: Links,
    said: Sequence[Decision],
    longest_side: int,
) -> Pair:
    """Describes two images of the archive.

    Args:
        question: its row of ``Findings.questions``; None for a pair that is none.
        links: what decisions bind.
        said: all decisions on the pair, in their order.
        longest_side: px, of reduced pictures.
    """
    group_ids = {group for image in (first, second) if (group := findings.group_of.get(image)) is not None}
    members = findings.members(*sorted(group_ids))
    matches = findings.matches(first, second, *members["image_id"])
    rows = matches[(matches["query_id"] == first) & (matches["neighbour_id"] == second)]
    row = rows.iloc[0].to_dict() if len(rows) else None
    bound, grounds = decided_between(first, second, links)
    names = pd.Series(findings.names(first, second, *members["image_id"]))
    reasons = explain_pair(
        first, second, matches, members, names, threshold=findings.threshold, decided=bound,
        apart=[decision.pair for decision in links.apart],
    )  # fmt: skip
    sides = describe_images(findings, (first, second), longest_side)
    pair = describe_evidence(findings, (sides[0], sides[1]), row, said=said)
    return replace(
        pair,
        stake="" if question is None else stake_in_words(question.to_dict()),
        reasons=[*grounds, *(reasons[2:] if row else reasons)],  # without what stands above
        bound=bound,
    )


def describe_evidence(
    findings: Findings, sides: tuple[Side, Side], row: Mapping[str, Any] | None, *, said: Sequence[Decision] = ()
) -> Pair:
    """Describes what was found about two pictures, of which the first may be none of the archive's, and no more.

    Args:
        row: of the table of matches, of the second as seen from the first; None where the two were not looked at.
    """
    affine = None if row is None or row["map"] is None else as_matrix(row["map"])
    sizes = [(side.width, side.height) for side in sides]
    if affine is not None:
        lying = lie(affine, sizes[0], sizes[1])
        outlines = lying.outline, lying.other_outline
        drawn = [replace(side, outline=_as_points(outline)) for side, outline in zip(sides, outlines, strict=True)]
        sides = drawn[0], drawn[1]
    return Pair(
        sides=sides,
        verdict=verdict(row) if row else "This pair was not looked at",
        probability=in_digits(row["probability"]) if row else "",
        doubtful=not row or row["probability"] < findings.threshold,
        geometry=geometry_in_words(row) if row else "",
        matrix=_as_svg(affine),
        mirrored=affine is not None and bool(np.linalg.det(affine[:, :2]) < 0),
        across=bool(sides[0].accessions) and not set(sides[0].accessions) & set(sides[1].accessions),
        stake="",
        reasons=(),
        said=said,
        bound=None,
    )


def describe_images(findings: Findings, image_ids: Sequence[str], longest_side: int) -> list[Side]:
    """Describes images by themselves, in this order."""
    images = findings.described(*image_ids)
    return [_side(findings, images[image], reduced_size(images[image], longest_side)) for image in image_ids]


def _side(findings: Findings, image: dict[str, Any], size: tuple[int, int]) -> Side:
    names = [file["path"] + (f", page {file['page']}" if file["page"] > 1 else "") for file in image["files"]]
    group_id = findings.group_of.get(image["id"])
    translation = image["caption_en"] if image["caption_en"] != image["caption"] else None
    return Side(
        id=image["id"],
        name=names[0],
        copies=names[1:],
        accessions=list(dict.fromkeys(file["accession"] for file in image["files"])),
        pixels=(image["width"], image["height"]),
        width=size[0],
        height=size[1],
        caption=image["caption"],
        translation=translation,
        outline="",
        group_id=group_id,
        members=1 if group_id is None else findings.sizes[group_id],
    )


def _as_points(outline: Sequence[tuple[int, int]]) -> str:
    """Writes corners as SVG's points."""
    return " ".join(f"{x},{y}" for x, y in outline)


def _as_svg(affine: NDArray[np.float64] | None) -> str:
    """Writes a map as SVG's matrix: column by column."""
    return "" if affine is None else " ".join(f"{value:.6g}" for value in affine.T.ravel())
