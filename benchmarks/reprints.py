"""Measures how well reprints of photographs are found that trained nothing here, by severity and by kind of damage, and
real reprints from books. Shows the val half; whoever tunes looks at no other.
"""

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.clustered import best_distance, precision_and_recall
from benchmarks.figures import Figure
from benchmarks.photographs import PHOTOS, SHARED, photographs, read_grey
from benchmarks.reprint_kinds import PRINTED, SEVERITIES, UNSEEN, Pixels, printed
from benchmarks.searches import MEASURES, Embedded, Rank, Search, measures
from benchmarks.verified import Verifier
from cbir.encoders.encoder import Encoder, build_encoder, whiten
from cbir.reprints.press import Press
from cbir.training.shipped.loading import load_shipped

QUERIES = 60  # photographs of a split whose reprints are looked for, drawn by their hash; one reprint a severity
OF_A_KIND = 24  # of those, for each kind of damage
SHIPPED_ROW = "shipped encoder"
REAL = "real reprints"
IMAGENET: dict[str, Any] = {  # the network that the shipped weights started from
    "backbone": "timm/mobilenetv2_100",
    "weights": str(SHARED / "weights/mobilenetv2_100_imagenet.safetensors"),
    "backbone_options": {"pad_type": "same"},  # the weights were converted from a library that pads so
    "mean": [0.5],
    "std": [0.5],
    "greyscale": True,
}


def simulated(split: str) -> dict[str, Search]:
    """Makes the searches of a split, val or test, by severity and by kind: reprints of photographs of
    ``shared/data/historical`` among all of them and the photographs that are held out from training.
    """
    originals = originals_by_name()
    held_out = photographs()
    distractors = [read_grey(PHOTOS / path) for path in held_out.loc[held_out["split"] == "val", "path"]]
    gallery = [*originals.values(), *distractors]
    names = sorted((name for name in originals if _split(name) == split), key=_hash)[:QUERIES]
    at = {name: place for place, name in enumerate(originals)}

    def search(make: Callable[[Pixels, str], Pixels], chosen: Sequence[str], kind: str) -> Search:
        right = np.zeros((len(chosen), len(gallery)), bool)
        right[np.arange(len(chosen)), [at[name] for name in chosen]] = True
        queries = [make(originals[name], f"{kind}/{name}") for name in chosen]
        return Search(queries, gallery, right, np.zeros_like(right))

    kinds = {kind: _printing(press) for kind, press in PRINTED.items()} | UNSEEN
    return {kind: search(_printing(press), names, kind) for kind, press in SEVERITIES.items()} | {
        kind: search(make, names[:OF_A_KIND], kind) for kind, make in kinds.items()
    }


def real() -> Search:
    """Makes the search for photographs that several books printed, among all of ``shared/data/reprints`` but for other
    shots of the same scenes.
    """
    folder = SHARED / "data/reprints"
    labels = pd.read_csv(folder / "labels.csv")
    labels = labels[labels["relation"] != "scene"].reset_index(drop=True)
    gallery = [read_grey(folder / "images" / name) for name in labels["image"]]
    asked = np.flatnonzero(labels["relation"] == "same")
    group = labels["group"].fillna("").to_numpy()
    itself = asked[:, None] == np.arange(len(labels))
    right = (group[asked][:, None] == group) & ~itself
    return Search([gallery[place] for place in asked], gallery, right, itself)


def frozen(images: Sequence[Pixels]) -> Encoder:
    """Builds the network of ImageNet that the shipped weights started from, centred on these images."""
    encoder = build_encoder(**IMAGENET)
    whiten(encoder, encoder.embed(images), "centre")
    return encoder


def _phash() -> Encoder:
    return build_encoder(backbone="imagehash/phash", pooling="native", image_size=32)


def contenders(gallery: Sequence[Pixels]) -> dict[str, Rank]:
    """Returns what is compared, each made for a gallery."""
    shipped = Embedded(load_shipped({}))
    verifier = Verifier(shipped)
    return {
        "perceptual hash": Embedded(_phash()).cosines,
        "frozen start, centred": Embedded(frozen(gallery)).cosines,
        SHIPPED_ROW: shipped.cosines,
        "its 10 nearest, by geometry": partial(verifier.by_geometry, votes=False),
        "and those that features vote for, by geometry": partial(verifier.by_geometry, votes=True),
        "the same, by probability": partial(verifier.by_probability, closer=False),
        "the same, after a closer look at pairs in doubt": partial(verifier.by_probability, closer=True),
    }


def run(split: str = "val", names: Sequence[str] = ()) -> Iterator[Figure]:
    """Yields the figures of each contender by severity and kind, then those of real reprints."""
    searches = {**simulated(split), REAL: real()}
    for name, rank in contenders(next(iter(searches.values())).gallery).items():
        if names and name not in names:
            continue
        for kind, search in searches.items():
            detail = f"{split}, {len(search.queries)} queries, {len(search.gallery)} images"
            values = measures(rank(search), search)
            for measure in MEASURES if kind in (*SEVERITIES, REAL) else MEASURES[:1]:
                yield Figure(f"reprints, {kind}, {name}: {measure}", values[measure], "", detail=detail)
    if not names:
        yield from _clustered(split, searches)


def _clustered(split: str, searches: Mapping[str, Search]) -> Iterator[Figure]:
    """Yields what clusters of frozen vectors hold, at the distance that is best on val."""
    tuned = searches if split == "val" else simulated("val")
    chosen = {kind: tuned[kind] for kind in SEVERITIES}
    embedded = Embedded(frozen(chosen["plain"].gallery))
    distance = best_distance(embedded, chosen)
    for kind in (*SEVERITIES, REAL):
        values = precision_and_recall(embedded, searches[kind], distance)
        for measure, value in zip(("precision", "recall"), values, strict=True):
            name = f"reprints, {kind}, frozen start, DBSCAN: {measure}"
            yield Figure(name, value, "", detail=f"{split}, pairs within clusters, cosine distance {distance}")


def _printing(press: Press) -> Callable[[Pixels, str], Pixels]:
    return lambda pixels, key: printed(pixels, press, key=key)


def originals_by_name() -> dict[str, Pixels]:
    """Reads one image of each historical photograph by its name."""
    folder = SHARED / "data/historical"
    labels = pd.read_csv(folder / "labels.csv")
    originals = labels[(labels["variant"] == "base") | labels["variant"].isna()]
    originals = originals[~(originals["variant"].isna() & originals["group"].notna())]
    return {name: read_grey(folder / name) for name in sorted(originals["image"])}


def _hash(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()


def _split(name: str) -> str:
    return "val" if int(_hash(name), 16) % 2 else "test"
