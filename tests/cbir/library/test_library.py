"""The library: light to import, the pipeline's own results, and documentation whose code runs."""

import json
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

import cbir
from cbir.base.errors import UserError
from cbir.library import settings, tables
from cbir.library.comparison import Comparison
from tasks.harness.settings import read_yaml
from tests.support.reprinted import make_folder

ROOT = Path(__file__).parents[3]
HEAVY = ("torch", "pandas", "numpy", "cv2", "faiss", "prefect", "dvc", "mlflow")
REPRINTS = {"harbour.jpg", "harbour reprint.jpg", "press/=copy.jpg"}, {"square.jpg", "square reprint.jpg"}

IMPORTING = f"""
import json, sys, time
start = time.perf_counter()
import cbir
seconds = time.perf_counter() - start
names = dir(cbir)
loaded = [name for name in {HEAVY} if name in sys.modules]
print(json.dumps([seconds, names, loaded, cbir.__version__]))
"""

AFTER_THE_PAGE = """
import json, sys
loaded = [name for name in ("prefect", "dvc", "mlflow", "tasks", "flows") if name in sys.modules]
files = groups.groupby("group_id")["file"].agg(list).tolist()
answer = {"loaded": loaded, "groups": files, "others": others, "hits": hits["file"].tolist()}
answer |= {"vectors": [len(vectors), len(vectors[0])], "pairs": pairs[["file", "other_file"]].to_numpy().tolist()}
answer |= {"alike": both.probability, "relation": both.relation, "page": both._repr_html_()[:3]}
answer |= {"dimension": encoder.dimension, "status": archive.images["status"].tolist()}
print(json.dumps(answer))
"""


def python(program: str, *, cwd: Path, **variables: str) -> Any:
    """Runs a program of its own and returns what its last line says."""
    environment = {"PATH": "", "PYTHONPATH": str(ROOT), "HOME": str(cwd), "OMP_NUM_THREADS": "1"} | variables
    file = cwd / "program.py"
    file.write_text(program, encoding="utf-8")
    run = subprocess.run([sys.executable, file], cwd=cwd, env=environment, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout.splitlines()[-1])


def blocks_of(page: Path) -> str:
    """Returns the Python of a page, one block after the other."""
    return "\n".join(re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL))


def test_importing_cbir_loads_nothing_and_takes_no_time(tmp_path: Path) -> None:
    seconds, names, loaded, version = min(python(IMPORTING, cwd=tmp_path) for _ in range(3))
    assert seconds < 0.2
    assert loaded == []
    assert {"Archive", "compare", "load_encoder", "UserError"} <= {*names}
    assert version == cbir.__version__


def test_an_unknown_name_is_no_attribute() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Archives'"):
        _ = cbir.Archives  # type: ignore[attr-defined]


def test_the_library_has_the_settings_of_a_new_workspace() -> None:
    params = read_yaml(ROOT / "params.yaml")
    assert params["images"]["longest_side"] == settings.LONGEST_SIDE
    rules = {name: params["clean"][name] for name in ("max_pixels", "max_bytes", "min_side", "blank_deviation")}
    assert vars(settings.RULES) == rules | params["images"]
    assert vars(settings.LABOUR) == {name: params["clean"][name] for name in ("timeout", "workers")}
    assert vars(settings.MATCHING) == params["match"]
    assert params["index"]["k"] == settings.NEIGHBOURS
    assert params["evaluate"]["default_threshold"] == settings.THRESHOLD
    assert (params["train"]["method"], params["train"]["weights"]) == ("none", "shipped")


