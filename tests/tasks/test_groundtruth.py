import csv
import inspect
import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openpyxl
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cbir.archive.manifest import SCHEMA as MANIFEST
from cbir.errors import UserError
from cbir.files import write_parquet
from cbir.labels.files import GROUNDTRUTH
from tasks.groundtruth import groundtruth
from tasks.harness.settings import Paths
from tests.support.deepl_server import KEY, DeepL, english, serving, use
from tests.support.manifests import image_id_of, manifest

FILES = ("one/a/Été 1.jpg", "one/a/b.jpg", "one/c.jpg", "two/d.jpg", "two/a/e.jpg", "two/unknown/f.jpg")
SETTINGS: dict[str, Any] = {
    "file": "",
    "layout": "auto",
    "unlabelled": ["unlabelled", "unknown"],
    "captions": "",
    "caption_prompt": "",
    "split_by": "group",
    "translate": "none",
    "train": 0.6,
    "val": 0.2,
    "seed": 0,
    "accessions": [],
}


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    names = inspect.signature(Paths).parameters
    made = Paths(**{name: tmp_path / name for name in names})
    table = manifest(*FILES, copies={"two/copy.jpg": "one/c.jpg"}, rejected={"one/torn.jpg": "cut off"})
    write_parquet(made.manifest, pa.Table.from_pandas(table, schema=MANIFEST, preserve_index=False))
    made.reference.mkdir()
    return made


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[DeepL]:
    with serving() as state:
        use(state, monkeypatch)
        yield state


def run(paths: Paths, **settings: Any) -> tuple[pd.DataFrame, pd.DataFrame, list[dict[str, str]]]:
    groundtruth(paths, **{**SETTINGS, **settings})
    with (paths.reports / "groundtruth.csv").open(encoding="utf-8-sig", newline="") as file:
        report = list(csv.DictReader(file))
    return pd.read_parquet(paths.groundtruth), pd.read_parquet(paths.training), report


def write_groups(paths: Paths) -> str:
    """The `column` layout, with faults."""
    book = openpyxl.Workbook()
    for name in ["ETE_1", "b", "", "e", "d", "", "torn", "soldats", "", "c.tif"]:
        book.active.append(["", "", "", name])
    book.save(paths.reference / "gt.xlsx")
    return "gt.xlsx"


def test_groups_captions_and_the_report_are_written(paths: Paths, caplog: pytest.LogCaptureFixture) -> None:
    (paths.reference / "captions.csv").write_text(
        "images/a/b.jpg;showing;Légende\nx.jpg;showing;y\n", encoding="cp1252"
    )
    with caplog.at_level(logging.INFO):
        known, training, report = run(paths, file=write_groups(paths), captions="captions.csv")
    table = known.set_index("image_id")
    first, second = image_id_of("one/a/b.jpg"), image_id_of("two/a/e.jpg")
    assert table["group_id"].dropna().to_dict() == {
        image_id_of("one/a/Été 1.jpg"): first,
        image_id_of("one/a/b.jpg"): first,
        image_id_of("two/d.jpg"): second,
        image_id_of("two/a/e.jpg"): second,
    }
    assert table["caption"].dropna().to_dict() == {image_id_of("one/a/b.jpg"): "Légende"}
    assert [(line["file"], line["row"], line["name"], line["problem"]) for line in report] == [
        ("gt.xlsx", "7", "torn", "file rejected (corrupt: cut off)"),
        ("gt.xlsx", "8", "soldats", "no such file"),
        ("gt.xlsx", "10", "c.tif", "alone in its group"),
        ("captions.csv", "2", "x.jpg", "no such file"),
    ]
    assert len(training) == len(known) == 6
    splits = known["split"].value_counts()
    assert json.loads((paths.reports / "groundtruth.json").read_text()) == {
        "groups": 2,
        "images_in_groups": 4,
        "classes": 0,
        "captions": 1,
        "captions_in_english": 0,
        **{f"{split}_images": int(splits.get(split, 0)) for split in ("train", "val", "test")},
        "unlabelled": 2,
        "notes": len(report),
    }
    assert "layout column (found): 7 names in 4 groups" in caplog.text
    assert "5 names matched, 1 unmatched, 0 ambiguous, 1 rejected" in caplog.text
    assert "2 groups of two or more, 4 images in them" in caplog.text


