"""Joins what is known of the images: groups of the same picture, classes, splits and captions."""

import functools
import logging
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from cbir.archive.manifest import in_order
from cbir.base.errors import UserError, nearest
from cbir.labels.layouts.reading import Mention, Reading
from cbir.labels.names import Match, NameIndex, compose, unaccented
from cbir.labels.notes import Note, note_of, suggest_names
from cbir.labels.splits import SPLITS, SplitBy, split_of

_GIANT = 6  # images

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Groups:
    """Holds groups of image_ids, each with at least two; no image is in two of them."""

    members: tuple[tuple[str, ...], ...]
    notes: tuple[Note, ...] = ()
    matched: int = 0  # names that were read and meant an image
    named: int = 0  # images that they meant

    @property
    def images(self) -> int:
        return sum(map(len, self.members))

    @property
    def giant(self) -> int:
        """Counts the images of a group that takes most of those named, which is what a wrong layout makes; 0: none."""
        *_, second, largest = sorted((0, 0, *map(len, self.members)))
        return largest if largest >= _GIANT and 2 * largest > self.named and largest >= 3 * second else 0


def resolve_groups(reading: Reading, index: NameIndex, *, file: str) -> Groups:
    """Finds the images that a ground truth's names mean, groups that share one united, groups of one left out.

    Args:
        file: the ground truth's name, for the notes.
    """
    match = functools.cache(index.match)
    notes = [Note(file, fault.row, fault.text, fault.problem, advice="complete the row") for fault in reading.faults]
    written: list[list[tuple[Mention, str]]] = []
    for group in reading.groups:
        matches = [(mention, match(mention.name)) for mention in group]
        written.append([(mention, result.image_id) for mention, result in matches if result.image_id])
    mentions = [mention for group in (*reading.groups, *reading.apart) for mention in group]
    for mention in mentions:
        if match(mention.name).problem:
            notes.append(note_of(match(mention.name), file=file, mention=mention))
    united = unite([image_id for _, image_id in group] for group in written)
    if reading.layout != "pairs":
        notes += _oddities(written, united, file)
    notes += _contradictions(reading, united, match, file)
    matched = sum(match(mention.name).problem is None for mention in mentions)
    named = {image_id for group in written for _, image_id in group}
    return Groups(tuple(map(tuple, united)), suggest_names(sorted(set(notes)), index), matched, len(named))


def unite(groups: Iterable[Iterable[str]]) -> list[list[str]]:
    """Finds the connected components of groups that share members, those of one member left out; all sorted."""
    parent: dict[str, str] = {}

    def root(member: str) -> str:
        while parent.setdefault(member, member) != member:
            parent[member] = parent[parent[member]]
            member = parent[member]
        return member

    for group in groups:
        members = list(group)
        for member in members:
            parent[root(member)] = root(members[0])
    components: dict[str, list[str]] = {}
    for member in parent:
        components.setdefault(root(member), []).append(member)
    return sorted(sorted(component) for component in components.values() if len(component) > 1)


def _oddities(
    written: Sequence[Sequence[tuple[Mention, str]]], united: Sequence[Sequence[str]], file: str
) -> list[Note]:
    """Notes groups of one, images that stand in several groups, and twice in the same."""
    grouped = {image_id for group in united for image_id in group}
    places: dict[str, list[Mention]] = {}
    notes: list[Note] = []
    for group in written:
        first: dict[str, Mention] = {}
        for mention, image_id in group:
            if image_id in first:
                twin = first[image_id]
                what = "twice in its group" if twin.name == mention.name else f"the same image as {twin.name}"
                text = f"{what} (row {twin.row})"
                notes.append(Note(file, mention.row, mention.name, text, advice="nothing: it counts once"))
            else:
                first[image_id] = mention
                places.setdefault(image_id, []).append(mention)
        if len(first) == 1 and not grouped.intersection(first):
            mention = next(iter(first.values()))
            advice = "nothing: without a second image it stays unlabelled, a distractor"
            notes.append(Note(file, mention.row, mention.name, "alone in its group", advice=advice))
    for mentions in places.values():
        if len(mentions) > 1:
            rows = ", ".join(str(mention.row) for mention in mentions)
            text = f"in several groups (rows {rows})"
            advice = "nothing, if they show the same picture: they were united"
            notes.append(Note(file, mentions[0].row, mentions[0].name, text, advice=advice))
    return notes


