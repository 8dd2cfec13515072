"""Stage groundtruth: writes what is known of the images, from a person's list and captions."""

import functools
import logging
from typing import Literal

from tqdm import tqdm

from cbir.archive.manifest import read_manifest, unique_images
from cbir.base.files import write_json
from cbir.labels.appearances.files import write_appearances
from cbir.labels.appearances.tags import find_tags
from cbir.labels.files import write_groundtruth, write_training
from cbir.labels.groundtruth import count_labels, keep_splits, label_images, log_splits, of_accessions
from cbir.labels.languages import detect_languages, log_languages
from cbir.labels.notes import write_notes
from cbir.labels.reference import Layout, Reference, log_reading, read_reference, read_tables, require_believable
from cbir.labels.splits import SplitBy, check_fractions
from cbir.labels.translation import english_of
from tasks.harness.settings import Paths
from tasks.harness.stage import main

log = logging.getLogger(__name__)


def groundtruth(
    paths: Paths,
    *,
    file: str | list[str],
    layout: Layout,
    unlabelled: list[str],
    captions: str,
    caption_prompt: str,
    metadata: str | list[str],
    dates: str,
    tags: bool,
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
    reference = Reference(paths.reference, file, layout, tuple(unlabelled), captions, caption_prompt, metadata, dates)
    whole = read_reference(reference, manifest)
    tagged = find_tags(manifest, paths.raw, paths.store, progress=tqdm) if tags else {}
    appeared = read_tables(reference, manifest, tagged)
    log_reading(whole, appeared, reference)
    require_believable(whole)
    known = read_reference(reference, trained) if accessions else whole
    texts = [*whole.captions.values(), *known.captions.values()]
    languages = detect_languages(texts)
    log_languages(whole.captions.values(), languages)
    english, missing = english_of(
        texts, languages, file=paths.translations if translate == "deepl" else None, source=captions, progress=tqdm
    )

    label = functools.partial(
        label_images, split_by=split_by, languages=languages, english=english, train=train, val=val, seed=seed
    )
    training = label(unique_images(trained), groups=known.groups, classes=known.classes, captions=known.captions)
    labelled = label(unique_images(manifest), groups=whole.groups, classes=whole.classes, captions=whole.captions)
    if split_by == "group":
        labelled = keep_splits(labelled, training)
    log_splits(labelled)
    write_groundtruth(paths.groundtruth, labelled)
    write_training(paths.training, training)
    write_appearances(paths.metadata, appeared.table)
    notes = [*whole.notes, *appeared.notes, *missing]
    write_notes(paths.reports / "groundtruth.csv", notes)
    write_json(paths.reports / "groundtruth.json", {**count_labels(labelled), "notes": len(notes)})


if __name__ == "__main__":
    main(groundtruth)
