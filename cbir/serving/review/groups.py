"""Lists the groups of a run by what people ask for, and makes decisions of what they do to a group."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Literal

import pandas as pd

from cbir.base.errors import UserError
from cbir.groups.decisions.journal import SAME, Relation
from cbir.groups.table import best_first
from cbir.serving.review.findings import Findings
from cbir.serving.review.ledger import Pair

PAGE = 24  # groups on a page
MOST_PAIRS = 400  # decisions that one action may make

Order = Literal["large", "uncertain", "certain"]
ORDERS: dict[Order, tuple[list[str], list[bool]]] = {
    "large": (["size", "certainty", "group_id"], [False, True, True]),
    "uncertain": (["certainty", "size", "group_id"], [True, False, True]),
    "certain": (["certainty", "size", "group_id"], [False, False, True]),
}


@dataclass(frozen=True)
class Wanted:
    """Says which groups are asked for; what is empty asks for nothing.

    Attributes:
        text: in a name or caption of a member, in capitals or not.
        accession: of a member.
        size: images, at least.
        across: with members of two accessions.
        doubt: with a pair that needs a look.
        decided: yes, no: with a member about which people decided, or without.
        order: one of ORDERS; certainty is the least mean probability of a member.
    """

    text: str = ""
    accession: str = ""
    size: int = 0
    across: bool = False
    doubt: bool = False
    decided: str = ""
    order: Order = "large"


@dataclass(frozen=True)
class Maybe:
    """Says that an image may show the photograph of a group: with which member it is in doubt, and its own group."""

    member: str
    image: str
    group_id: str | None


class Groups:
    """Knows of each group what it is asked for by."""

    def __init__(self, findings: Findings) -> None:
        self._findings = findings
        members = findings.groups[["group_id", "image_id", "similarity", "representative"]]
        self._files = members.merge(findings.file_names(), on="image_id")
        by_group = self._files.groupby("group_id")
        self._table = pd.DataFrame(
            {
                "size": by_group["image_id"].nunique(),
                "certainty": by_group["similarity"].min(),
                "across": by_group["accession"].nunique() > 1,
            }
        ).reset_index()
        asked = findings.questions
        self._doubtful = {*asked["group_id"].dropna(), *asked["other_group"].dropna()}
        self.accessions: list[str] = sorted(self._files["accession"].unique())

    def find(self, wanted: Wanted, decided: Collection[str]) -> list[str]:
        """Returns the group_ids that are asked for, in order.

        Args:
            decided: images about which people decided.
        """
        table = self._table[self._table["size"] >= max(2, wanted.size)]
        ids = table["group_id"]
        keep = pd.Series(True, table.index)
        if wanted.text:
            rows = self._files["text"].str.contains(wanted.text.casefold(), regex=False)
            keep &= ids.isin(self._files.loc[rows, "group_id"])
        if wanted.accession:
            keep &= ids.isin(self._files.loc[self._files["accession"] == wanted.accession, "group_id"])
        if wanted.across:
            keep &= table["across"]
        if wanted.doubt:
            keep &= ids.isin(self._doubtful)
        if wanted.decided:
            keep &= ids.isin({self._findings.group_of.get(image) for image in decided}) == (wanted.decided == "yes")
        columns, ascending = ORDERS[wanted.order]
        matching: list[str] = table[keep].sort_values(columns, ascending=ascending)["group_id"].tolist()
        return matching

    def members(self, group_id: str, chosen: Sequence[str] = ()) -> list[str]:
        """Returns the images of a group, the best copy first, then the likeliest.

        Args:
            chosen: images that people have chosen as best copies; of several in the group the last counts.

        Raises:
            UserError: there is no such group.
        """
        rows = self._findings.members(group_id)
        if rows.empty:
            raise UserError(f"{group_id}: no group has this id now; its first image may have joined another one")
        images = best_first(rows)
        own = [image for image in chosen if image in images]
        return [own[-1], *(image for image in images if image != own[-1])] if own else images

    def confirmed(self, group_id: str) -> list[tuple[Pair, Relation]]:
        """Returns the decisions that keep a group together: each image is the same photograph as the best copy."""
        best, *others = self.members(group_id)
        return _limited([((best, other), SAME) for other in others])

    def merged(self, group_ids: Sequence[str]) -> list[tuple[Pair, Relation]]:
        """Returns the decisions that make one group of several: the best copy of each is the same photograph.

        Raises:
            UserError: there is no such group, or only one.
        """
        best, *others = [self.members(group_id)[0] for group_id in dict.fromkeys(group_ids)] or [""]
        if not others:
            raise UserError("choose the groups to merge, at least two")
        return _limited([((best, other), SAME) for other in others])

    def perhaps(self, group_id: str) -> list[Maybe]:
        """Returns the pairs in doubt between a group and what is not in it, the most informative first."""
        asked = self._findings.questions
        own, other = asked["group_id"] == group_id, asked["other_group"] == group_id
        rows = asked[own != other]
        sides = zip(own[own != other], rows["query_id"], rows["neighbour_id"], strict=True)
        pairs = [(first, second) if is_own else (second, first) for is_own, first, second in sides]
        return [Maybe(member, image, self._findings.group_of.get(image)) for member, image in pairs]

    def parted(self, group_id: str, out: Sequence[str], relation: Relation) -> list[tuple[Pair, Relation]]:
        """Returns the decisions that take images out of a group: each is apart from each of the rest.

        Raises:
            UserError: nothing, or all, is to be taken out, or an image is not in the group.
        """
        images = self.members(group_id)
        if strangers := [image for image in out if image not in images]:
            raise UserError(f"{strangers[0]} is not in the group {group_id}; look at the group again")
        rest = [image for image in images if image not in out]
        if not out or not rest:
            raise UserError("choose the pictures to take out, at least one and not all of them")
        return _limited([(pair, relation) for pair in product(out, rest)])


def _limited(decisions: list[tuple[Pair, Relation]]) -> list[tuple[Pair, Relation]]:
    if len(decisions) > MOST_PAIRS:
        raise UserError(f"that makes {len(decisions)} decisions, more than {MOST_PAIRS}; take fewer pictures at once")
    return decisions
