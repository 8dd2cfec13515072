"""Draws the embeddings in two dimensions, by t-SNE and UMAP, coloured by group, to show whether its members lie
together.
"""

import hashlib
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from cbir.base.display import visible
from cbir.evaluation.retrieval.metrics import Bools, Floats
from cbir.evaluation.retrieval.relevance import Positions, RetrievalTask
from cbir.figures.plots import AMBER, BLUE, DARK, GREEN, GREY, ORANGE, PALE, PINK, SKY, figure
from cbir.store import Store

VERSION = 1  # raise it with any change of the code that decides where a point lies

_FEWEST = 5  # images; below, two dimensions show nothing
_DIMENSIONS = 50  # that principal components keep for both methods, as van der Maaten and Hinton do
_COLOURS, _MARKERS = (BLUE, ORANGE, GREEN, PINK, SKY, AMBER), "o^sDvP"
# Neighbours in this list differ in both, so that a few classes can be told apart without colour.
_LOOKS = [(colour, _MARKERS[(turn + place) % 6]) for turn in range(6) for place, colour in enumerate(_COLOURS)]
_NAMED = 12  # classes in the legend


def projections(
    folder: Path,
    task: RetrievalTask,
    vectors: NDArray[np.float32],
    *,
    images: int,
    seed: int,
    background: Bools | None = None,
    store: Store | None = None,
) -> None:
    """Writes ``tsne.png`` and ``umap.png``: labelled images in their group's look, distractors grey; none below 5
    images.

    Sources: van der Maaten and Hinton, JMLR 9, 2008; McInnes, Healy and Melville, arXiv 1802.03426.

    Args:
        vectors: (n, d), in the order of the task's ids.
        images: at most so many are shown: whole groups first, drawn at random, then distractors.
        seed: of the draw and of both methods.
        background: (n,), which images may be shown as distractors; None: all.
        store: where the places of the points are kept, so that the same points are not laid out again.
    """
    shown = sample(task, images=images, seed=seed, background=background)
    points = vectors[shown]
    if len(points) < _FEWEST or not np.ptp(points, axis=0).any():
        return
    for name, method in (("tsne", "t-SNE"), ("umap", "UMAP")):
        _draw(folder / f"{name}.png", _plane(name, points, seed=seed, store=store), task, shown, method)


def beside_labelled(task: RetrievalTask, files: pd.DataFrame) -> Bools:
    """Marks images that came with labelled ones: distractors of other accessions crowd a plot, more each week."""
    labelled = files.loc[task.label >= 0, "accession"].unique()
    return files["accession"].isin(labelled).to_numpy() if len(labelled) else np.ones(len(files), bool)


def sample(task: RetrievalTask, *, images: int, seed: int, background: Bools | None = None) -> Positions:
    """Chooses positions of images, rising: whole groups as long as they fit, then distractors of the gallery.

    Distractors are chosen by the hash of each, so that most of the choice stays as the archive grows.
    """
    rng = np.random.default_rng(seed)
    sizes = np.bincount(task.label[task.label >= 0], minlength=len(task.names))
    order = rng.permutation(len(sizes))
    chosen = np.isin(task.label, order[np.cumsum(sizes[order]) <= images])
    if task.relevance == "class" or not chosen.any():
        labelled = np.flatnonzero(task.label >= 0)
        chosen[rng.permutation(labelled)[:images]] = True
    others = task.gallery[task.label[task.gallery] < 0]
    if background is not None:
        others = others[background[others]]
    hashes = [hashlib.sha256(f"{seed}/{name}".encode()).digest() for name in task.ids[others]]
    ranked = sorted(range(len(others)), key=hashes.__getitem__)
    chosen[others[ranked[: max(images - int(chosen.sum()), 0)]]] = True
    return np.flatnonzero(chosen)