def _contradictions(
    reading: Reading, united: Sequence[Sequence[str]], match: Callable[[str], Match], file: str
) -> list[Note]:
    """Notes pairs that are labelled different although other pairs make them the same."""
    group_of = {image_id: number for number, group in enumerate(united) for image_id in group}
    notes: list[Note] = []
    for first, second in reading.apart:
        image_ids = [match(mention.name).image_id for mention in (first, second)]
        numbers = {group_of.get(image_id or "", -1) for image_id in image_ids}
        if image_ids[0] and (image_ids[0] == image_ids[1] or (len(numbers) == 1 and -1 not in numbers)):
            text = "labelled different, but the same by other rows or by their content"
            notes.append(
                Note(file, first.row, f"{first.name} | {second.name}", text, advice="correct one of the labels")
            )
    return notes


def folder_classes(manifest: pd.DataFrame, *, unlabelled: Iterable[str]) -> tuple[dict[str, str], tuple[Note, ...]]:
    """Finds the class of each image: the name (NFC) of the folder that holds the file, inside its accession.

    Files at the top of an accession have none. An image whose copies lie in folders of several classes has none
    either, and a note says so; a copy in a folder that names no class changes nothing.

    Args:
        unlabelled: folders that name no class, without regard to case and accents.
    """
    ignored = {unaccented(name) for name in unlabelled}
    usable = in_order(manifest[manifest["status"] == "ok"])
    seen: dict[str, dict[str, str]] = {}  # image_id: class: the first path
    for image_id, path in zip(usable["image_id"], usable["path"], strict=True):
        folders = path.split("/")[1:-1]
        if folders and unaccented(folders[-1]) not in ignored:
            seen.setdefault(image_id, {}).setdefault(compose(folders[-1]), path)
    classes = {image_id: next(iter(paths)) for image_id, paths in seen.items() if len(paths) == 1}
    notes = [
        Note(
            "", 0, next(iter(paths.values())), "copies in several classes", tuple(paths.values()), "keep the right one"
        )
        for paths in seen.values()
        if len(paths) > 1
    ]
    return classes, tuple(sorted(notes))


def label_images(
    images: pd.DataFrame,
    *,
    groups: Iterable[Sequence[str]] = (),
    classes: Mapping[str, str] | None = None,
    captions: Mapping[str, str] | None = None,
    split_by: SplitBy = "group",
    languages: Mapping[str, str] | None = None,
    english: Mapping[str, str] | None = None,
    train: float,
    val: float,
    seed: int,
) -> pd.DataFrame:
    """Makes a table with a row an image, by image_id: the columns of `files.TRAINING`, and accession.

    Args:
        images: as `cbir.archive.manifest.unique_images` gives them.
        groups: disjoint groups of image_ids.
        split_by: ``group``: a group goes whole into one split, by the hash of its id; an image with a class but no
            group by the hash of its own. So the metrics say how well pictures are found that no training has seen.
            ``image``: the images of a group (or class) are split one by one, each by the hash of its own id; the first
            by accession and path always trains, so that there is no scene that was never trained on. So a classifier
            can be tested on the scenes that it knows, and the metrics of retrieval say how well new pictures of known
            scenes are found: more than can be promised for new scenes.
        classes, captions: by image_id.
        languages, english: by caption.
    """
    classes, captions, languages, english = classes or {}, captions or {}, languages or {}, english or {}
    order = in_order(images)["image_id"]
    group_of = _first_members(groups, order)
    table = images[["image_id", "path", "page", "accession"]].sort_values("image_id", ignore_index=True)
    image_ids = table["image_id"].tolist()
    labels = [group_of.get(image_id) or (image_id if image_id in classes else None) for image_id in image_ids]
    unit = {"group": labels, "image": image_ids}[split_by]
    first = _first_of_scene(order, group_of, classes) if split_by == "image" else set()
    deal = functools.partial(split_of, train=train, val=val, seed=seed)
    rows = zip(image_ids, labels, unit, strict=True)
    splits = [label and ("train" if image_id in first else deal(name)) for image_id, label, name in rows]
    texts = [captions.get(image_id) for image_id in image_ids]
    columns: dict[str, list[str | None]] = {
        "group_id": [group_of.get(image_id) for image_id in image_ids],
        "split": splits,
        "class": [classes.get(image_id) for image_id in image_ids],
        "caption": texts,
        "caption_language": [languages.get(text) if text else None for text in texts],
        "caption_en": [english.get(text) if text else None for text in texts],
    }
    known = pd.DataFrame({name: pd.Series(values, dtype="str") for name, values in columns.items()})
    return pd.concat([table[["image_id"]], known, table[["path", "page", "accession"]]], axis="columns")