@pytest.mark.heavy
def test_the_documented_code_finds_the_reprints_in_a_folder_without_the_orchestrators(tmp_path: Path) -> None:
    make_folder(tmp_path / "scans")
    before = sorted(path.name for path in (tmp_path / "scans").rglob("*"))
    answer = python(blocks_of(ROOT / "docs/library.md") + AFTER_THE_PAGE, cwd=tmp_path)
    assert answer["loaded"] == []
    assert sorted(map(sorted, answer["groups"])) == sorted(map(sorted, REPRINTS))
    assert answer["others"]["harbour.jpg"] == ["harbour reprint.jpg", "press/=copy.jpg"]
    assert answer["others"]["press/alone.png"] == []
    assert {*answer["hits"][:3]} == REPRINTS[0]
    assert sorted(answer["status"]) == [*["ok"] * 6, "unsupported"]
    assert answer["vectors"] == [5, answer["dimension"]]  # of the copy once
    assert {frozenset(pair) for pair in answer["pairs"]} >= {frozenset(REPRINTS[1])}
    assert answer["alike"] > 0.9 and answer["relation"] == "same photograph" and answer["page"] == "<p>"
    assert (tmp_path / "laid.png").read_bytes().startswith(b"\x89PNG")
    assert "'=copy.jpg" not in (text := (tmp_path / "duplicates.csv").read_text("utf-8-sig")) and "press/=copy" in text
    assert sorted(path.name for path in (tmp_path / "scans").rglob("*")) == before
    assert [path.name[:6] for path in (tmp_path / ".cache/cbir").iterdir()] == ["scans-"]


def test_mistakes_are_one_sentence(tmp_path: Path) -> None:
    for call, sentence in [
        (lambda: cbir.Archive(tmp_path / "nowhere"), "nowhere: no such folder"),
        (lambda: cbir.Archive(tmp_path).search(), "search for a picture, or for text="),
        (lambda: cbir.Archive(tmp_path, store=tmp_path / ".s", encoder=tmp_path).embed(), "holds no encoder"),
        (lambda: cbir.Archive(tmp_path, store=tmp_path / ".s").groups(), "holds no images$"),
        (lambda: cbir.compare(tmp_path / "a.jpg", tmp_path / "b.jpg"), "a.jpg: no such file"),
    ]:
        with pytest.raises(UserError, match=sentence):
            call()


def laid(**values: Any) -> Comparison:
    """A black square laid on the right half of a white page."""
    square, page = np.zeros((10, 10), np.uint8), np.full((10, 20), 255, np.uint8)
    shift = np.array([(1.0, 0, 10), (0, 1, 0)])
    whole = Comparison(
        Path("<a>.jpg"), Path("b.jpg"), 0.9, "same photograph", 0.8, False, 9, (1, 0.5), shift, (square, page), "W"
    )
    return replace(whole, **values)


def test_the_overlay_mixes_the_pictures_where_one_lies_on_the_other() -> None:
    overlay = laid().overlay()
    assert overlay.shape == (10, 20, 3)
    assert np.all(overlay[:, :10] == 255) and np.all(abs(overlay[:, 11:].astype(int) - 128) <= 1)


def test_without_a_map_the_overlay_is_the_second_picture() -> None:
    assert np.all(laid(map=None).overlay() == 255)


def test_a_notebook_shows_names_as_text() -> None:
    page = laid()._repr_html_()
    assert "&lt;a&gt;.jpg" in page and "<a>" not in page
    assert page.count("data:image/webp") == 3


GROUPS = pd.DataFrame({"group_id": ["g", "g", "g"], "file": ["a", "b", "b"], "representative": [True, False, False]})
IMAGES = pd.DataFrame(
    {"file": ["b", "b", "a", "c", "d"], "status": ["ok", "ok", "ok", "ok", "corrupt"], "accession": "x"}
)


def test_duplicates_name_the_other_files_of_a_group_once() -> None:
    assert tables.duplicates(GROUPS, IMAGES) == {"a": ["b"], "b": ["a"], "c": []}


def test_a_fiftyone_dataset_has_a_sample_a_file_with_its_group(monkeypatch: pytest.MonkeyPatch) -> None:
    added: list[dict[str, Any]] = []
    dataset = SimpleNamespace(add_samples=added.extend)
    monkeypatch.setitem(sys.modules, "fiftyone", SimpleNamespace(Sample=dict, Dataset=lambda name: dataset))
    assert tables.to_fiftyone(Path("/scans"), IMAGES, GROUPS) is dataset
    assert [sample["filepath"] for sample in added] == ["/scans/b", "/scans/a", "/scans/c"]
    assert [(sample["group_id"], sample["representative"]) for sample in added] == [
        ("g", False),
        ("g", True),
        (None, False),
    ]


def test_without_fiftyone_its_name_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "fiftyone", None)
    with pytest.raises(UserError, match="pip install fiftyone"):
        tables.to_fiftyone(Path("/scans"), IMAGES, GROUPS)
