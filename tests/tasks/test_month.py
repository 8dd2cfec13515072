"""A simulated month: after its landings what a run from scratch on the same files would say."""

import hashlib
import os
import random
import shutil
from collections import Counter
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
import pytest

from cbir.arrivals.intake import take_in
from cbir.arrivals.landing import Look, look
from cbir.encoders.encoder import build_encoder
from cbir.sample.archive import Sample
from flows.workspace.settings import set_params
from tasks.arrivals import mark_reported, prepare_baseline, report_arrivals
from tasks.clean import clean
from tasks.embed import embed
from tasks.groundtruth import groundtruth
from tasks.group import group
from tasks.harness.settings import PARAMS, Paths, arguments, grouped, load_paths, read_yaml
from tasks.index import index
from tasks.match import match
from tests.support.workspace import take_settings

THRESHOLD = 0.5
LANDINGS = 30
COMPARED = 5  # each so many landings; whatever goes wrong stays wrong until then


@pytest.fixture
def month(tmp_path: Path, sample_archive: Sample, monkeypatch: pytest.MonkeyPatch) -> Paths:
    """A workspace with the sample archive and an untrained encoder, all stages up to date."""
    (tmp_path / "now").mkdir()
    monkeypatch.chdir(tmp_path / "now")
    take_settings()
    few = ["match.features=200", "match.neighbours=5", "match.votes=2", "match.closer=0"]
    set_params(["clean.workers=1", "group.report_groups=0", *few])  # quicker: one process, no pictures, few candidates
    paths = load_paths(read_yaml(PARAMS))
    for source in sample_archive.accessions:
        shutil.copytree(source, paths.raw / source.name)
    paths.landing.mkdir(parents=True)
    paths.reference.mkdir(parents=True)
    shutil.copy(sample_archive.groundtruth, paths.reference / "groups.xlsx")
    build_encoder(backbone="timm/test_resnet", image_size=64, greyscale=True, pooling="gem").save(paths.encoder)
    _run_stages(paths)
    prepare_baseline(paths)
    return paths


def _run_stages(paths: Paths) -> None:
    """The stages that a refresh runs, but for the measuring ones."""
    _run(clean, paths)
    accessions = [path.name for path in paths.raw.iterdir() if not path.name.startswith("2026")]
    _run(groundtruth, paths, file="groups.xlsx", accessions=sorted(accessions))
    _run(embed, paths)
    _run(index, paths, k=8)
    _run(match, paths)
    _run(group, paths, threshold=THRESHOLD)


def _run(stage: Any, paths: Paths, **changes: Any) -> None:
    given = arguments(stage)
    given.pop("paths")
    stage(paths, **grouped(stage, {**given, **changes}) if changes else given)


def _from_scratch(paths: Paths) -> Paths:
    """The same archive in a workspace that remembers nothing."""
    fresh = Path("../fresh").resolve()
    shutil.rmtree(fresh, ignore_errors=True)
    moved = Paths(**{name: fresh / path for name, path in vars(paths).items()})
    for name in ("raw", "reference", "encoder"):
        shutil.copytree(getattr(paths, name), getattr(moved, name), copy_function=os.link)
    _run_stages(moved)
    return moved


def _land(paths: Paths, turn: int, chance: random.Random) -> tuple[list[tuple[str, str]], Counter[str]]:
    """Put files down as people do; returns planted pairs (new file, what it shows), and the hashes of what is whole."""
    originals = sorted(path for path in paths.raw.rglob("*.jpg") if cv2.imread(str(path)) is not None)
    planted = []
    for number in range(chance.randrange(8) if turn % 5 else chance.choice([0, 40])):
        source = chance.choice(originals)
        target = paths.landing / f"box {turn % 3}" / f"{turn:02d}-{number} é.jpg"
        target.parent.mkdir(exist_ok=True)
        match chance.randrange(5):
            case 0:
                shutil.copy(source, target)
            case 1:
                target.write_bytes(source.read_bytes()[: 1 + chance.randrange(39)])
            case 2:
                pixels = np.random.default_rng(turn * 100 + number).integers(0, 256, (9, 9, 3), np.uint8)
                cv2.imwrite(str(target), cv2.resize(pixels, (120, 90), interpolation=cv2.INTER_CUBIC))
            case _:
                picture = cv2.imread(str(source))
                cv2.imwrite(str(target), cv2.GaussianBlur(picture, (0, 0), 0.6 + chance.random() / 2))
                planted.append((target.name, source.relative_to(paths.raw).as_posix()))
    whole = [path for path in paths.landing.rglob("*.jpg") if path.name != "half.jpg"]
    return planted, Counter(hashlib.sha256(path.read_bytes()).hexdigest() for path in whole)


