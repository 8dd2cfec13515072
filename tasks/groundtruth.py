"""Stage groundtruth: writes what is known of the images, from a person's list and captions."""

import functools
import logging
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Literal

import pandas as pd
from tqdm import tqdm

from cbir.archive.manifest import read_manifest, unique_images
from cbir.files import write_json
from cbir.labels.files import write_groundtruth, write_training
from cbir.labels.groundtruth import count_labels, keep_splits, label_images, of_accessions, split_sizes
from cbir.labels.languages import ENGLISH, detect_languages
from cbir.labels.notes import Note, write_notes
from cbir.labels.reference import Known, Layout, Reference, read_reference
from cbir.labels.splits import SPLITS, SplitBy, check_fractions
from cbir.labels.translation import Translated, translate_texts
from tasks.harness.settings import Paths
from tasks.harness.stage import main

log = logging.getLogger(__name__)


def groundtruth(
    paths: Paths,
    *,
    file: str,
    layout: Layout,
    unlabelled: list[str],
    captions: str,
    caption_prompt: str,
    split_by: SplitBy,
    translate: Literal["none", "deepl"],
    train: float,
    val: float,
    seed: int,
    accessions: list[str],
) -> None:
    """Writes what is known of each image, the part of it that training may see, and what could not be read."""
    check_fractions(train=train, val=val)
    manifest = read_manifest(paths.manifest)
    trained = of_accessions(manifest, accessions) if accessions else manifest
    reference = Reference(paths.reference, file, layout, tuple(unlabelled), captions, caption_prompt)
    whole = read_reference(reference, manifest)
    _log_reading(whole, paths.reference / file)
    known = read_reference(reference, trained) if accessions else whole
    texts = [*whole.captions.values(), *known.captions.values()]
    languages = detect_languages(texts)
    _log_languages(whole.captions.values(), languages)
    english, missing = _english(paths, texts, languages, ask=translate == "deepl", source=captions)

    label = functools.partial(
        label_images, split_by=split_by, languages=languages, english=english, train=train, val=val, seed=seed
    )
    training = label(unique_images(trained), groups=known.groups, classes=known.classes, captions=known.captions)
    labelled = label(unique_images(manifest), groups=whole.groups, classes=whole.classes, captions=whole.captions)
    if split_by == "group":
        labelled = keep_splits(labelled, training)
    _log_splits(labelled)
    write_groundtruth(paths.groundtruth, labelled)
    write_training(paths.training, training)
    notes = [*whole.notes, *missing]
    write_notes(paths.reports / "groundtruth.csv", notes)
    write_json(paths.reports / "groundtruth.json", {**count_labels(labelled), "notes": len(notes)})


def _log_reading(known: Known, file: Path) -> None:
    for line in known.account:
        log.info(line)
    if known.names and not known.matched:
        log.warning("no name in %s is a file of the archive; see reports/groundtruth.csv for the nearest names", file)


def _log_languages(texts: Collection[str], languages: Mapping[str, str]) -> None:
    if texts:
        counts = Counter(languages.get(text, "unsure") for text in texts)
        log.info("captions by language: %s", ", ".join(f"{count} {code}" for code, count in counts.most_common()))


def _english(
    paths: Paths, texts: Sequence[str], languages: Mapping[str, str], *, ask: bool, source: str
) -> tuple[dict[str, str], tuple[Note, ...]]:
    """Returns English by caption, those that are English as they are, and notes on what was not translated."""
    own = {text: text for text in texts if languages.get(text) == ENGLISH}
    if not ask:
        return own, ()
    foreign = [text for text in texts if text not in own]
    translated = translate_texts(foreign, file=paths.translations, progress=tqdm)
    log.info("%d of %d captions in other languages have a translation", len(translated.english), len(set(foreign)))
    return own | translated.english, _missing(translated, source)


def _missing(translated: Translated, source: str) -> tuple[Note, ...]:
    """Notes on captions without a translation: one each that is too long, one for all that DeepL did not answer."""
    notes = [Note(source, 0, text, "too long for DeepL", advice="shorten it") for text in translated.too_long]
    if translated.unanswered:
        problem = f"{len(translated.unanswered)} captions are not translated: {translated.problem}"
        advice = "when that is mended, `cbir run --force groundtruth` asks for these alone"
        log.warning("%s; %s", problem, advice)
        notes.append(Note(source, 0, "", problem, translated.unanswered, advice))
    return tuple(notes)


def _log_splits(labelled: pd.DataFrame) -> None:
    sizes = split_sizes(labelled)
    parts = [f"{split} {sizes[split][1]} images in {sizes[split][0]} groups" for split in SPLITS if split in sizes]
    rest = int(labelled["split"].isna().sum())
    log.info("%s; %d images unlabelled", "; ".join(parts) or "no split", rest)


if __name__ == "__main__":
    main(groundtruth)
