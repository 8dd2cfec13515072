"""Reads pairs of names with a label that says whether they show the same picture."""

import re
from collections.abc import Sequence

from cbir.base.errors import UserError
from cbir.labels.layouts.reading import Fault, IsFile, Mention, Reading, columns_of
from cbir.labels.names import unaccented
from cbir.labels.tables.rows import Row

_SAME = {"1", "true", "yes", "y", "oui", "o", "vrai", "si", "ja", "match", "positive"} | {
    *("same", "similar", "identical", "meme", "memes", "identique", "identiques")
}
_DIFFERENT = {"0", "-1", "false", "no", "n", "non", "faux", "nein", "mismatch", "negative"} | {
    *("different", "differents", "differente", "differentes", "dissimilar", "autre")
}

_HEADING = re.compile(r"(is )?(labels?|same|similar|match|duplicate|identical|verdict|meme|identiques?|etiquette)")


def label_of(text: str) -> bool | None:
    """Tells whether a label means the same picture; None where it is no label."""
    word = text.strip().casefold()
    try:
        word = str(int(float(word))) if float(word).is_integer() else word
    except (ValueError, OverflowError):
        word = "-".join(unaccented(part) for part in word.split("-"))
    return True if word in _SAME else False if word in _DIFFERENT else None


def label_column(rows: Sequence[Row], *, strictly: bool) -> int | None:
    """Finds the column of labels; strictly: nothing but its first cell may be something else, or its heading says so.

    The one with such a heading counts before one with labels in words, and that before the last.
    """
    columns = columns_of(rows)
    if len(columns) < 3:
        return None
    scores: dict[int, float] = {}
    for column, cells in columns.items():
        labels = [label_of(cell.name) is not None for cell in cells]
        body = labels if labels[0] else labels[1:]
        scores[column] = sum(body) / len(body) if body else 0.0
    headed = {
        column: scores[column] > 0.5 and _HEADING.fullmatch(unaccented(cells[0].name)) is not None
        for column, cells in columns.items()
    }
    worded = {column: any(cell.name.isalpha() for cell in cells[1:]) for column, cells in columns.items()}
    best = max(scores, key=lambda column: (headed[column], scores[column], worded[column], column))
    return best if headed[best] or scores[best] == 1 or (not strictly and scores[best] > 0.5) else None


def read_pairs(rows: Sequence[Row], is_file: IsFile) -> Reading:
    """Reads two columns of names and one of labels, with or without headings.

    Raises:
        UserError: no column holds labels.
    """
    label = label_column(rows, strictly=False)
    if label is None:
        raise UserError(
            "groundtruth.layout is pairs, but no column holds labels (1 or 0, same or different, yes or no) beside two "
            "columns of names; name the right layout or auto"
        )
    names = {column: cells for column, cells in columns_of(rows).items() if column != label}
    known = {column: sum(is_file(cell.name) for cell in cells) for column, cells in names.items()}
    left, right = sorted(sorted(names, key=lambda column: -known[column])[:2])
    full = [row for row in rows if not row.is_blank]
    if _is_pairs_heading(full, (left, right), label, is_file):
        del full[0]
    groups: list[tuple[Mention, ...]] = []
    apart: list[tuple[Mention, Mention]] = []
    faults: list[Fault] = []
    for row in full:
        pair = Mention(row.number, row.cell(left)), Mention(row.number, row.cell(right))
        same = label_of(row.cell(label))
        if same is None or not (pair[0].name and pair[1].name):
            text = " | ".join((pair[0].name, pair[1].name, row.cell(label)))
            faults.append(Fault(row.number, text, "no label" if same is None else "no pair"))
        elif same:
            groups.append(pair)
        else:
            apart.append(pair)
    return Reading("pairs", tuple(groups), tuple(apart), tuple(faults))


def _is_pairs_heading(rows: Sequence[Row], names: tuple[int, int], label: int, is_file: IsFile) -> bool:
    """Tells whether the first row names no file and its label is none or comes only once (``same`` over 1 and 0)."""
    first = rows[0].cell(label)
    again = any(row.cell(label) == first for row in rows[1:])
    return not any(is_file(rows[0].cell(column)) for column in names) and (label_of(first) is None or not again)
