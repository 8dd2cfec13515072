"""How groups changed between two times: decided by the images that they share, told by their stable ids."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

import pandas as pd

Kind = Literal["new", "grew", "shrank", "changed", "merged", "split", "regrouped", "renamed", "vanished"]
KINDS: tuple[Kind, ...] = ("merged", "split", "regrouped", "grew", "shrank", "changed", "renamed", "vanished", "new")


@dataclass(frozen=True)
class Change:
    """Groups before and after that hang together through the images that they share.

    Attributes:
        kind: ``new``: none of its images was in a group. ``merged``: several became one. ``split``: one became several.
            ``regrouped``: several became several others. ``vanished``: none of its images is in a group any more. Of
            one group that stayed one: ``grew``, ``shrank``, ``changed`` (images came and others left), ``renamed``
            (the same images, but another one is the first now, after which the group is called).
        before, after: ids of the groups, sorted.
        images_before, images_after: how many images they hold together.
        gained: images that were in none of the groups before.
        lost: images that are in none of the groups after.
    """

    kind: Kind
    before: tuple[str, ...]
    after: tuple[str, ...]
    images_before: int
    images_after: int
    gained: int
    lost: int

    @property
    def new_id(self) -> bool:
        """Whether one group stayed one group under another id."""
        return len(self.before) == len(self.after) == 1 and self.before != self.after


def group_changes(before: pd.DataFrame, after: pd.DataFrame) -> tuple[Change, ...]:
    """What became of each group; groups with the same images and the same id are left out.

    Args:
        before, after: image_id (each once) and group_id (null: in no group).

    Returns:
        In the order of ``KINDS``, then by id.
    """
    both = _in_groups(before).merge(_in_groups(after), on="image_id", how="outer", suffixes=("_before", "_after"))
    sizes_before, sizes_after = (dict(both[name].value_counts()) for name in ("group_id_before", "group_id_after"))
    shared = both.dropna().groupby(["group_id_before", "group_id_after"]).size()
    links = [(one, other, int(count)) for (one, other), count in shared.items()]
    same = {one for one, other, count in links if one == other and sizes_before[one] == count == sizes_after[other]}
    sizes_before, sizes_after = (
        {group: int(size) for group, size in sizes.items() if group not in same}
        for sizes in (sizes_before, sizes_after)
    )
    links = [link for link in links if link[0] not in same]
    found = [
        _change(
            {group: sizes_before[group] for group in of_before}, {group: sizes_after[group] for group in of_after}, kept
        )
        for of_before, of_after, kept in _components(sizes_before, sizes_after, links)
    ]
    return tuple(sorted(found, key=lambda change: (KINDS.index(change.kind), change.after, change.before)))


def _in_groups(table: pd.DataFrame) -> pd.DataFrame:
    return table.loc[table["group_id"].notna(), ["image_id", "group_id"]]


def _components(
    before: Iterable[str], after: Iterable[str], links: Iterable[tuple[str, str, int]]
) -> Iterator[tuple[list[str], list[str], int]]:
    """Groups before and after that hang together, and how many images they share; each group is in one component."""
    nodes = [(0, group) for group in before] + [(1, group) for group in after]
    linked: dict[tuple[int, str], list[tuple[int, str]]] = {node: [] for node in nodes}
    shared: dict[tuple[int, str], int] = dict.fromkeys(nodes, 0)
    for one, other, count in links:
        linked[0, one].append((1, other))
        linked[1, other].append((0, one))
        shared[0, one] += count
    seen: set[tuple[int, str]] = set()
    for node in nodes:
        if node not in seen:
            waiting, component = [node], {node}
            while waiting:
                more = [other for other in linked[waiting.pop()] if other not in component]
                component.update(more)
                waiting += more
            seen |= component
            sides = (sorted(group for place, group in component if place == side) for side in (0, 1))
            of_before, of_after = sides
            yield of_before, of_after, sum(shared[one] for one in component)


def _change(before: dict[str, int], after: dict[str, int], kept: int) -> Change:
    """The change from groups to groups, each side with its sizes, that share ``kept`` images."""
    gained, lost = sum(after.values()) - kept, sum(before.values()) - kept
    kind: Kind
    if len(before) > 1:
        kind = "merged" if len(after) == 1 else "regrouped"
    elif len(after) > 1:
        kind = "split"
    elif not before or not after:
        kind = "vanished" if before else "new"
    elif gained and lost:
        kind = "changed"
    else:
        kind = "grew" if gained else "shrank" if lost else "renamed"
    return Change(kind, tuple(before), tuple(after), sum(before.values()), sum(after.values()), gained, lost)