def _first_members(groups: Iterable[Sequence[str]], order: Iterable[str]) -> dict[str, str]:
    """Returns the first member of each image's group, by image_id."""
    position = {image_id: number for number, image_id in enumerate(order)}
    return {image_id: min(group, key=position.__getitem__) for group in groups for image_id in group}


def _first_of_scene(order: Iterable[str], group_of: Mapping[str, str], classes: Mapping[str, str]) -> set[str]:
    """Finds the first image of each class, and of each group of images without one."""
    first: dict[tuple[str, str], str] = {}
    for image_id in order:
        if image_id in classes:
            first.setdefault(("class", classes[image_id]), image_id)
        elif image_id in group_of:
            first.setdefault(("group", group_of[image_id]), image_id)
    return set(first.values())


def keep_splits(labelled: pd.DataFrame, training: pd.DataFrame) -> pd.DataFrame:
    """Returns the same table, its groups in the split in which an encoder has seen members of theirs.

    A group's split follows from its first member, so it moves only where what arrives later joins two groups. Images
    that were trained on (or chosen by) must not be tested on: such a group is ``train`` where a member of it was
    trained on, else ``val`` where a member was validated on.

    Args:
        labelled: as :func:`label_images` gives it, of the whole archive.
        training: the same for the images that the encoder was trained on.
    """
    seen = labelled["image_id"].map(training.set_index("image_id")["split"])
    kept = labelled["split"].copy()
    for split in ("val", "train"):
        groups = labelled.loc[seen == split, "group_id"].dropna()
        kept[labelled["group_id"].isin(groups)] = split
    return labelled.assign(split=kept)


def count_labels(labelled: pd.DataFrame) -> dict[str, int]:
    """Counts the table of `label_images`: groups, classes, captions, and images by split; ``unlabelled`` have none."""
    return {
        "groups": int(labelled["group_id"].nunique()),
        "images_in_groups": int(labelled["group_id"].count()),
        "classes": int(labelled["class"].nunique()),
        "captions": int(labelled["caption"].count()),
        "captions_in_english": int(labelled["caption_en"].count()),
        **{f"{split}_images": int((labelled["split"] == split).sum()) for split in SPLITS},
        "unlabelled": int(labelled["split"].isna().sum()),
    }


def split_sizes(labelled: pd.DataFrame) -> dict[str, tuple[int, int]]:
    """Counts groups and images by split."""
    images = Counter(labelled["split"].dropna())
    groups = Counter(labelled.dropna(subset=["group_id"]).drop_duplicates("group_id")["split"])
    return {split: (groups[split], images[split]) for split in images}


def log_splits(labelled: pd.DataFrame) -> None:
    """Logs the images and groups of each split."""
    sizes = split_sizes(labelled)
    parts = [f"{split} {sizes[split][1]} images in {sizes[split][0]} groups" for split in SPLITS if split in sizes]
    rest = int(labelled["split"].isna().sum())
    log.info("%s; %d images unlabelled", "; ".join(parts) or "no split", rest)


def of_accessions(manifest: pd.DataFrame, accessions: Sequence[str]) -> pd.DataFrame:
    """Returns the rows of the accessions, so that what lands in another one later changes nothing for training.

    Raises:
        UserError: the archive has no such accession.
    """
    present = {compose(name) for name in manifest["accession"].unique()}
    for name in accessions:
        if compose(name) not in present:
            raise UserError(
                f"groundtruth.accessions names {name}, which is no accession of the archive; "
                f"{nearest(name, sorted(present))}"
            )
    wanted = {compose(name) for name in accessions}
    return manifest[manifest["accession"].map(compose).isin(wanted)]
