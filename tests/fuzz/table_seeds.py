"""Tables as people keep them: the same groups in every layout, with what stands around the names, in every format."""

import io
import random
import re
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import openpyxl

Cells = list[tuple[str, ...]]
Groups = list[list[str]]

_TIME = re.compile(rb"\d{4}-\d\d-\d\dT[\d:.]+Z")
FILES = [f"one/scan_{number:03}.jpg" for number in range(1, 41)]
LANGUAGES = {  # words of captions, and the 8-bit code pages in which such a file is saved
    "cs": (
        "Příchod vojáků do města ženy před školou dítě kůň světlo řeka náměstí",
        "cp1250 iso8859_2 cp852 mac_latin2",
    ),
    "pl": ("Żołnierze w okopach późną jesienią koń pod górą wieś rzeka łąka źródło", "cp1250 iso8859_2 cp852"),
    "hu": ("Nők a kútnál katonák az erdőben tűzoltók gyűlés őrség a hídnál", "cp1250 iso8859_2 cp852"),
    "ro": ("Soldaţi şi bărbaţi în tranşee oraş gară fântână câmp", "cp1250 iso8859_2"),
    "hr": ("Vojaki in dečki učenci v šoli žene na ulici cesta most", "cp1250 iso8859_2 cp852"),
    "tr": ("Çanakkale savaşı kış askerler köprü şehir ağaç çocuk ırmak", "cp1254 cp857"),
    "lv": ("Karavīri ziemā sniegā bērni šķūnī pilsēta tirgū ķēniņš", "cp1257"),
    "fr": ("Les réfugiés à la gare été près de Châlons forêt château hôpital où", "cp1252 cp850 cp437 mac_roman"),
    "de": ("Mädchen und Männer in der Straße schön früh Wäsche Brücke Höhe", "cp1252 cp850 cp437 mac_roman"),
    "es": ("El niño del señor año corazón mañana estación río árbol", "cp1252 cp850 mac_roman"),
    "pt": ("São Paulo corações fundação irmão estação avó praça", "cp1252 cp850 mac_roman"),
    "da": ("København på gården børn sø bro Tromsø Ærø", "cp1252 cp850 mac_roman"),
    "ru": ("Солдаты в окопе у реки мост город", "cp1251 koi8_r cp866"),
    "el": ("Στρατιώτες στο χωριό γέφυρα πόλη", "cp1253 iso8859_7"),
}


@dataclass(frozen=True)
class Book:
    """A table that says what it means.

    Attributes:
        name: says how it is laid out; its suffix is the file's.
        data: the file.
        groups: of files of ``FILES``, without folders.
        captions: by file; empty for a ground truth.
        encoding, delimiter: of a text file.
    """

    name: str
    data: bytes
    groups: tuple[tuple[str, ...], ...] = ()
    captions: tuple[tuple[str, str], ...] = ()
    encoding: str = ""
    delimiter: str = ""


def _column(groups: Groups, heading: str = "", place: int = 3) -> Cells:
    cells = [cell for number, group in enumerate(groups, start=1) for cell in (heading.format(number), *group)]
    return [(*[""] * place, cell) if cell else () for cell in cells]


def _members(groups: Groups, heads: tuple[str, ...], label: str) -> Cells:
    rows = [(label.format(number), name) for number, group in enumerate(groups, start=1) for name in group]
    return [heads, *rows] if heads else rows


def _pairs(groups: Groups) -> Cells:
    return [("image a", "image b", "same"), *((group[0], name, "1") for group in groups for name in group[1:])]


LAYOUTS: dict[str, Callable[[Groups], Cells]] = {
    "column": _column,
    "column_a": lambda groups: _column(groups, place=0),
    "headings": lambda groups: _column(groups, "Groupe {}"),
    "rules": lambda groups: _column(groups, "-----", place=0),
    "rows": lambda groups: [tuple(group) for group in groups],
    "headed_rows": lambda groups: [("image 1", "image 2"), *map(tuple, groups)],
    "labelled_rows": lambda groups: [(f"Groupe {number}", *group) for number, group in enumerate(groups, start=1)],
    "lines": lambda groups: [("\n".join(group),) for group in groups],
    "members": lambda groups: _members(groups, ("cluster_id", "filename"), "{}"),
    "bare_members": lambda groups: _members(groups, (), "g{}"),
    "pairs": _pairs,
}


def _with_title(cells: Cells, chance: random.Random) -> Cells:
    return [(chance.choice(["Liste des doublons", "Duplicates, box 12", "Album 1916"]),), (), *cells]


def _with_total(cells: Cells, chance: random.Random) -> Cells:
    return [*cells, (), ("Total", str(chance.randrange(9, 99)))]


def _beside(texts: Sequence[str], share: float) -> Callable[[Cells, random.Random], Cells]:
    """Makes a decoration: a column on the right, full in a share of the rows."""

    def decorated(cells: Cells, chance: random.Random) -> Cells:
        width = max(map(len, cells))
        return [
            (*row, *[""] * (width - len(row)), chance.choice(texts)) if row and chance.random() < share else row
            for row in cells
        ]

    return decorated


def _numbered(cells: Cells, chance: random.Random) -> Cells:
    return [(str(number), *row) if row else row for number, row in enumerate(cells, start=chance.choice([0, 1, 100]))]


