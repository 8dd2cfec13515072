"""Tests of cbir.figures.projections."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from matplotlib.legend import Legend

from cbir.figures import projections as module
from cbir.figures.projections import projections, sample, tsne, umap
from cbir.store import Store
from tests.support.retrievals import archive, scattered

# Of umap's parametric variant, which is not used; Python shows an ImportWarning to nobody by default.
pytestmark = pytest.mark.filterwarnings("ignore:Tensorflow not installed:ImportWarning")

ARCHIVE = scattered(groups=9, distractors=12, noise=0.3)


@pytest.mark.parametrize("method", [tsne, pytest.param(umap, marks=pytest.mark.heavy)])
def test_members_of_a_group_lie_nearer_to_each_other_than_to_the_rest(method) -> None:
    members = ARCHIVE.vectors[:27].astype(float)
    plane = method(members, seed=0)
    distance = np.linalg.norm(plane[:, None] - plane[None], axis=2)
    own = np.repeat(np.arange(9), 3)[:, None] == np.repeat(np.arange(9), 3)[None]
    assert distance[own].mean() < 0.5 * distance[~own].mean()


@pytest.mark.heavy
def test_the_same_seed_gives_the_same_bytes(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        projections(tmp_path / name, ARCHIVE.task(), ARCHIVE.vectors, images=100, seed=0)
    for name in ("tsne.png", "umap.png"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


@pytest.mark.heavy
@pytest.mark.parametrize(("count", "drawn"), [(4, False), (5, True)])
def test_very_few_images_are_drawn_from_five_on(tmp_path: Path, count: int, drawn: bool) -> None:
    few = archive(np.random.default_rng(0).normal(size=(count, 8)), groups=["a", "a", *[None] * (count - 2)])
    projections(tmp_path, few.task(), few.vectors, images=100, seed=0)
    assert [(tmp_path / name).exists() for name in ("tsne.png", "umap.png")] == [drawn, drawn]


@pytest.mark.heavy
def test_images_that_are_all_alike_have_no_projection(tmp_path: Path) -> None:
    alike = archive(np.ones((8, 3)), groups=["a"] * 8)
    projections(tmp_path, alike.task(), alike.vectors, images=100, seed=0)
    assert not list(tmp_path.iterdir())


@pytest.mark.heavy
def test_classes_are_drawn_with_their_names(tmp_path: Path) -> None:
    classes = archive(np.random.default_rng(0).normal(size=(30, 8)), groups=[None] * 30, classes=["x", "y", None] * 10)
    projections(tmp_path, classes.task(), classes.vectors, images=100, seed=0)
    assert (tmp_path / "tsne.png").exists()


@pytest.mark.heavy
def test_the_name_of_a_class_is_drawn_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names: list[str] = ["$\\frac$", "_hidden", "new\nline\u202e"]
    legend: list[str] = []
    draw = Legend.draw

    def see(self: Legend, renderer: object) -> None:
        legend.extend(text.get_text() for text in self.get_texts())
        draw(self, renderer)

    monkeypatch.setattr(Legend, "draw", see)
    points = np.random.default_rng(0).normal(size=(30, 8))
    classes = archive(points, groups=[None] * 30, classes=names * 10)
    projections(tmp_path, classes.task(), classes.vectors, images=100, seed=0)
    assert {"$\\frac$", " _hidden", "new\ufffdline\ufffd"} <= set(legend)


@pytest.mark.heavy
def test_the_sample_takes_whole_groups_before_distractors() -> None:
    task = ARCHIVE.task()
    chosen = sample(task, images=10, seed=0)
    assert np.bincount(task.label[chosen[task.label[chosen] >= 0]]).tolist().count(3) == 3
    assert (task.label[chosen] < 0).sum() == 1
    assert sample(task, images=30, seed=0).size == 30
    assert sample(task, images=500, seed=0).size == 39


@pytest.mark.heavy
def test_the_sample_never_exceeds_the_limit_though_one_group_does() -> None:
    large = archive(np.eye(12), groups=["a"] * 12)
    assert sample(large.task(), images=7, seed=0).size == 7
    assert sample(large.task(), images=0, seed=0).size == 0


@pytest.mark.heavy
def test_points_that_were_laid_out_before_come_from_the_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    places = Store(tmp_path / "places.sqlite")

    def drawn(name: str, store: Store | None) -> list[bytes]:
        folder = tmp_path / name
        folder.mkdir()
        projections(folder, ARCHIVE.task(), ARCHIVE.vectors, images=100, seed=0, store=store)
        return [path.read_bytes() for path in sorted(folder.iterdir())]

    without, first = drawn("without", None), drawn("first", places)
    monkeypatch.setattr(module, "tsne", None)
    monkeypatch.setattr(module, "umap", None)
    assert drawn("again", places) == first == without


def test_as_the_archive_grows_new_distractors_alone_displace_others() -> None:
    task = ARCHIVE.task()
    few = replace(task, gallery=np.setdiff1d(task.gallery, [36, 38]))
    before, after = (set(sample(source, images=32, seed=0).tolist()) for source in (few, task))
    assert len(before) == len(after) == 32
    assert after - before <= {36, 38}


def test_distractors_come_from_the_background_alone() -> None:
    task, background = ARCHIVE.task(), np.arange(39) >= 35
    chosen = sample(task, images=500, seed=0, background=background)
    assert chosen.tolist() == [*range(27), 35, 36, 37, 38]


@pytest.mark.heavy
def test_more_groups_than_looks_are_all_drawn(tmp_path: Path) -> None:
    many = scattered(groups=40, distractors=5, noise=0.3)
    projections(tmp_path, many.task(), many.vectors, images=500, seed=0)
    assert (tmp_path / "tsne.png").exists()
