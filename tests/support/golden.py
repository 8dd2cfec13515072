"""Writes down what the stages make of a small archive, as far as every machine makes the same:
`python -m tests.support.golden`.

The pictures are whole numbers from a generator whose stream is fixed, in files without compression, so that their
bytes, ids and groups are the same everywhere. Figures that go through floating point are kept, and compared with a
tolerance.
"""

import contextlib
import json
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import openpyxl
import pandas as pd
import pyarrow.parquet as pq
from numpy.typing import NDArray
from PIL import Image
from safetensors.numpy import load_file

from cbir.embedding.files import read_embeddings
from cbir.robustness.alterations import KINDS, altered
from tasks.clean import clean
from tasks.embed import embed
from tasks.evaluate import evaluate
from tasks.groundtruth import groundtruth
from tasks.group import group
from tasks.harness.settings import PARAMS, Paths, arguments, grouped, load_paths, read_yaml
from tasks.harness.versions import stage_versions
from tasks.index import index
from tasks.match import match
from tasks.plots import plots
from tasks.robustness import robustness
from tasks.sift import sift
from tasks.train import train
from tests.support.workspace import take_settings

ROOT = Path(__file__).parents[2]
GOLDEN = ROOT / "tests/golden.json"
SCENES = 6  # each as it is, and printed again
_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")


