"""Stage groundtruth: what is known of the images, from a person's list and captions."""

import functools
import logging
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Literal

import pandas as pd
from tqdm import tqdm

from cbir.archive.manifest import read_manifest, unique_images
from cbir.errors import UserError, nearest
from cbir.files import write_json
from cbir.labels.captions import Captions, find_captions
from cbir.labels.files import write_groundtruth, write_training
from cbir.labels.groundtruth import (
    Groups,
    count_labels,
    folder_classes,
    keep_splits,
    label_images,
    resolve_groups,
    split_sizes,
)
from cbir.labels.languages import ENGLISH, detect_languages
from cbir.labels.layouts import TableLayout, read_layout
from cbir.labels.names import NameIndex, Problem, compose
from cbir.labels.notes import Note, write_notes
from cbir.labels.splits import SPLITS, SplitBy, check_fractions
from cbir.labels.tables import read_table
from cbir.labels.translation import Translated, translate_texts
from tasks.harness.settings import Paths
from tasks.harness.stage import main

Layout = Literal["auto", "column", "row", "pairs", "folders"]

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
    """Write what is known of each image, the part of it that training may see, and what could not be read."""
    check_fractions(train=train, val=val)
    manifest = read_manifest(paths.manifest)
    _check_accessions(accessions, manifest)
    read = functools.partial(_read, paths, file, layout, unlabelled, captions, caption_prompt)
    whole, trained = read(manifest, log.info), manifest
    known = whole
    if accessions:
        trained = _of_accessions(manifest, accessions)
        known = read(trained, log.debug)
    texts = [*whole.captions.texts.values(), *known.captions.texts.values()]
    languages = detect_languages(texts)
    _log_languages(whole.captions.texts.values(), languages)
    english, missing = _english(paths, texts, languages, ask=translate == "deepl", source=captions)

    label = functools.partial(
        label_images, split_by=split_by, languages=languages, english=english, train=train, val=val, seed=seed
    )
    training = label(unique_images(trained), groups=known.groups, classes=known.classes, captions=known.captions.texts)
    labelled = label(unique_images(manifest), groups=whole.groups, classes=whole.classes, captions=whole.captions.texts)
    if split_by == "group":
        labelled = keep_splits(labelled, training)
    _log_splits(labelled)
    write_groundtruth(paths.groundtruth, labelled)
    write_training(paths.training, training)
    notes = [*whole.notes, *missing]
    write_notes(paths.reports / "groundtruth.csv", notes)
    write_json(paths.reports / "groundtruth.json", {**count_labels(labelled), "notes": len(notes)})


@dataclass(frozen=True)
class _Read:
    """What the reference files say of the images of a manifest."""

    groups: tuple[tuple[str, ...], ...]
    classes: dict[str, str]
    captions: Captions
    notes: tuple[Note, ...]


def _read(
    paths: Paths,
    file: str,
    layout: Layout,
    unlabelled: list[str],
    captions: str,
    prompt: str,
    manifest: pd.DataFrame,
    tell: Callable[..., None],
) -> _Read:
    """What is known of these images; what is not in the manifest, such as a later accession, leaves no trace."""
    index = NameIndex(manifest)
    groups, classes, notes = _known(paths, file, layout, unlabelled, manifest, index, tell)
    described = _described(paths, captions, prompt, manifest, index, tell)
    return _Read(groups.members, classes, described, (*groups.notes, *notes, *described.notes))


def _known(
    paths: Paths,
    file: str,
    layout: Layout,
    unlabelled: list[str],
    manifest: pd.DataFrame,
    index: NameIndex,
    tell: Callable[..., None],
) -> tuple[Groups, dict[str, str], tuple[Note, ...]]:
    """Groups from the file, or classes from the folders, or nothing."""
    if layout == "folders":
        if file:
            raise UserError(
                f'groundtruth.file is {file}, but layout folders reads no file; set it to "", or name another layout'
            )
        classes, notes = folder_classes(manifest, unlabelled=unlabelled)
        tell("layout folders: %d images in %d classes", len(classes), len(set(classes.values())))
        return Groups(()), classes, notes
    if not file:
        if layout != "auto":
            raise UserError(
                f"groundtruth.file is empty, but groundtruth.layout is {layout}; bring a file in "
                "(cbir import DIR --groundtruth FILE), or set the layout to auto"
            )
        tell("no ground truth: groups can be found, but not evaluated")
        return Groups(()), {}, ()
    return _groups(_reference("file", file, paths.reference), layout, index, tell), {}, ()


