"""cbir.labels.tables.encodings: a text in another code page is refused, and none of the sound ones is."""

from pathlib import Path

import pytest

from cbir.base.errors import UserError
from cbir.labels.tables.encodings import encoding_of

CZECH = "Příchod vojáků do města, ženy před školou"
POLISH = "Żołnierze w okopach, późną jesienią, koń pod górą"
HUNGARIAN = "Nők a kútnál, katonák az erdőben, tűzoltók"
FRENCH = "Les réfugiés à la gare, été 1916, près de Châlons"
GERMAN = "Mädchen und Männer in der Straße, schön, früh, Fröhlich, Wäsche"
IN_OTHER_CODE_PAGES = [
    *((CZECH, encoding) for encoding in ("cp1250", "iso8859_2", "cp852", "mac_latin2")),
    *((POLISH, encoding) for encoding in ("cp1250", "iso8859_2", "cp852")),
    *((HUNGARIAN, encoding) for encoding in ("cp1250", "iso8859_2", "cp852")),
    *((FRENCH, encoding) for encoding in ("cp850", "cp437", "cp863", "mac_roman")),
    *((GERMAN, encoding) for encoding in ("cp850", "cp437", "mac_roman")),
    ("Vojaki in dečki, učenci v šoli", "cp1250"),
    ("Çanakkale savaşı, kış, askerler", "cp1254"),
    ("Karavīri ziemā, sniegā, bērni šķūnī", "cp1257"),
    ("Soldaţi şi bărbaţi în tranşee", "cp1250"),
    ("El niño del señor, año 1916, corazón, mañana", "cp850"),
    ("São Paulo, corações, fundação, irmão", "cp850"),
    ("El niño, la estación", "mac_roman"),
    ("el árbol", "mac_roman"),
    ("bērni, ziemā", "cp1257"),
    ("Karavīri", "cp1257"),
    ("město, světlo", "cp852"),
    ("ženy a škola", "cp852"),
    ("dítě", "cp1250"),
    ("w górą, wieś", "iso8859_2"),
    ("oraş", "cp1250"),
    ("fântână", "cp1250"),
    ("dečki", "cp1250"),
    ("şehir, ağaç", "cp857"),
    ("schön", "mac_roman"),
    ("Straße", "cp850"),
    ("São", "cp850"),
    ("árbol", "cp850"),
    ("la plaza, más", "cp850"),
    ("katonák", "cp852"),
    ("koń", "cp852"),
    ("łąka", "cp1250"),
    ("gyűlés", "cp1250"),
    ("Солдаты", "cp866"),
    ("у реки", "cp866"),
    ("στο χωριό", "cp1253"),
    ("sø, Tromsø", "mac_roman"),
    ("Солдаты в окопе у реки", "cp866"),
    ("Солдаты в окопе у реки", "koi8_r"),
]
SOUND = [
    FRENCH, GERMAN,
    "« L’œuvre » – Œuvres complètes… Noël, ambiguë, où, maïs, crème brûlée, ÉTÉ À LA GARE, L'HAŸ-LES-ROSES",
    "Poème de la fièvre, piètre, zèle, déjà-vu ; n° 5, 13 × 18 cm, 2½ d, m², 50 %, 3 €",
    "Die „Große“ Höhe, Übung, Ärger, ‚leise‘, Straßenbahn, Weißenburg",
    "¿Dónde está el niño? ¡Aquí! España, corazón, pingüino, 1º de mayo, Mª Ángeles",
    "São João, corações, põe, avó, avô, mãe, manhã, você, à direita, Guimarães, irmãzinha",
    "Città, perché, così, Nicolò, più, Gesù, caffè, è qui",
    "København, Ærø, på gården, Tromsø, smörgås, Åland, Malmö, Göteborg",
    "Història, Lluís, col·lecció, Mallorca, França, ciència",
    "Alsace–Lorraine, 1914–1918, la gare – au nord — là–bas, Dupont†, § 5, 1½ lb, ²) note, €50, cm³, Mª, Profª, Engº",
    "Barça, feliç, braç, lliçó, reçu, île, maître, connaît, huître, goût, poète, Noè, Noël, cioè, †1916, Æsop, Cæsar",
    "«\xa0L’été\xa0», M.\xa0Dupont, 18\xa0cm, 9\xa0m\xa0de haut, à\xa0la gare\xa0: déjà\xa0vu\xa0!, \xa0Québec",
    "Edvard Beneš, Škoda, Žižkov, Brontë, Citroën, Dupont †, Zürich, ‹ ici ›, Reuters®, © 1916",
]  # fmt: skip


@pytest.mark.parametrize(("text", "encoding"), IN_OTHER_CODE_PAGES)
def test_a_text_in_another_code_page_is_refused_with_a_word_or_its_place(text: str, encoding: str) -> None:
    data = ("photo_1.jpg;p;a plain row\r\n" + f"photo_2.jpg;p;{text}\r\n").encode(encoding)
    with pytest.raises(
        UserError, match=r"captions\.csv is no text in UTF-8, UTF-16 or Windows-1252 \(line 2"
    ) as caught:
        encoding_of(Path("captions.csv"), data)
    assert str(caught.value).endswith("save it as CSV in UTF-8")


@pytest.mark.parametrize("text", SOUND)
def test_the_words_of_western_languages_are_read_in_windows_1252(text: str) -> None:
    assert encoding_of(Path("t.csv"), text.encode("cp1252")) == "cp1252"
    assert encoding_of(Path("t.csv"), f"a.jpg;p;{text.upper()}".encode("cp1252", "ignore")) == "cp1252"


@pytest.mark.parametrize("text", [CZECH, POLISH, HUNGARIAN, FRENCH, GERMAN])
def test_all_letters_are_read_in_utf_8_and_utf_16(text: str) -> None:
    assert encoding_of(Path("t.csv"), text.encode()) == "utf-8-sig"
    assert encoding_of(Path("t.csv"), text.encode("utf-16")) == "utf-16"


def test_the_word_that_would_read_wrong_is_named_without_its_cell() -> None:
    with pytest.raises(UserError, match=r'\(line 1 would read "Pøíchod"\)'):
        encoding_of(Path("t.csv"), f"a.jpg;popis;{CZECH}".encode("cp1250"))
