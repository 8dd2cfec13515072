"""What arrived, in other forms than the page: a CSV, a few lines of Markdown, and a summary for other programs."""

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

import pandas as pd

from cbir.arrivals import Arrivals
from cbir.files import writing
from cbir.group_changes import KINDS
from cbir.spreadsheet import as_markdown, as_text

COLUMNS = [
    "file",
    "page",  # from 1
    "accession",
    "what",  # new image, copy of an image that was there, rejected, left or waiting
    "reason",  # why it was rejected or left, or what it waits for
    "relation",  # to the other file: exact copy, near-duplicate or near the threshold
    "similarity",  # empty where no neighbour list has it
    "look",  # yes: near the threshold, or above it without being in one group
    "other_file",
    "other_page",
    "other_accession",
    "other_arrived",  # yes: it is new too
    "group_id",
    "group",  # joins, founds
    "caption",
    "other_caption",
]
TITLES = {  # of the counts
    "new_files": "New files",
    "new_images": "New images",
    "images_with_near_duplicates": "Have near-duplicates",
    "near_duplicate_pairs": "Near-duplicate pairs",
    "exact_copies": "Exact copies",
    "needs_a_look": "Pairs to look at",
    "rejected": "Rejected files",
    "left": "Left in landing folder",
    "waiting": "Still being copied",
    "groups_changed": "Changed groups",
    "gone": "Files gone",
}
_RELATIONS = ["exact copy", "near-duplicate", "near the threshold"]
_TEXTS = ["file", "accession", "reason", "other_file", "other_accession", "caption", "other_caption"]
_LISTED = 300  # pairs, and files, that the summary names
_SHOWN = 20  # pairs in Markdown


class Left(Protocol):
    """A file that stays in the landing folder, and why."""

    @property
    def path(self) -> Path | str: ...
    @property
    def reason(self) -> str: ...


@dataclass(frozen=True)
class Counts:
    """The figures of a report; files are pages, images are counted by their identity."""

    new_files: int
    new_images: int
    exact_copies: int  # new files with the bytes of another file
    near_duplicate_pairs: int
    images_with_near_duplicates: int  # new ones
    needs_a_look: int  # pairs
    rejected: int
    left: int
    waiting: int
    groups_changed: int
    gone: int


def count(found: Arrivals, *, left: Sequence[Left] = (), waiting: Sequence[Left] = ()) -> Counts:
    """Count what arrived, and what stays in the landing folder."""
    new = found.files.loc[found.files["new"], "image_id"]
    return Counts(
        new_files=len(found.files) + len(found.rejected),
        new_images=new.nunique(),
        exact_copies=len(found.copied),
        near_duplicate_pairs=len(found.new_pairs),
        images_with_near_duplicates=int(new.drop_duplicates().isin(found.near["image_id"]).sum()),
        needs_a_look=len(found.look),
        rejected=len(found.rejected),
        left=len(left),
        waiting=len(waiting),
        groups_changed=len(found.changes),
        gone=found.gone,
    )


def printable(path: Path | str) -> str:
    """A path as text that can be written in any file, whatever its bytes on disk are."""
    return os.fsencode(path).decode("utf-8", errors="replace")


def write_arrivals_csv(
    path: Path,
    found: Arrivals,
    *,
    captions: Mapping[str, str],
    left: Sequence[Left] = (),
    waiting: Sequence[Left] = (),
) -> None:
    """Write one row a new file and file that it is related to, or a new file alone; then what could not be used.

    UTF-8 with the mark by which Excel knows it, and no cell that runs as a formula.

    Args:
        captions: by image_id, of those that have one.
    """
    files = found.files.assign(place=range(len(found.files)))
    related = pd.concat([_copies(files, found), _near(files, found)], ignore_index=True)
    alone = files[~files["place"].isin(related["place"])]
    rows = pd.concat([related, alone], ignore_index=True)
    rows["rank"] = rows["relation"].map({name: rank for rank, name in enumerate(_RELATIONS)})
    order = ["place", "rank", "similarity", "other_accession", "other_path", "other_page"]
    rows = rows.sort_values(order, ascending=[True, True, False, True, True, True], ignore_index=True)
    table = pd.concat([_for_people(rows, captions), _unused(found, left, waiting)], ignore_index=True)[COLUMNS]
    for column in ("page", "other_page"):
        table[column] = table[column].astype("Int64") + 1
    for column in _TEXTS:
        table[column] = table[column].map(as_text, na_action="ignore")
    with writing(path) as temporary:
        table.to_csv(temporary, index=False, encoding="utf-8-sig", float_format="%.4f", lineterminator="\n")


def _copies(files: pd.DataFrame, found: Arrivals) -> pd.DataFrame:
    """Each new file beside every other file with its bytes."""
    both = files.merge(_others(found), left_on="image_id", right_on="other_id")
    both = both[(both["path"] != both["other_path"]) | (both["page"] != both["other_page"])]
    return both.assign(relation="exact copy", similarity=1.0, look=False)