def _groups(path: Path, layout: Literal["auto"] | TableLayout, index: NameIndex, tell: Callable[..., None]) -> Groups:
    is_file = functools.cache(lambda name: index.match(name).problem is not Problem.UNMATCHED)
    reading = read_layout(read_table(path), layout=layout, is_file=is_file)
    groups = resolve_groups(reading, index, file=path.name)
    found = "found" if layout == "auto" else "as set"
    tell("layout %s (%s): %d names in %d groups", reading.layout, found, reading.mentions, len(reading.groups))
    tell("%d names matched, %s", groups.matched, _problems(groups.notes))
    tell("%d groups of two or more, %d images in them", len(groups.members), groups.images)
    if reading.mentions and not groups.matched and tell == log.info:
        log.warning("no name in %s is a file of the archive; see reports/groundtruth.csv for the nearest names", path)
    return groups


def _described(
    paths: Paths, captions: str, prompt: str, manifest: pd.DataFrame, index: NameIndex, tell: Callable[..., None]
) -> Captions:
    if not captions:
        return Captions({})
    source = _reference("captions", captions, paths.reference)
    found = find_captions(source, manifest=manifest, index=index, prompt=prompt)
    tell("%d captions for %d images, %s", found.read, len(found.texts), _problems(found.notes))
    return found


def _log_languages(texts: Collection[str], languages: Mapping[str, str]) -> None:
    if texts:
        counts = Counter(languages.get(text, "unsure") for text in texts)
        log.info("captions by language: %s", ", ".join(f"{count} {code}" for code, count in counts.most_common()))


def _english(
    paths: Paths, texts: Sequence[str], languages: Mapping[str, str], *, ask: bool, source: str
) -> tuple[dict[str, str], tuple[Note, ...]]:
    """English by caption, those that are English as they are, and notes on what was not translated."""
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


def _problems(notes: Iterable[Note]) -> str:
    counts = Counter(problem for note in notes for problem in Problem if note.problem.startswith(problem))
    return ", ".join(f"{counts[problem]} {problem.name.lower()}" for problem in Problem)


def _reference(param: str, name: str, folder: Path) -> Path:
    """The file that a param names in the folder of reference files."""
    option = {"file": "--groundtruth", "captions": "--captions"}[param]
    bring = f"bring it in with cbir import DIR {option} FILE"
    path = folder / name
    if ".." in PurePath(name).parts or not path.resolve().is_relative_to(folder.resolve()):
        raise UserError(f"groundtruth.{param} is {name}, but must lie inside {folder}; {bring}")
    if not path.exists():
        hint = nearest(name, sorted(other.name for other in folder.glob("[!.]*")))
        raise UserError(
            f"groundtruth.{param} is {name}, but {path} is not there ({hint}); {bring}, "
            'or set the param to "" to go on without'
        )
    return path


def _check_accessions(accessions: list[str], manifest: pd.DataFrame) -> None:
    present = {compose(name) for name in manifest["accession"].unique()}
    for name in accessions:
        if compose(name) not in present:
            raise UserError(
                f"groundtruth.accessions names {name}, which is no accession of the archive; "
                f"{nearest(name, sorted(present))}"
            )


def _of_accessions(manifest: pd.DataFrame, accessions: list[str]) -> pd.DataFrame:
    """The rows of the accessions, so that what lands in another one later changes nothing for training."""
    wanted = {compose(name) for name in accessions}
    return manifest[manifest["accession"].map(compose).isin(wanted)]


def _log_splits(labelled: pd.DataFrame) -> None:
    sizes = split_sizes(labelled)
    parts = [f"{split} {sizes[split][1]} images in {sizes[split][0]} groups" for split in SPLITS if split in sizes]
    rest = int(labelled["split"].isna().sum())
    log.info("%s; %d images unlabelled", "; ".join(parts) or "no split", rest)


if __name__ == "__main__":
    main(groundtruth)