def _look(paths: Paths, half: Path) -> Look:
    def go_on_copying(_: float) -> None:
        with half.open("ab") as file:
            file.write(b"more")

    return look(paths.landing, settle=1, wait=go_on_copying)


@pytest.mark.heavy
def test_after_landings_all_is_as_from_scratch_and_each_report_names_every_pair(month: Paths) -> None:
    paths, chance = month, random.Random(7)
    encoder = (paths.encoder / "model.safetensors").read_bytes()
    training = paths.training.read_bytes()
    now = datetime(2026, 11, 1, 6, tzinfo=UTC)
    landed: Counter[str] = Counter()
    found_pairs = checked = 0
    half = paths.landing / "half.jpg"
    for turn in range(LANDINGS):
        planted, hashes = _land(paths, turn, chance)
        half.write_bytes(b"half a file")
        seen = _look(paths, half)
        assert [file.path for file in seen.waiting] == ["half.jpg"]
        now += timedelta(days=1) if turn != 2 * LANDINGS // 5 else timedelta(days=-40)  # the clock is set back once
        made = take_in(seen, paths.landing, paths.raw, now=now, guard=nullcontext)
        landed += hashes
        if not made.arrivals:
            assert not hashes
            continue
        _run_stages(paths)
        arrived = report_arrivals(
            paths, chosen_threshold=THRESHOLD, margin=0.01, longest_side=512, thumbnail_side=96, left=seen.left
        )
        assert arrived is not None
        mark_reported(paths)
        found_pairs += _report_names(arrived.files[1], planted, paths)
        checked += len(planted)
        if turn % COMPARED == COMPARED - 1:
            _same_as(paths, _from_scratch(paths))
    _same_as(paths, _from_scratch(paths))
    assert (paths.encoder / "model.safetensors").read_bytes() == encoder
    assert paths.training.read_bytes() == training
    files = [path for folder in paths.raw.glob("2026*") for path in folder.rglob("*.jpg")]
    assert Counter(hashlib.sha256(path.read_bytes()).hexdigest() for path in files) == landed
    assert checked > 40
    assert found_pairs > checked / 2


def _same_as(paths: Paths, fresh: Paths) -> None:
    """The same groups, and the same neighbours in the same order; similarities that are the same to 1e-4."""
    assert pd.read_parquet(paths.groups).equals(pd.read_parquet(fresh.groups))
    ours, theirs = pd.read_parquet(paths.neighbours), pd.read_parquet(fresh.neighbours)
    columns = ["query_id", "rank", "neighbour_id"]
    assert ours[columns].equals(theirs[columns])
    assert np.abs(ours["similarity"] - theirs["similarity"]).max() < 1e-4


def _report_names(report: Path, planted: list[tuple[str, str]], paths: Paths) -> int:
    """How many planted pairs are in one group; the report names each of them."""
    manifest, groups = pd.read_parquet(paths.manifest), pd.read_parquet(paths.groups)
    of_path = manifest.set_index("path")["image_id"]
    of_image = groups.set_index("image_id")["group_id"].to_dict()
    rows = pd.read_csv(report, encoding="utf-8-sig")
    named = set(zip(rows["file"].map(lambda file: Path(file).name), rows["other_id"], strict=True))
    count = 0
    for name, source in planted:
        (image,) = set(manifest.loc[manifest["path"].str.endswith(name), "image_id"])
        other = of_path[source]
        if image in of_image and of_image[image] == of_image.get(other):
            assert (name, other) in named
            count += 1
    return count