def test_the_files_have_the_columns_and_types_that_other_stages_read(paths: Paths) -> None:
    run(paths)
    assert pq.read_schema(paths.groundtruth).equals(GROUNDTRUTH)
    assert pq.read_schema(paths.training).equals(pa.schema([*GROUNDTRUTH, ("path", pa.string()), ("page", pa.int32())]))
    assert pq.read_schema(paths.groundtruth).metadata is None
    known = pd.read_parquet(paths.groundtruth)
    assert known["image_id"].tolist() == sorted(map(image_id_of, FILES))


def test_the_same_input_gives_the_same_bytes(paths: Paths) -> None:
    reports = (paths.reports / "groundtruth.csv", paths.reports / "groundtruth.json")
    outputs = (paths.groundtruth, paths.training, *reports)
    settings = {"file": write_groups(paths)}
    run(paths, **settings)
    before = [path.read_bytes() for path in outputs]
    run(paths, **settings)
    assert [path.read_bytes() for path in outputs] == before


def test_without_a_file_nothing_is_known_and_the_pipeline_goes_on(paths: Paths) -> None:
    known, training, report = run(paths)
    assert known.drop(columns="image_id").isna().all(axis=None)
    assert len(training) == len(known)
    assert report == []


def test_folders_give_classes_without_a_file(paths: Paths) -> None:
    known, _, _ = run(paths, layout="folders")
    named = dict.fromkeys(("one/a/Été 1.jpg", "one/a/b.jpg", "two/a/e.jpg"), "a")
    assert known.set_index("image_id")["class"].dropna().to_dict() == {
        image_id_of(path): name for path, name in named.items()
    }
    assert known["group_id"].isna().all()
    assert (known["split"].notna() == known["class"].notna()).all()


def test_split_by_image_deals_the_images_of_a_class_out(paths: Paths) -> None:
    known, _, _ = run(paths, layout="folders", split_by="image", train=0.0, val=0.0)
    assert sorted(known["split"].dropna()) == ["test", "test", "train"]  # the first trains whatever the parts are


def test_training_sees_the_accessions_named_alone_by_their_own_paths(paths: Paths) -> None:
    known, training, _ = run(paths, accessions=["two"], file=write_groups(paths))
    assert sorted(training["path"]) == ["two/a/e.jpg", "two/copy.jpg", "two/d.jpg", "two/unknown/f.jpg"]
    assert len(known) == 6
    shared = known[known["image_id"].isin(training["image_id"])].reset_index(drop=True)
    pd.testing.assert_frame_equal(training[GROUNDTRUTH.names].reset_index(drop=True), shared)


def test_images_that_land_later_leave_training_byte_for_byte(paths: Paths) -> None:
    settings = {"accessions": ["one"], "file": write_groups(paths)}
    run(paths, **settings)
    before = paths.training.read_bytes()
    table = pd.concat(
        [pd.read_parquet(paths.manifest), manifest("another/x.jpg", copies={"another/y.jpg": "one/c.jpg"})]
    )
    write_parquet(paths.manifest, pa.Table.from_pandas(table, schema=MANIFEST, preserve_index=False))
    run(paths, **settings)
    assert paths.training.read_bytes() == before


def test_a_file_that_the_ground_truth_awaited_leaves_training_byte_for_byte_when_it_lands(paths: Paths) -> None:
    settings = {"accessions": ["one", "two"], "file": write_groups(paths)}  # c.tif is alone in its group, so far
    run(paths, **settings)
    before = paths.training.read_bytes()
    _land(paths, "20260101T000000Z/soldats.jpg", "20260101T000000Z/b.jpg")
    known, _, _ = run(paths, **settings)
    assert len(known) == 8
    assert paths.training.read_bytes() == before


