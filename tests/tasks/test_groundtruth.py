import json
import logging
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cbir.archive.manifest import SCHEMA as MANIFEST
from cbir.base.errors import UserError
from cbir.base.files import write_parquet
from cbir.labels.appearances.files import read_appearances
from cbir.labels.files import GROUNDTRUTH
from tasks.harness.settings import Paths
from tests.support.groundtruth import FILES, run, workspace
from tests.support.manifests import image_id_of, manifest
from tests.support.scenes import SCENE, save
from tests.support.workbooks import write_workbook


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    return workspace(tmp_path)


def write_groups(paths: Paths) -> str:
    """The `column` layout, with faults."""
    write_workbook(
        paths.reference / "gt.xlsx",
        *(["", "", "", name] for name in ["ETE_1", "b", "", "e", "d", "", "torn", "soldats", "", "c.tif"]),
    )
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


def test_titles_and_dates_are_written_and_names_that_are_none_are_reported(paths: Paths) -> None:
    (paths.reference / "m.csv").write_text("name,title,date\nd.jpg,Miroir,1916\nx.jpg,Y,1916\n", encoding="utf-8")
    _, _, report = run(paths, metadata="m.csv")
    table = read_appearances(paths.metadata)
    assert table[["title", "date"]].to_numpy().tolist() == [["Miroir", "1916"]]
    assert [(line["name"], line["problem"]) for line in report] == [("x.jpg", "no such file")]
    run(paths)
    assert read_appearances(paths.metadata).empty
    tags = '<RDF xmlns="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><Description '
    tags += 'xmlns:dc="http://purl.org/dc/elements/1.1/" dc:source="Excelsior"/></RDF>'
    (paths.raw / "two").mkdir(parents=True)
    save(paths.raw / "two/d.jpg", SCENE, xmp=tags.encode())
    run(paths, tags=True)
    assert read_appearances(paths.metadata)["title"].tolist() == ["Excelsior"]


def test_the_same_input_gives_the_same_bytes(paths: Paths) -> None:
    reports = (paths.reports / "groundtruth.csv", paths.reports / "groundtruth.json")
    outputs = (paths.groundtruth, paths.training, paths.metadata, *reports)
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
    write_workbook(
        paths.reference / "gt.xlsx",
        *(["", "", "", name] for name in ["ETE_1", "b", "", "e", "d", "", "ETE_1", "new", "", "d", "new"]),
    )
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
        ({"metadata": "no.csv"}, r"groundtruth\.metadata is no\.csv, .*cbir import DIR --metadata FILE"),
        ({"dates": "("}, r"groundtruth\.dates must be a regular expression"),
        ({"captions": "no.csv"}, r"groundtruth\.captions is no\.csv, .*cbir import DIR --captions FILE"),
        ({"file": "fake.xlsx"}, r"fake\.xlsx is not an Excel workbook"),
        ({"file": "list.txt"}, r"list\.txt puts 6 of the 6 images that it names into one group, read as layout column"),
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
    (paths.reference / "list.txt").write_text("Été 1\nb\nc\nd\ne\nf\n", encoding="utf-8")
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
