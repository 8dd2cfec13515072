"""Follows photographs through time: the appearances of each in order of date, and which sources share pictures."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import combinations
from statistics import median
from typing import Any

import pandas as pd

_DAY = len("1921-05-03")
COLUMNS = ["source", "later_source", "photographs", "with_both_dates", "median_days", "least_days", "most_days"]


@dataclass(frozen=True)
class Appearance:
    """An image where and when it appeared.

    Attributes:
        date: ISO 8601, as exactly as it is known; empty where it is not.
        when: the date as a table has it, or as it was read from a name.
        title, page, place, shelfmark: texts, empty where not known.
        link: an address of the web; empty where there is none.
        earliest: no other of the group is known to be earlier.
    """

    image_id: str
    date: str
    when: str
    title: str
    page: str
    place: str
    shelfmark: str
    link: str
    earliest: bool


def by_image(metadata: pd.DataFrame) -> dict[str, dict[str, str]]:
    """Returns what is known of images, by image_id, with empty texts for what is not.

    Args:
        metadata: as ``cbir.labels.appearances.files.read_appearances`` gives it.
    """
    written = metadata.astype(object).where(metadata.notna(), "")
    texts: dict[str, dict[str, str]] = written.set_index("image_id").to_dict("index")
    return texts


def appearances(images: Sequence[str], known: Mapping[str, Mapping[str, Any]]) -> list[Appearance]:
    """Returns the appearances of images by date, the earliest first, those without a date last in the given order.

    Args:
        known: as :func:`by_image` gives it; images that are not in it are left out.
    """
    rows = [(image, known[image]) for image in images if image in known]
    rows.sort(key=lambda row: row[1]["date"] or "~")
    first = rows[0][1]["date"] if rows else ""
    return [_appearance(image, facts, first) for image, facts in rows]


def _appearance(image: str, facts: Mapping[str, Any], first: str) -> Appearance:
    texts = {name: facts[name] for name in ("date", "title", "page", "place", "shelfmark")}
    link = facts["link"] if facts["link"].startswith(("https://", "http://")) else ""
    earliest = bool(first) and facts["date"] != "" and _alike(facts["date"], first)
    return Appearance(image_id=image, when=facts["written"] or facts["date"], link=link, earliest=earliest, **texts)


def _alike(one_date: str, other: str) -> bool:
    """Tells whether neither of two dates is known to be the earlier one."""
    return one_date.startswith(other) or other.startswith(one_date)


def shared_sources(groups: pd.DataFrame, known: Mapping[str, Mapping[str, Any]]) -> pd.DataFrame:
    """Returns which sources (titles) share photographs, and with what delay, those that share most first.

    A photograph counts once for two sources, by its earliest date in each; for whichever had it first. The two stand
    by name as long as no order is known. Days are counted where both dates are known to the day.

    Args:
        groups: group_id, image_id.
        known: as :func:`by_image` gives it.

    Returns:
        Columns as in ``COLUMNS``.
    """
    shared: dict[tuple[str, str], list[int | None]] = defaultdict(list)
    for of_group in _dates_by_source(groups, known):
        for pair in combinations(sorted(of_group), 2):
            (earlier, first), (later, second) = _in_order([(name, of_group[name]) for name in pair])
            shared[earlier, later].append(_days(first, second))
    rows = [[*pair, *_counted(delays)] for pair, delays in shared.items()]
    table = pd.DataFrame(rows, columns=COLUMNS)
    return table.sort_values(
        ["photographs", "source", "later_source"], ascending=[False, True, True], ignore_index=True
    )


def _dates_by_source(groups: pd.DataFrame, known: Mapping[str, Mapping[str, Any]]) -> Iterator[dict[str, str]]:
    """Yields for each group its sources with its earliest date in each, empty where that is not known."""
    titled = groups[groups["image_id"].isin([image for image, facts in known.items() if facts["title"]])]
    for _, images in titled.groupby("group_id")["image_id"]:
        dates: dict[str, str] = {}
        for image in images:
            title, day = known[image]["title"], known[image]["date"]
            dates[title] = min(filter(None, (dates.get(title), day)), default="")
        yield dates


def _in_order(pair: Sequence[tuple[str, str]]) -> Iterable[tuple[str, str]]:
    (_, first), (_, second) = pair
    if first and second and not _alike(first, second) and second < first:
        return reversed(pair)
    return pair


def _days(first: str, second: str) -> int | None:
    if len(first) != _DAY or len(second) != _DAY:
        return None
    return (date.fromisoformat(second) - date.fromisoformat(first)).days


def _counted(delays: Sequence[int | None]) -> list[float | None]:
    days = [delay for delay in delays if delay is not None]
    return [len(delays), len(days), *([median(days), min(days), max(days)] if days else [None] * 3)]