def test_a_group_that_training_has_seen_is_not_tested_on_when_later_images_join_it_with_another(paths: Paths) -> None:
    book = openpyxl.Workbook()
    for name in ["ETE_1", "b", "", "e", "d", "", "ETE_1", "new", "", "d", "new"]:
        book.active.append(["", "", "", name])
    book.save(paths.reference / "gt.xlsx")
    settings = {"accessions": ["one", "two"], "file": "gt.xlsx"}
    splits = set()
    for seed in range(12):
        run(paths, **settings, seed=seed)
        seen = pd.read_parquet(paths.training).set_index("image_id")["split"].dropna()
        _land(paths, "20260101T000000Z/new.jpg")
        known, training, _ = run(paths, **settings, seed=seed)
        assert training.set_index("image_id")["split"].dropna().equals(seen)
        (split,) = known["split"].dropna().unique()
        assert split == min(seen, key=["train", "val", "test"].index)
        splits.add(frozenset(seen))
        _take_away(paths, "20260101T000000Z/new.jpg")
    assert len(splits) > 2  # the seeds made conflicts and none


def _land(paths: Paths, *files: str) -> None:
    table = pd.concat([pd.read_parquet(paths.manifest), manifest(*files)])
    write_parquet(paths.manifest, pa.Table.from_pandas(table, schema=MANIFEST, preserve_index=False))


def _take_away(paths: Paths, file: str) -> None:
    table = pd.read_parquet(paths.manifest)
    table = table[table["path"] != file]
    write_parquet(paths.manifest, pa.Table.from_pandas(table, schema=MANIFEST, preserve_index=False))


@pytest.mark.parametrize(
    ("settings", "what"),
    [
        (
            {"file": "gx.xlsx"},
            r"groundtruth\.file is gx\.xlsx, .* is not there \(did you mean gt\.xlsx\?\); bring it in with",
        ),
        ({"file": "../manifest"}, r"groundtruth\.file is \.\./manifest, but must lie inside"),
        ({"file": "/etc/passwd"}, r"groundtruth\.file is /etc/passwd, but must lie inside"),
        ({"file": "link.csv"}, "but must lie inside"),
        ({"captions": "no.csv"}, r"groundtruth\.captions is no\.csv, .*cbir import DIR --captions FILE"),
        ({"file": "fake.xlsx"}, r"fake\.xlsx is not an Excel workbook"),
        ({"file": "gt.xlsx", "layout": "folders"}, r"layout folders reads no file"),
        ({"layout": "row"}, r"groundtruth\.file is empty, but groundtruth\.layout is row"),
        ({"accessions": ["tow"]}, r"groundtruth\.accessions names tow, .* did you mean two\?"),
        ({"accessions": ["xyz"]}, r"there are one, two"),
        ({"train": 0.9, "val": 0.2}, "must be 1 at most together"),
    ],
)
def test_mistakes_are_told_in_one_sentence_and_nothing_is_written(
    paths: Paths, settings: dict[str, Any], what: str
) -> None:
    write_groups(paths)
    (paths.reference / "fake.xlsx").write_text("a;b")
    (paths.reference / "link.csv").symlink_to(paths.manifest)
    with pytest.raises(UserError, match=what) as caught:
        run(paths, **settings)
    assert "\n" not in str(caught.value)
    assert not paths.groundtruth.exists()


def test_without_a_manifest_the_stage_says_what_to_run(paths: Paths) -> None:
    paths.manifest.unlink()
    with pytest.raises(UserError, match=r"`cbir run` makes it \(stage clean\)"):
        run(paths)


def test_a_ground_truth_of_another_archive_is_warned_of(paths: Paths, caplog: pytest.LogCaptureFixture) -> None:
    (paths.reference / "gt.csv").write_text("qqqq,zzzz\nwwww,kkkk\n")
    known, _, report = run(paths, file="gt.csv")
    assert known["group_id"].isna().all()
    assert len(report) == 4
    assert "no name in" in caplog.text


CAPTIONS = {
    "one/a/Été 1.jpg": ("fr", "Blessés à l'hôpital militaire"),
    "one/a/b.jpg": ("it", "Veduta generale del porto di Napoli"),
    "one/c.jpg": ("en", "Cavalry crossing a river"),
    "two/d.jpg": ("ar", "جنود في الخندق"),
    "two/a/e.jpg": (None, "Verdun 1916"),
    "two/unknown/f.jpg": ("fr", "Blessés à l'hôpital militaire"),
}


