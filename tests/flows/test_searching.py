"""flows.searching: what `cbir search` prints for an image and for a text."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from PIL import Image

from cbir.archive.manifest import Row, write_manifest
from cbir.base.errors import UserError
from cbir.base.files import write_parquet
from cbir.embedding.files import read_embeddings, write_embeddings
from cbir.encoders.encoder import build_encoder
from cbir.encoders.files import encoder_digest
from cbir.images.ids import image_ids
from cbir.images.reading import read_image
from cbir.index.faiss_index import build_index, save_index
from cbir.matching.table import both_directions, write_matches
from flows.searching import show_neighbours
from flows.workspace.settings import set_params
from tasks.harness.settings import Paths, load_paths, read_yaml
from tests.support.clip import TINY, photographs

PROJECT = Path(__file__).parents[2]


def workspace(**changes: Any) -> Paths:
    """Makes the workspace of a run on three photographs, in the working directory."""
    shutil.copy(PROJECT / "params.yaml", "params.yaml")
    paths = load_paths(read_yaml(Path("params.yaml")))
    encoder = build_encoder(**changes)
    encoder.save(paths.encoder)
    (paths.raw / "first").mkdir(parents=True)
    rows, vectors = [], {}
    for number, photograph in enumerate(photographs(3)):
        file = paths.raw / f"first/{number}.png"
        Image.fromarray(photograph).save(file)
        (image_id,) = image_ids(file)
        rows.append(Row(image_id, f"first/{number}.png", 0, "first", 1, 1, 1, "PNG", "rgb8", "ok", None, None, None))
        vectors[image_id] = encoder.embed([read_image(file, longest_side=512)], batch_size=1)[0]
    write_manifest(paths.manifest, rows)
    batch = sorted(vectors), np.array([vectors[image_id] for image_id in sorted(vectors)])
    facts = {"encoder_digest": encoder_digest(paths.encoder), "precision": "auto"}
    write_embeddings(paths.embeddings, [batch], dimension=encoder.dimension, **facts)
    save_index(build_index(read_embeddings(paths.embeddings)), paths.index)
    write_parquet(paths.groups, pa.table({"image_id": [rows[0].image_id], "group_id": [rows[0].image_id]}))
    write_matches(paths.matches, _one_match(*(row.image_id for row in rows[:2])))
    paths.reports.mkdir()
    (paths.reports / "threshold.json").write_text(json.dumps({"threshold": 0.875, "rule": "default"}), encoding="utf-8")
    return paths


def _one_match(first: str, second: str) -> pd.DataFrame:
    """The matches of an archive in which one pair was looked at."""
    facts = {"query_id": first, "neighbour_id": second, "similarity": 0.5, "probability": 0.75, "relation": "unrelated"}
    facts |= {"mirrored": False, "inliers": 0, "overlap_query": 0.0, "overlap_neighbour": 0.0, "map": None}
    return both_directions(pd.DataFrame([facts | {"tone": 0.0, "log_nfa": 0.0}]))


@pytest.fixture
def clip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Paths:
    """A workspace whose encoder reads texts."""
    monkeypatch.chdir(tmp_path)
    return workspace(backbone="open_clip/ViT-B-32", backbone_options=TINY, image_size=0, pooling="native")


def test_a_text_gives_the_nearest_images_and_no_threshold(clip: Paths, capsys: pytest.CaptureFixture[str]) -> None:
    show_neighbours(None, clip, text="cavalry crossing a river", k=2)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["rank", "1", "2"]
    assert not [line for line in lines if "near-duplicates" in line or "same file" in line]


def test_an_image_gives_itself_its_group_and_the_threshold(clip: Paths, capsys: pytest.CaptureFixture[str]) -> None:
    image = clip.raw / "first/0.png"
    show_neighbours(image, clip, text=None, k=2)
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].split() == ["1", "1.000", image_ids(image)[0][:8], "first/0.png", "(the", "same", "file)"]
    assert lines[-1].strip() == "bold: near-duplicates (probability >= 0.875)"


def test_an_image_of_the_archive_gives_the_probabilities_of_the_pairs_that_were_looked_at(
    clip: Paths, capsys: pytest.CaptureFixture[str]
) -> None:
    show_neighbours(clip.raw / "first/0.png", clip, text=None, k=3)
    lines = {line.split()[-1]: line.split() for line in capsys.readouterr().out.splitlines() if "first/" in line}
    assert lines["first/1.png"][2] == "0.750"
    assert len(lines["first/2.png"]) == 3  # rank, similarity and file


def test_an_image_from_outside_has_similarities_and_no_probability(
    clip: Paths, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Image.fromarray(np.full((40, 40, 3), 90, np.uint8)).save(tmp_path / "outside.png")
    show_neighbours(tmp_path / "outside.png", clip, text=None, k=3)
    printed = capsys.readouterr().out
    assert "near-duplicates" not in printed
    assert "0.750" not in [word for line in printed.splitlines() for word in line.split()[2:]]


def test_programs_read_the_same_as_json(clip: Paths, capsys: pytest.CaptureFixture[str]) -> None:
    show_neighbours(clip.raw / "first/0.png", clip, text=None, k=3, as_json=True)
    document = json.loads(capsys.readouterr().out)
    assert document["threshold"] == 0.875
    files = {file["path"]: file for file in document["files"]}
    assert files["first/1.png"]["probability"] == 0.75
    assert (files["first/2.png"]["probability"], files["first/2.png"]["group_id"]) == (None, None)
    assert files["first/0.png"]["same_file"] is True and files["first/0.png"]["page"] == 0


def test_a_threshold_chosen_by_hand_goes_before_the_learned_one(
    clip: Paths, capsys: pytest.CaptureFixture[str]
) -> None:
    set_params(["group.threshold=0.5"])
    show_neighbours(clip.raw / "first/0.png", clip, text=None, k=2)
    assert capsys.readouterr().out.splitlines()[-1].strip() == "bold: near-duplicates (probability >= 0.500)"


@pytest.mark.parametrize(("image", "text", "rest"), [(None, None, ""), (Path("a.jpg"), "a horse", ", not both")])
def test_a_search_is_for_one_of_image_and_text(clip: Paths, image: Path | None, text: str | None, rest: str) -> None:
    with pytest.raises(UserError, match=f'^give an image, or --text "words"{rest}$'):
        show_neighbours(image, clip, text=text, k=2)


def test_an_encoder_that_reads_no_texts_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    paths = workspace(backbone="timm/test_resnet", image_size=32)
    with pytest.raises(UserError, match="timm/test_resnet with pooling gem reads no texts; train one with backbone"):
        show_neighbours(None, paths, text="a horse", k=2)


def test_what_is_no_file_or_not_there_yet_is_named(clip: Paths) -> None:
    with pytest.raises(UserError, match=r"gone\.jpg: no such file"):
        show_neighbours(Path("gone.jpg"), clip, text=None, k=2)
    clip.groups.unlink()
    with pytest.raises(
        UserError, match=r"groups\.parquet, the table of groups, is not there; `cbir run` makes it \(stage group\)"
    ):
        show_neighbours(None, clip, text="a horse", k=2)
