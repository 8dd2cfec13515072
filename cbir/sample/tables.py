"""Writes the tables that come with the sample archive, ground truth and captions, with the faults that real
ones have.
"""

import csv
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import Final

import numpy as np
import xlsxwriter

PROMPTS: Final = {
    "fr": "une photographie ancienne montrant",
    "en": "a historical photograph showing",
    "it": "una fotografia storica di",
    "ar": "صورة تاريخية",
}
_DETAILS: Final = {
    "fr": ("vers 1921, tirage de presse", "plaque de verre, 13 × 18", "d'après une dépêche", "au matin du 14 juillet"),
    "en": ("about 1921, press print", "from a glass negative", "as the paper printed it", "from our correspondent"),
    "it": ("circa 1921", "stampa alla gelatina", "dal nostro inviato", "prima pagina"),
    "ar": ("حوالي عام 1921", "من أرشيف الصحافة", "نشرت في الجريدة", "لوح زجاجي"),
}  # fmt: skip


@dataclass(frozen=True)
class Listed:
    """An image of the archive, as the makers of its tables know it."""

    path: PurePosixPath  # in the archive
    scene: int
    titles: dict[str, str]  # of what it shows, by language


def write_groundtruth(path: Path, images: Sequence[Listed], *, ambiguous: str) -> None:
    """Writes the ground truth in the layout ``column``, faults included.

    Names without extension stand in column D, a blank row ends a group. There are groups of one, an empty group, an
    image twice in its group, groups that share an image, names spelled otherwise than their files, names of no file,
    and one, ``ambiguous``, of several. Every twelfth scene is left out, and some of which there is one image alone.
    """
    scenes: dict[int, list[str]] = {}
    for image in images:
        scenes.setdefault(image.scene, []).append(image.path.stem)
    groups = []
    for scene, names in sorted(scenes.items()):
        groups += _groups_of(scene, names)
    groups[0].append(ambiguous)
    groups.append(["Photographie perdue 17", "Photographie perdue 18"])
    # A fixed date, so that the same rows give the same bytes.
    with xlsxwriter.Workbook(path, {"strings_to_formulas": False, "strings_to_urls": False}) as book:
        book.set_properties({"created": datetime(1921, 1, 1, tzinfo=UTC).replace(tzinfo=None)})
        sheet = book.add_worksheet("groupes")
        row = 0
        for group in groups:
            for name in group:
                sheet.write_string(row, 3, name)
                row += 1
            row += 1  # an empty group thus becomes two blank rows


def _groups_of(scene: int, names: list[str]) -> list[list[str]]:
    """Returns the groups that list a scene's images, most often one; which faults they have follows from the scene's
    number.
    """
    fault = scene % 12
    if fault in (7, 8):
        return []
    listed = list(names)
    if fault == 2:
        listed[1] = _bare(listed[1])
        listed[2] = listed[2].upper()
        listed[3] = listed[3] + ".jpg"
        listed[4] = unicodedata.normalize("NFD" if unicodedata.is_normalized("NFC", listed[4]) else "NFC", listed[4])
    elif fault == 4:
        return [listed[:6], listed[5:]]
    elif fault == 5:
        return [listed, []]
    elif fault == 6:
        listed.append(listed[1])
    elif fault == 9:
        listed[3] = listed[3].replace("0", "O", 1)
        listed.append("Cliché non retrouvé 4213")
    return [listed]


def _bare(name: str) -> str:
    """Strips accents."""
    return "".join(letter for letter in unicodedata.normalize("NFD", name) if not unicodedata.combining(letter))


def write_captions(path: Path, images: Sequence[Listed], *, seed: int) -> None:
    """Writes the captions: ``;``-separated, no header, a row an image: path, prompt, description or EMPTY.

    Two of them would harm a careless reader: one begins with ``=``, one holds HTML.
    """
    with path.open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file, delimiter=";", lineterminator="\n")
        for number, image in enumerate(images):
            draw = np.random.default_rng([seed, 7, number])
            if draw.random() < 0.12 and number > 2:
                continue
            language = str(draw.choice(list(PROMPTS), p=[0.5, 0.25, 0.15, 0.1]))
            title = image.titles[language]
            text = f"{title}, {draw.choice(_DETAILS[language])}"
            if number == 1:
                text = '=HYPERLINK("http://example.org","' + title + '")'
            elif number == 2:
                text = f'<b>{title}</b> <script>alert("caption")</script> & cie ; suite page 3'
            elif draw.random() < 0.1:
                text = "EMPTY"
            table.writerow([image.path.as_posix(), PROMPTS[language], text])