def _near(files: pd.DataFrame, found: Arrivals) -> pd.DataFrame:
    """Each new file beside every file of the images that its own is related to."""
    near = found.pairs.index.isin(found.near.index)
    pairs = found.pairs.assign(relation=pd.Series(near).map({True: _RELATIONS[1], False: _RELATIONS[2]}))
    pairs = pairs.assign(look=found.wants_look)[["image_id", "other_id", "similarity", "relation", "look"]]
    return files.merge(pairs, on="image_id").merge(_others(found), on="other_id")


def _others(found: Arrivals) -> pd.DataFrame:
    return found.known.add_prefix("other_").rename(columns={"other_image_id": "other_id"})


def _for_people(rows: pd.DataFrame, captions: Mapping[str, str]) -> pd.DataFrame:
    """The rows under the names of ``COLUMNS``, in words."""
    table = rows.rename(columns={"path": "file", "other_path": "other_file", "role": "group"})
    table["what"] = table["new"].map({True: "new image", False: "copy of an image that was there"})
    for column, source in (("look", "look"), ("other_arrived", "other_arrived")):
        table[column] = table[source].map({True: "yes", False: ""})
    for column, source in (("caption", "image_id"), ("other_caption", "other_id")):
        table[column] = table[source].map(captions)
    return table.assign(reason=None)


def _unused(found: Arrivals, left: Sequence[Left], waiting: Sequence[Left]) -> pd.DataFrame:
    """The files that were rejected, and those that stay in the landing folder."""
    rejected = found.rejected.rename(columns={"path": "file"}).assign(what="rejected")
    staying = pd.DataFrame(
        [
            (printable(one.path), one.reason, what)
            for what, some in (("left", left), ("waiting", waiting))
            for one in some
        ],
        columns=["file", "reason", "what"],
    )
    return pd.concat([rejected, staying], ignore_index=True).reindex(columns=COLUMNS)


def summary(found: Arrivals, *, name: str, left: Sequence[Left] = (), waiting: Sequence[Left] = ()) -> dict[str, Any]:
    """What arrived as plain values, for JSON; the lists are cut at some hundred entries, the counts are not."""
    counts = count(found, left=left, waiting=waiting)
    rejected = zip(found.rejected["path"], found.rejected["reason"], strict=True)
    return {
        "report": name,
        **asdict(counts),
        "threshold": found.threshold,
        "near_duplicates": _listed(found, found.new_pairs),
        "look": _listed(found, found.look),
        "rejected_files": [{"file": file, "reason": reason} for file, reason in rejected][:_LISTED],
        "left_files": [{"file": printable(one.path), "reason": one.reason} for one in left][:_LISTED],
        "groups": dict(Counter(change.kind for change in found.changes)),
    }


def _listed(found: Arrivals, pairs: pd.DataFrame) -> list[dict[str, Any]]:
    """The first pairs, each by the first file of its two images; a file that was there goes before a new one."""
    files = found.known.sort_values("arrived", kind="stable").drop_duplicates("image_id")
    place = {row.image_id: (row.path, int(row.page) + 1) for row in files.itertuples()}
    group_of = found.files.dropna(subset=["group_id"]).set_index("image_id")["group_id"].to_dict()
    listed = []
    for pair in pairs.head(_LISTED).itertuples():
        (file, page), (other_file, other_page) = place[pair.image_id], place[pair.other_id]
        listed.append(
            {
                "file": file,
                "page": page,
                "other_file": other_file,
                "other_page": other_page,
                "similarity": None if pd.isna(pair.similarity) else round(float(pair.similarity), 4),
                "group_id": group_of.get(pair.image_id) if pair.together else None,
            }
        )
    return listed


def markdown(found: Arrivals, *, name: str, left: Sequence[Left] = (), waiting: Sequence[Left] = ()) -> str:
    """A short account, for a page that shows Markdown."""
    told = summary(found, name=name, left=left, waiting=waiting)
    counts = [f"| {title} | {told[key]:,} |" for key, title in TITLES.items()]
    lines = [f"# Arrivals {as_markdown(name)}", "", "| | |", "|---|---:|", *counts]
    for key, title, total in (
        ("near_duplicates", "New near-duplicates", told["near_duplicate_pairs"]),
        ("look", "Needs a look", told["needs_a_look"]),
    ):
        if total:
            first = f", the first {_SHOWN} of {total:,} pairs" if total > _SHOWN else ""
            lines += ["", f"## {title}{first}", "", "| new | similarity | other |", "|---|---:|---|"]
            lines += [_line(pair) for pair in told[key][:_SHOWN]]
    if told["groups"]:
        kinds = [f"{told['groups'][kind]:,} {kind}" for kind in KINDS if kind in told["groups"]]
        lines += ["", f"Groups: {', '.join(kinds)}."]
    return "\n".join(lines) + "\n"


def _line(pair: Mapping[str, Any]) -> str:
    one, other = (
        as_markdown(pair[key]) + (f", page {pair[page]}" if pair[page] > 1 else "")
        for key, page in (("file", "page"), ("other_file", "other_page"))
    )
    similarity = "" if pair["similarity"] is None else f"{pair['similarity']:.3f}"
    return f"| {one} | {similarity} | {other} |"
