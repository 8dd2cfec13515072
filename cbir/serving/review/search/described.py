"""Describes the results of a search as pairs: the picture that was searched with, and an image near to it."""

from collections.abc import Sequence

from cbir.serving.review.desk import Desk
from cbir.serving.review.pairs import Pair, Side, describe_evidence
from cbir.serving.review.search.queries import Query
from cbir.serving.review.search.room import Result


def describe_query(desk: Desk, query: Query) -> Side:
    """Describes the picture; its id is the one by which its pixels are asked for."""
    height, width = query.pixels.shape[:2]
    group_id = desk.findings.group_of.get(query.image)
    known = desk.findings.files(query.image)["accession"].tolist()
    return Side(
        id=query.id, name=query.name, copies=(), accessions=known, pixels=query.size, width=width, height=height,
        caption=None, translation=None, outline="", group_id=group_id,
        members=1 if group_id is None else desk.findings.sizes[group_id],
    )  # fmt: skip


def describe_results(desk: Desk, query: Query, results: Sequence[Result]) -> list[Pair]:
    """Describes results, each with its evidence and with what people said of it."""
    own, others = describe_query(desk, query), desk.describe([result.image for result in results])
    return [
        describe_evidence(desk.findings, (own, other), result.pair, said=desk.ledger.of_pair(query.image, result.image))
        for other, result in zip(others, results, strict=True)
    ]