def picture(number: int) -> NDArray[np.uint8]:
    """Returns a picture that features hold on to, (180, 240): rectangles of three sizes, one on the other."""
    random = np.random.default_rng(number)
    layers = [np.kron(random.integers(0, 85, (180 // s, 240 // s)), np.ones((s, s), np.int64)) for s in (30, 12, 4)]
    return np.sum(layers, axis=0).astype(np.uint8)


def reprint(pixels: NDArray[np.uint8], number: int) -> NDArray[np.uint8]:
    """Returns a crop with flatter tones; of every third picture in the mirror."""
    cropped = pixels[12 : 170 - number, 8 + 3 * number : 232]
    flat = (cropped.astype(np.int64) * 3 // 4 + 40).astype(np.uint8)
    return np.ascontiguousarray(flat[:, ::-1] if number % 3 == 2 else flat)


def make_archive(paths: Paths) -> None:
    """Writes pictures, reprints, a copy, a blank page and a broken file, and a table of what is known."""
    for folder in ("agency", "press"):
        (paths.raw / folder).mkdir(parents=True)
    rows = []
    for number in range(SCENES):
        files = paths.raw / f"agency/{number}.bmp", paths.raw / f"press/{number} é.bmp"
        Image.fromarray(picture(number)).save(files[0])
        Image.fromarray(reprint(picture(number), number)).save(files[1])
        rows.append(f"{files[0].name};{files[1].name}\n")
    Image.fromarray(picture(99)).save(paths.raw / "press/alone.bmp")
    Image.fromarray(np.full((80, 80), 200, np.uint8)).save(paths.raw / "press/blank.bmp")
    shutil.copy(paths.raw / "agency/0.bmp", paths.raw / "press/copy.bmp")
    (paths.raw / "press/broken.bmp").write_bytes(b"no image")
    paths.reference.mkdir(parents=True)
    (paths.reference / "groups.csv").write_text("".join(rows), encoding="utf-8")


def run_stages() -> Paths:
    """Runs all stages in the working directory, with the settings that cbir comes with but for what takes long."""
    take_settings()
    paths = load_paths(read_yaml(PARAMS))
    make_archive(paths)
    _run(clean, paths, workers=1)
    _run(groundtruth, paths, file="groups.csv", layout="row", train=0.34, val=0.33)
    _run(train, paths)
    _run(embed, paths, precision="float32", device="cpu")
    _run(index, paths, k=6)
    _run(match, paths, closer=1)
    _run(evaluate, paths, bootstrap=20)
    _run(group, paths)
    _run(robustness, paths, precision="float32", images=2)
    _run(plots, paths, bootstrap=20, projection_images=0)
    protocol = {name: value for name, value in read_yaml(PARAMS)["evaluate"].items() if name != "bootstrap"}
    given = {"longest_side": 256, "k": 4, "images": 1, "chosen": [], "bootstrap": 0, **protocol}
    sift(replace(paths, reports=Path("sift")), **grouped(sift, given))
    return paths


def _run(stage: Callable[..., None], paths: Paths, **changes: Any) -> None:
    given = _flat(arguments(stage))
    stage(paths, **grouped(stage, given | changes))


def _flat(given: dict[str, Any]) -> dict[str, Any]:
    """Puts the fields of data classes beside the other arguments, as params.yaml has them."""
    values: dict[str, Any] = {}
    for name, value in given.items():
        if name != "paths":
            values |= vars(value) if hasattr(value, "__dataclass_fields__") else {name: value}
    return values


def outcome(paths: Paths) -> dict[str, dict[str, Any]]:
    """Returns by stage what it wrote, as values that JSON holds."""
    return {name: written(paths) for name, written in STAGES.items()}


def _clean(paths: Paths) -> dict[str, Any]:
    report = (paths.reports / "cleaning.csv").read_text(encoding="utf-8-sig")
    return {"manifest": _rows(paths.manifest), "report": report, "counts": _json(paths.reports / "clean.json")}


def _groundtruth(paths: Paths) -> dict[str, Any]:
    notes = (paths.reports / "groundtruth.csv").read_text(encoding="utf-8-sig")
    facts = {"notes": notes, "counts": _json(paths.reports / "groundtruth.json")}
    return {"known": _rows(paths.groundtruth), "training": _rows(paths.training), **facts}


def _train(paths: Paths) -> dict[str, Any]:
    weights = load_file(paths.encoder / "model.safetensors")
    sizes = {name: list(value.shape) for name, value in weights.items()}
    total = float(sum(np.abs(value.astype(np.float64)).sum() for value in weights.values()))
    config = _json(paths.encoder / "config.json")
    tables = {name: pq.read_schema(paths.encoder / f"{name}.parquet").names for name in ("history", "predictions")}
    return {"config": config, "tensors": _digest(json.dumps(sizes)), "magnitude": np.log(total), "tables": tables}


def _embed(paths: Paths) -> dict[str, Any]:
    made = read_embeddings(paths.embeddings)
    schema = pq.read_schema(next(paths.embeddings.glob("part-*.parquet")))
    cosines = np.tril(made.vectors @ made.vectors.T)
    return {"schema": [*map(str, schema)], "ids": made.ids.tolist(), "cosines": cosines.tolist()}


def _index(paths: Paths) -> dict[str, Any]:
    facts = {name: value for name, value in _json(paths.index / "index.json").items() if name != "encoder_digest"}
    rows = pd.read_parquet(paths.neighbours)
    return {"facts": facts, "neighbours": _by_pair(rows, ["similarity"]), "ranks": sorted({*rows["rank"].tolist()})}


def _match(paths: Paths) -> dict[str, Any]:
    rows = pd.read_parquet(paths.matches)
    likely = rows[rows["probability"] > 0.5]
    placed = likely.assign(map=[[*map(float, values[[0, 1, 3, 4]])] for values in likely["map"]])
    columns = ["similarity", "probability", "relation", "mirrored", "overlap_query", "overlap_neighbour", "map", "tone"]
    return {"columns": [*rows.columns], "pairs": len(rows), "likely": _by_pair(placed, columns)}


def _evaluate(paths: Paths) -> dict[str, Any]:
    names = pq.read_schema(paths.reports / "per_query.parquet").names
    figures = {name: _json(paths.reports / f"{name}.json") for name in ("metrics", "threshold")}
    return {**figures, "queries": [names, len(pd.read_parquet(paths.reports / "per_query.parquet"))]}


def _group(paths: Paths) -> dict[str, Any]:
    pages = [paths.reports / name for name in ("index.html", "doubts.html", "groups.csv")]
    folders = ("groups", "thumbnails", "overlays")
    book = openpyxl.load_workbook(paths.reports / "groups.xlsx")
    cells = {sheet.title: [[str(cell) for cell in row] for row in sheet.values] for sheet in book}
    return {
        "groups": _rows(paths.groups),
        "pages": {page.name: _page(page) for page in [*pages, *sorted((paths.reports / "groups").iterdir())]},
        "workbook": _digest(_NUMBER.sub("#", json.dumps(cells))),
        "files": {name: sorted(path.name for path in (paths.reports / name).iterdir()) for name in folders},
        "numbers": _json(paths.reports / "group.json"),
        "promise": _NUMBER.sub("#", json.dumps(_json(paths.reports / "promise.json"))),
    }


def _robustness(paths: Paths) -> dict[str, Any]:
    means = {kind: float(altered(picture(1), kind, key="golden").mean() / 255) for kind in KINDS}
    table = pd.read_csv(paths.reports / "robustness.csv")
    with Image.open(paths.reports / "robustness.png") as sheet:
        size = sheet.size
    facts = {"columns": [*table.columns], "rows": len(table), "sheet": [*size]}
    return {"numbers": sorted(_json(paths.reports / "robustness.json")), "copies": means, **facts}


def _plots(paths: Paths) -> dict[str, Any]:
    sizes = {}
    for file in sorted((paths.reports / "plots").iterdir()):
        with Image.open(file) as figure:
            sizes[file.name] = figure.size[0]
    curves = {file.name: [*pd.read_csv(file).columns] for file in sorted((paths.reports / "curves").iterdir())}
    return {"figures": sizes, "curves": curves}


def _sift(_paths: Paths) -> dict[str, Any]:
    return {"metrics": _json(Path("sift/metrics.json")), "robustness": sorted(_json(Path("sift/robustness.json")))}


STAGES: dict[str, Callable[[Paths], dict[str, Any]]] = {
    "clean": _clean,
    "groundtruth": _groundtruth,
    "train": _train,
    "embed": _embed,
    "index": _index,
    "match": _match,
    "evaluate": _evaluate,
    "group": _group,
    "robustness": _robustness,
    "plots": _plots,
    "sift": _sift,
}


def _json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def _rows(path: Path) -> list[Any]:
    return pq.read_table(path).to_pylist()


def _by_pair(rows: pd.DataFrame, columns: list[str]) -> dict[str, Any]:
    """Returns the columns by both ids, whatever the order of rows."""
    return {f"{row['query_id']} {row['neighbour_id']}": [row[name] for name in columns] for _, row in rows.iterrows()}


def _page(path: Path) -> str:
    """Returns the digest of a text but for its numbers."""
    return _digest(_NUMBER.sub("#", path.read_text(encoding="utf-8-sig")))


def _digest(text: str) -> str:
    return sha256(text.encode()).hexdigest()[:16]


def as_json(outcomes: dict[str, Any]) -> Any:
    """Returns the same with what JSON makes of it: lists for tuples, plain numbers, four digits."""
    text = json.dumps(outcomes, default=lambda value: value.item())
    return json.loads(text, parse_float=lambda digits: round(float(digits), 4))


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        os.environ["TQDM_DISABLE"] = "1"
        golden = {"versions": stage_versions(), "stages": as_json(outcome(run_stages()))}
    GOLDEN.write_text(json.dumps(golden, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    sys.stdout.write(f"{GOLDEN} is written anew\n")
