import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from cbir.archive.manifest import read_manifest, unique_images
from cbir.images.reduced import ReducedImages
from tasks.clean import clean
from tasks.harness.settings import Paths, grouped, load_paths, read_yaml, schema

PROJECT = Path(__file__).parents[2]


@pytest.fixture
def paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Paths:
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "data" / "raw" / "first" / "Füße (1)"
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    for number in range(3):
        Image.fromarray(rng.integers(0, 255, (60, 80), dtype=np.uint8)).save(folder / f"{number}.png")
    (folder / "copy.png").write_bytes((folder / "0.png").read_bytes())
    (folder / "empty.jpg").touch()
    return load_paths(read_yaml(PROJECT / "params.yaml"))


def settings() -> dict[str, Any]:
    params = read_yaml(PROJECT / "params.yaml")
    return {**params["images"], **params["clean"], "workers": 1}


def test_params_yaml_holds_what_the_stage_takes() -> None:
    assert settings().keys() == schema(clean).keys()


def test_the_manifest_the_report_and_the_store_are_written_and_a_rerun_gives_the_same_bytes(
    paths: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    clean(paths, **grouped(clean, settings()))
    manifest = read_manifest(paths.manifest)
    assert manifest["status"].tolist() == ["ok", "ok", "ok", "ok", "corrupt"]
    assert manifest["path"][0] == "first/Füße (1)/0.png"
    report = (paths.reports / "cleaning.csv").read_text(encoding="utf-8-sig")
    assert "corrupt,first/Füße (1)/empty.jpg,1,the file is empty" in report
    counts = json.loads((paths.reports / "clean.json").read_text())
    assert counts["files"] == counts["images"] == 5
    assert (counts["usable"], counts["exact_copies"], counts["rejected"], counts["corrupt"]) == (4, 1, 1, 1)
    written = (paths.manifest, paths.reports / "cleaning.csv", paths.reports / "clean.json")
    outputs = [path.read_bytes() for path in written]

    images = unique_images(manifest)
    store = ReducedImages(paths.store, Path("nowhere"), longest_side=512)
    assert [store.read(row.image_id, row.path, row.page).shape for row in images.itertuples()] == [(60, 80)] * 3

    paths.manifest.unlink()
    clean(paths, **grouped(clean, settings()))
    assert [path.read_bytes() for path in written] == outputs
    assert sorted(os.listdir(paths.manifest.parent)) == ["manifest.parquet", "raw"]  # noqa: PTH208