def _plane(name: str, points: NDArray[np.float32], *, seed: int, store: Store | None) -> Floats:
    """Lays the points out in a plane, (n, 2); from the store where these points were laid out before."""
    methods = {"tsne": tsne, "umap": umap}
    versions = [VERSION, *(version(package) for package in ("numpy", "scikit-learn", "umap-learn"))]
    key = hashlib.sha256(repr((name, seed, points.shape, versions)).encode() + points.tobytes()).hexdigest()
    value = store.get(key) if store else None
    if value is None:
        with threadpool_limits(limits=1):  # sums in another order would give another picture
            plane = methods[name](_principal(points, seed=seed), seed=seed)
        value = np.asarray(plane, np.float32).tobytes()
        if store:
            store.put_many([(key, value)])
    return np.frombuffer(value, np.float32).reshape(-1, 2).astype(float)


def tsne(points: Floats, *, seed: int) -> Floats:
    """Projects (n, d) to (n, 2) by t-SNE."""
    from sklearn.manifold import TSNE

    perplexity = min(30.0, (len(points) - 1) / 3)
    return TSNE(init="pca", perplexity=perplexity, random_state=seed).fit_transform(points)


def umap(points: Floats, *, seed: int) -> Floats:
    """Projects (n, d) to (n, 2) by UMAP; most of the time for a few hundred points goes into compiling UMAP."""
    from umap import UMAP

    neighbours = min(15, len(points) - 1)
    return UMAP(n_neighbors=neighbours, init="pca", random_state=seed, n_jobs=1).fit_transform(points)


def _principal(points: NDArray[np.float32], *, seed: int) -> Floats:
    from sklearn.decomposition import PCA

    return PCA(min(_DIMENSIONS, *points.shape), random_state=seed).fit_transform(points)


def _draw(path: Path, plane: Floats, task: RetrievalTask, shown: Positions, method: str) -> None:
    label = task.label[shown]
    numbers = np.unique(label[label >= 0])
    grouped = task.relevance == "group"
    title, subtitle = "Embeddings", f"{method}: {len(shown):,} images"
    if len(numbers):
        title += f" by {task.relevance}"
        kind = "groups" if grouped else "classes"
        subtitle += f", {(label >= 0).sum():,} of them in {len(numbers):,} {kind}"
    if grouped and len(numbers):
        subtitle += "\na group has one colour and shape, and lines from its centre"
    with figure(path, title=title, subtitle=subtitle, size=(9, 7.5)) as axes:
        _points(
            axes, plane[label < 0], color=PALE, marker="o", size=12, label="distractor" if len(numbers) else "image"
        )
        for place, (colour, marker) in enumerate(_LOOKS[: len(numbers)]):
            alike = [plane[label == number] for number in numbers[place :: len(_LOOKS)]]
            if grouped:
                _join(axes, alike, colour)
            name = _label(task.names[numbers[place]]) if not grouped and place < _NAMED else None
            _points(axes, np.concatenate(alike), color=colour, marker=marker, size=34, label=name)
        if not grouped or (label < 0).any():
            axes.legend(loc="best", frameon=True, facecolor="white", edgecolor="none", framealpha=0.85)
        axes.grid(False)
        axes.set(xticks=[], yticks=[])
        axes.set_xlabel(f"{method} 1 (no unit)", color=GREY)
        axes.set_ylabel(f"{method} 2 (no unit)", color=GREY)


def _label(name: str) -> str:
    """Prepares a name for the legend, which leaves out labels that begin with an underscore."""
    return f" {visible(name)}" if name.startswith("_") else visible(name)


def _points(axes: Axes, points: Floats, *, color: str, marker: str, size: float, label: str | None) -> None:
    if len(points):
        edge = DARK if size > 20 else "none"
        axes.scatter(
            points[:, 0],
            points[:, 1],
            s=size,
            c=color,
            marker=marker,
            linewidths=0.4,
            edgecolors=edge,
            label=label,
            zorder=2,
        )


def _join(axes: Axes, groups: list[Floats], colour: str) -> None:
    """Draws a line from the centre of each group to each of its members."""
    lines = [np.stack([members.mean(axis=0), member]) for members in groups for member in members]
    axes.add_collection(LineCollection(lines, colors=colour, linewidths=0.7, alpha=0.6, zorder=1))
