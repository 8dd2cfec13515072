"""What arrived, as one HTML page that opens from disk: what to look at first, then all that is new."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from urllib.parse import quote

from cbir.arrivals import Arrivals
from cbir.arrivals_layout import MOST_PAIRS, File, Layout
from cbir.arrivals_text import TITLES, Left, count, printable
from cbir.group_changes import Change
from cbir.webpage import picture, write_html

_MOST_LINES = 1000  # of the tables of files and of groups
_LEADING = (
    "new_files",
    "new_images",
    "near_duplicate_pairs",
    "exact_copies",
    "needs_a_look",
    "rejected",
    "groups_changed",
)
_SAID = {
    "new": "New group of {after} images",
    "grew": "Grew from {before} to {after} images",
    "shrank": "Shrank from {before} to {after} images",
    "changed": "{gained} came, {lost} left; {after} images now",
    "merged": "{groups_before} groups became one of {after} images",
    "split": "One group of {before} images became {groups_after}",
    "regrouped": "{groups_before} groups became {groups_after} others",
    "renamed": "The same {after} images under another ID",
    "vanished": "Its {before} images are in no group any more",
}


def write_page(
    path: Path,
    found: Arrivals,
    layout: Layout,
    *,
    name: str,
    pictures: Mapping[str, bytes],
    left: Sequence[Left],
    waiting: Sequence[Left],
    archive: str,
    groups: str,
    table: str,
) -> None:
    """Write the page.

    Args:
        layout: of ``found``.
        name: of the arrival.
        pictures: WebP, by image_id, of ``layout.images``; one that is missing is left blank.
        left, waiting: files of the landing folder.
        archive: address of the archive, relative to the page.
        groups: address of the page of all groups, relative to the page.
        table: address of the CSV.
    """
    counts = count(found, left=left, waiting=waiting)
    write_html(
        path,
        "arrivals.html",
        styles=("page.css", "tables.css", "arrivals.css"),
        name=name,
        found=found,
        layout=layout,
        counts=counts,
        facts=[(TITLES[key], getattr(counts, key)) for key in _LEADING],
        pictures={image_id: picture(content, "webp") for image_id, content in pictures.items()},
        rejected=list(found.rejected.head(_MOST_LINES).itertuples()),
        landing=[(printable(one.path), one.reason) for one in [*waiting, *left][:_MOST_LINES]],
        changes=[(change, _said(change)) for change in found.changes[:_MOST_LINES]],
        most_pairs=MOST_PAIRS,
        original=lambda file: _address(archive, file),
        groups=groups,
        table=table,
    )


def _address(archive: str, file: File) -> str:
    return f"{archive}/{quote(file.path)}"


def _said(change: Change) -> str:
    if change.kind == "new" and change.images_after == 1:
        return "New group of exact copies of one image"
    said = _SAID[change.kind].format(
        before=f"{change.images_before:,}",
        after=f"{change.images_after:,}",
        gained=f"{change.gained:,}",
        lost=f"{change.lost:,}",
        groups_before=len(change.before),
        groups_after=len(change.after),
    )
    return said.replace(" 1 images", " 1 image")
