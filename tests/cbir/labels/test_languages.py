import csv
import subprocess
import sys

import pytest

from cbir.labels.languages import LANGUAGES, detect_languages
from cbir.sample.archive import Sample
from cbir.sample.tables import PROMPTS

CAPTIONS = {
    "fr": ["Cavaliers traversant une rivière", "Blessés à l'hôpital militaire", "Prisonniers allemands"],
    "en": ["Cavalry crossing a river", "Wounded men in a military hospital", "The King visits the front"],
    "it": ["Gli alpini sul Monte Grappa", "Veduta generale del porto di Napoli", "Il gatto, circa 1921"],
    "de": ["Soldaten im Schützengraben bei Verdun", "Verwundete im Lazarett", "Zerstörte Kirche in Arras"],
    "es": ["Niños jugando en la calle", "La multitud ante la estación", "Caballería cruzando el río"],
    "pt": ["Crianças brincando na rua", "A multidão diante da estação"],
    "nl": ["Kinderen spelen op straat", "Gewonden in het militair hospitaal"],
    "pl": ["Żołnierze w okopach", "Dzieci bawiące się na ulicy"],
    "tr": ["Süvariler nehri geçiyor", "Askeri hastanede yaralılar"],
    "cs": ["Vojáci v zákopech", "Dav před nádražím"],
    "sv": ["Folkmassa utanför stationen", "Utsikt över hamnen"],
    "da": ["Mængden foran banegården", "Kongen rider over grænsen"],
    "hu": ["Katonák a lövészárokban", "Tömeg a pályaudvar előtt"],
    "vi": ["Lính trong chiến hào"],
    "ru": ["Кавалерия переходит реку", "Раненые в военном госпитале"],
    "uk": ["Солдати в окопах", "Козаки їдуть через річку"],
    "ar": ["الفرسان يعبرون النهر", "جنود في الخندق"],
    "fa": ["سربازان در سنگر", "دروازه شهر قزوین"],
    "he": ["חיילים בשוחות"],
    "el": ["Στρατιώτες στο χαράκωμα"],
    "ja": ["塹壕の中の兵士"],
    "zh": ["士兵在战壕里"],
}


@pytest.mark.parametrize("language", LANGUAGES)
def test_captions_of_a_few_words_are_told_in_every_language(language: str) -> None:
    assert detect_languages(CAPTIONS[language]) == dict.fromkeys(CAPTIONS[language], language)


@pytest.mark.parametrize("text", ["", "X", "12/7/1915", "IMG_0001", "Verdun 1916", "Paris", "New York", "a b c", "😀"])
def test_what_is_too_short_or_a_name_is_left_open(text: str) -> None:
    assert detect_languages([text]) == {}


@pytest.mark.heavy
def test_another_process_gives_the_same_answers() -> None:
    texts = [text for captions in CAPTIONS.values() for text in captions] + [
        "Mercado de flores",
        "Der Kaiser an der Front",
    ]
    code = f"from cbir.labels.languages import detect_languages; print(sorted(detect_languages({texts!r}).items()))"
    answer = subprocess.run(
        [sys.executable, "-X", "utf8", "-c", code], capture_output=True, check=True, encoding="utf-8"
    )
    assert answer.stdout.strip() == repr(sorted(detect_languages(texts).items()))


def test_the_captions_of_the_sample_are_told_in_four_languages(sample_archive: Sample) -> None:
    with sample_archive.captions.open(encoding="utf-8", newline="") as file:
        written = {prompt: code for code, prompt in PROMPTS.items()}
        captions = {text: written[prompt] for _, prompt, text, *_ in csv.reader(file, delimiter=";") if text != "EMPTY"}
    languages = detect_languages(captions)
    assert set(languages.values()) == {"fr", "en", "it", "ar"}
    assert sum(languages.get(text) == language for text, language in captions.items()) >= 0.9 * len(captions)