def write_captions(paths: Paths) -> dict[str, Any]:
    lines = [f"images/{path};;{text}\n" for path, (_, text) in CAPTIONS.items()]
    (paths.reference / "captions.csv").write_text("".join(lines), encoding="utf-8")
    return {"captions": "captions.csv"}


def by_path(known: pd.DataFrame, column: str) -> dict[str, str | None]:
    values = known.set_index("image_id")[column]
    return {path: None if pd.isna(values[image_id_of(path)]) else values[image_id_of(path)] for path in FILES}


def test_the_language_of_each_caption_is_told_and_english_ones_are_their_own_translation(
    paths: Paths, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        known, training, report = run(paths, **write_captions(paths))
    assert by_path(known, "caption_language") == {path: language for path, (language, _) in CAPTIONS.items()}
    english_one = {**dict.fromkeys(FILES), "one/c.jpg": "Cavalry crossing a river"}
    assert by_path(known, "caption_en") == by_path(training, "caption_en") == english_one
    assert "captions by language: 2 fr, 1 it, 1 en, 1 ar, 1 unsure" in caplog.text
    assert report == []
    assert not paths.translations.exists()


def test_captions_of_other_languages_are_translated_once_and_the_same_bytes_come_from_the_file(
    paths: Paths, server: DeepL, caplog: pytest.LogCaptureFixture
) -> None:
    settings = {"translate": "deepl", **write_captions(paths)}
    outputs = (paths.groundtruth, paths.training, paths.reports / "groundtruth.csv")
    with caplog.at_level(logging.DEBUG):
        known, _, report = run(paths, **settings)
        before = [path.read_bytes() for path in outputs]
        run(paths, **settings)
    assert [path.read_bytes() for path in outputs] == before
    foreign = {text for language, text in CAPTIONS.values() if language != "en"}
    assert server.requests == 1
    assert sorted(server.texts) == sorted(foreign)
    expected = {path: english(text) if text in foreign else text for path, (_, text) in CAPTIONS.items()}
    assert by_path(known, "caption_en") == expected
    assert report == []
    assert "4 of 4 captions in other languages have a translation" in caplog.text
    assert KEY in server.headers[0]["Authorization"]
    assert KEY not in caplog.text
    assert not [path for path in (*outputs, paths.translations) if KEY.encode() in path.read_bytes()]


@pytest.mark.parametrize(
    ("answers", "key", "problem"),
    [
        ([403], KEY, "DeepL does not know the key in DEEPL_API_KEY"),
        ([456], KEY, "the quota of the key in DEEPL_API_KEY is used up"),
        ([], "", "DEEPL_API_KEY is not set"),
    ],
)
def test_what_is_not_translated_is_reported_in_one_sentence_and_comes_with_the_next_run(
    paths: Paths,
    server: DeepL,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    answers: list[int | str],
    key: str,
    problem: str,
) -> None:
    server.answers = answers
    monkeypatch.setenv("DEEPL_API_KEY", key)
    settings = {"translate": "deepl", **write_captions(paths)}
    known, _, report = run(paths, **settings)
    assert by_path(known, "caption_en") == {**dict.fromkeys(FILES), "one/c.jpg": "Cavalry crossing a river"}
    warnings = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    way_out = "when that is mended, `cbir run --force groundtruth` asks for these alone"
    assert warnings == [f"4 captions are not translated: {problem}; {way_out}"]
    (line,) = report
    assert (line["file"], line["problem"]) == ("captions.csv", f"4 captions are not translated: {problem}")
    assert line["what to do"] == way_out
    assert "Blessés à l'hôpital militaire" in line["candidates"]
    assert KEY not in str(warnings) + str(report)
    monkeypatch.setenv("DEEPL_API_KEY", KEY)
    known, _, report = run(paths, **settings)
    assert known["caption_en"].notna().all()
    assert report == []


def test_a_caption_that_no_request_can_hold_has_a_line_of_its_own(paths: Paths, server: DeepL) -> None:
    (paths.reference / "captions.csv").write_text("images/one/c.jpg;;" + "é" * 20_000, encoding="utf-8")
    known, _, report = run(paths, translate="deepl", captions="captions.csv")
    assert known["caption_en"].isna().all()
    assert [(line["problem"], line["what to do"]) for line in report] == [("too long for DeepL", "shorten it")]
    assert server.requests == 0