def _with_blank_beginning(cells: Cells, chance: random.Random) -> Cells:
    return [()] * chance.choice([1, 3]) + [("", *row) if row else row for row in cells]


def _renamed(form: str) -> Callable[[Cells, random.Random], Cells]:
    """Makes a decoration: all names written in another way."""

    def decorated(cells: Cells, _: random.Random) -> Cells:
        names = [file.rpartition("/")[2] for file in FILES]
        pairs = [(name, form.format(name=name, stem=name[:-4], big=name.upper())) for name in names]
        for name, written in pairs:
            cells = [tuple(cell.replace(name, written) for cell in row) for row in cells]
        return cells

    return decorated


DECORATIONS: dict[str, Callable[[Cells, random.Random], Cells]] = {
    "title": _with_title,
    "total": _with_total,
    "blank": _with_blank_beginning,
    "numbers": _numbered,
    "remarks": _beside(["à vérifier", "recadrée", "?", "same as above", "flou"], 0.3),
    "scores": _beside(["0.93", "0.99", "1.0"], 1.0),
    "sizes": _beside(["1024x768", "640x480"], 1.0),
    "dates": _beside(["1916-07-01", "1917-01-12"], 1.0),
    "errors": _beside(["#REF!", "#N/A"], 0.1),
    "paths": _renamed("D:\\scans\\one\\{name}"),
    "stems": _renamed("{stem}"),
    "capitals": _renamed("{big}"),
    "quoted": _renamed('"{name}"'),
    "remarked": _renamed("{name} (recadrée)"),
}


def groundtruth(chance: random.Random) -> Book:
    """Draws a ground truth: groups, a layout, what stands around the names, a format."""
    drawn = chance.sample([*DECORATIONS], chance.choice([0, 0, 1, 1, 2]))
    return laid_out(chance.choice([*LAYOUTS]), drawn, chance)


def laid_out(layout: str, decorations: Sequence[str], chance: random.Random) -> Book:
    """Draws groups, lays them out, and saves them in a format that is drawn."""
    names = [file.rpartition("/")[2] for file in FILES]
    chance.shuffle(names)
    groups: Groups = []
    for size in chance.choices([2, 2, 3, 4], k=chance.randrange(3, 8)):
        groups.append([names.pop() for _ in range(size)])
    cells = LAYOUTS[layout](groups)
    for decoration in decorations:
        cells = DECORATIONS[decoration](cells, chance)
    form, data, options = _saved(cells, chance)
    truth = tuple(sorted(tuple(sorted(group)) for group in groups))
    return Book("-".join([layout, *decorations]) + form, data, truth, **options)


def captions(chance: random.Random) -> Book:
    """Draws captions: a language, a code page or UTF-8, with or without prompts."""
    language = chance.choice([*LANGUAGES])
    words, pages = (text.split() for text in LANGUAGES[language])
    encoding = chance.choice([*pages, "utf-8", "utf-16"])
    texts = {
        name: " ".join(chance.choices(words, k=chance.randrange(1, 6))) for name in FILES[: chance.randrange(1, 20)]
    }
    prompt = chance.choice([(), ("describe",)])
    rows = [(name.rpartition("/")[2], *prompt, text) for name, text in texts.items()]
    data = _text(rows, ";", encoding)
    pairs = tuple(sorted((name.rpartition("/")[2], text) for name, text in texts.items()))
    kind = "prompted" if prompt else "plain"
    return Book(f"{language}-{kind}-{encoding}.csv", data, captions=pairs, encoding=encoding, delimiter=";")


def _saved(cells: Cells, chance: random.Random) -> tuple[str, bytes, dict[str, Any]]:
    """Saves cells in a format that is drawn: the suffix, the file, and how it is read."""
    if chance.random() < 0.5:
        return ".xlsx", _workbook(cells, chance), {}
    delimiter, encoding = chance.choice([",", ";", "\t"]), chance.choice(["utf-8", "utf-8-sig", "utf-16", "cp1252"])
    return ".csv", _text(cells, delimiter, encoding), {"encoding": encoding, "delimiter": delimiter}


def _workbook(cells: Cells, chance: random.Random) -> bytes:
    book = openpyxl.Workbook()
    hidden = chance.random() < 0.2
    if hidden:
        book.active.append(["draft", FILES[0]])
        book.active.sheet_state = "hidden"
    sheet = book.create_sheet("groups") if hidden else book.active
    for number, row in enumerate(cells, start=1):
        for column, cell in enumerate(row, start=1):
            if cell:
                sheet.cell(number, column, cell).data_type = "s"
    buffer = io.BytesIO()
    book.save(buffer)
    return _timeless(buffer)


def _timeless(workbook: io.BytesIO) -> bytes:
    """Packs a workbook anew without the time at which it was made."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(workbook) as before, zipfile.ZipFile(buffer, "w") as after:
        for name in before.namelist():
            content = _TIME.sub(b"2000-01-01T00:00:00Z", before.read(name))
            after.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED)
    return buffer.getvalue()


def _text(cells: Cells, delimiter: str, encoding: str) -> bytes:
    def quoted(cell: str) -> str:
        return '"' + cell.replace('"', '""') + '"' if any(sign in cell for sign in f'"\n{delimiter}') else cell

    width = max(map(len, cells))
    lines = [delimiter.join([*map(quoted, row), *[""] * (width - len(row))]) for row in cells]
    return ("\r\n".join(lines) + "\r\n").encode(encoding, "replace")
