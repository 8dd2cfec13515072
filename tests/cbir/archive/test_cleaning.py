import csv
import os
import signal
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cbir.archive import cleaning, inspection
from cbir.archive.cleaning import Labour, clean_archive, count_images, summary, write_report
from cbir.archive.inspection import Inspection, Page, Rules, Task
from cbir.archive.manifest import Row
from cbir.base.errors import PassingError, UserError
from cbir.images.ids import image_ids
from cbir.images.reading import read_image
from cbir.images.reduced import ReducedImages
from cbir.store import Store

RULES = Rules(longest_side=64, max_pixels=1_000_000, max_bytes=10_000_000, min_side=32, blank_deviation=2.0)
LABOUR = Labour(timeout=60, workers=1)
NOISE = np.random.default_rng(0).integers(0, 255, (60, 80), dtype=np.uint8)


def save(path: Path, pixels: np.ndarray = NOISE) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
    return path


def clean(folder: Path, labour: Labour = LABOUR) -> list[Row]:
    return clean_archive(folder / "raw", folder / "store", rules=RULES, labour=labour)


def statuses(rows: list[Row]) -> dict[str, str]:
    return {row.path: row.status for row in rows}


def nasty(task: Task, *, store: Path, archive: Path, rules: Rules) -> Inspection:
    """A worker whose decoder does what a file's name says."""
    if "crash" in task.file.name:
        os.kill(os.getpid(), signal.SIGSEGV)
    if "hang" in task.file.name:
        time.sleep(600)
    if "vanish" in task.file.name:
        task.file.unlink(missing_ok=True)
    return inspection.inspect_file(task, store=store, archive=archive, rules=rules)


def troubled(task: Task, *, store: Path, archive: Path, rules: Rules) -> Inspection:
    """A worker on a busy machine: what a file's name says happens at the first look, and at each where it says so."""
    mark = store / f"{task.file.name}.seen"
    trouble, *always = task.file.stem.split("-")
    if always or not mark.exists():
        mark.touch()
        if trouble == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        if trouble == "stall":
            time.sleep(600)
        if trouble == "hoard":
            raise MemoryError
        if trouble == "change":
            os.utime(task.file, ns=(0, time.time_ns()))
            return Inspection(None, [Page(None, status="corrupt", reason="it was changed")], lasting=False)
    return inspection.inspect_file(task, store=store, archive=archive, rules=rules)


def no_worker(*_: object, **__: object) -> None:
    raise AssertionError("a worker was started")


@pytest.mark.heavy
def test_a_crash_a_hang_and_a_file_that_vanishes_cost_a_row_each_and_are_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for shift, name in enumerate(("a", "crash", "hang", "vanish", "z")):
        save(tmp_path / "raw" / "first" / f"{name}.png", np.roll(NOISE, shift))
    with monkeypatch.context() as patched:
        patched.setattr(cleaning, "inspect_file", nasty)
        rows = {Path(row.path).stem: row for row in clean(tmp_path, Labour(timeout=4, workers=2))}
    assert {name: row.status for name, row in rows.items()} == {
        "a": "ok",
        "crash": "corrupt",
        "hang": "corrupt",
        "vanish": "corrupt",
        "z": "ok",
    }
    assert rows["crash"].reason == "it crashed the decoder (signal 11)"
    assert rows["hang"].reason == "it took longer than 4 seconds and was given up"
    assert rows["vanish"].reason == "the file cannot be read: No such file or directory"
    assert rows["crash"].image_id == image_ids(tmp_path / "raw" / "first" / "crash.png")[0]
    assert rows["vanish"].image_id is None
    again = statuses(clean(tmp_path))
    assert again == dict.fromkeys(("first/a.png", "first/crash.png", "first/hang.png", "first/z.png"), "ok")


@pytest.mark.heavy
def test_a_sound_image_whose_worker_was_killed_or_stalled_is_looked_at_once_more_and_is_ok(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for shift, name in enumerate(("a", "kill", "stall", "hoard", "change")):
        save(tmp_path / "raw" / "first" / f"{name}.png", np.roll(NOISE, shift))
    (tmp_path / "store").mkdir()
    with monkeypatch.context() as patched:
        patched.setattr(cleaning, "inspect_file", troubled)
        rows = clean(tmp_path, Labour(timeout=4, workers=2))
    assert [row.status for row in rows] == ["ok"] * 5
    assert rows == clean_archive(tmp_path / "raw", tmp_path / "other store", rules=RULES, labour=LABOUR)


def test_a_worker_that_is_killed_twice_at_a_file_fails_the_stage_for_now_and_no_row_says_corrupt(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for shift, name in enumerate(("a", "kill-always")):
        save(tmp_path / "raw" / "first" / f"{name}.png", np.roll(NOISE, shift))
    (tmp_path / "store").mkdir()
    with monkeypatch.context() as patched:
        patched.setattr(cleaning, "inspect_file", troubled)
        with pytest.raises(PassingError, match=r"kill-always\.png was looked at twice.*killed from outside.*run again"):
            clean(tmp_path)
    assert [row.status for row in clean(tmp_path)] == ["ok", "ok"]


def test_only_new_files_are_read_and_only_new_content_is_decoded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = save(tmp_path / "raw" / "first" / "a.png")
    before = clean(tmp_path)
    monkeypatch.setattr(cleaning, "run_isolated", no_worker)
    assert clean(tmp_path) == before
    os.utime(first)
    with pytest.raises(AssertionError, match="a worker was started"):
        clean(tmp_path)


def test_what_was_found_does_not_depend_on_what_is_in_the_store_or_who_works(tmp_path: Path) -> None:
    for accession, shift in (("second", 1), ("first", 0), ("first", 2)):
        save(tmp_path / "raw" / accession / f"{shift}.png", np.roll(NOISE, shift))
    (tmp_path / "raw" / "first" / "empty.jpg").touch()
    fresh = clean(tmp_path)
    save(tmp_path / "raw" / "first" / "copy.png")
    grown = clean(tmp_path)
    assert [row.path for row in grown] == [
        "first/0.png",
        "first/2.png",
        "first/copy.png",
        "first/empty.jpg",
        "second/1.png",
    ]
    assert [row for row in grown if row.path != "first/copy.png"] == fresh
    assert grown == clean_archive(
        tmp_path / "raw", tmp_path / "other store", rules=RULES, labour=Labour(timeout=60, workers=2)
    )


def test_a_copy_names_the_first_path_with_its_bytes_also_across_accessions(tmp_path: Path) -> None:
    for name in ("b/2.png", "a/z.png", "b/1.png"):
        save(tmp_path / "raw" / name)
    rows = clean(tmp_path)
    assert [(row.path, row.duplicate_of) for row in rows] == [
        ("a/z.png", None),
        ("b/1.png", "a/z.png"),
        ("b/2.png", "a/z.png"),
    ]
    assert len({row.image_id for row in rows}) == 1


def test_a_file_with_a_problem_of_its_own_keeps_its_image_id_where_it_can_be_read(tmp_path: Path) -> None:
    good = save(tmp_path / "raw" / "a" / "good.png")
    Path(os.fsdecode(os.fsencode(good.parent) + b"/caf\xe9.png")).write_bytes(good.read_bytes())
    (good.parent / "out.png").symlink_to(save(tmp_path / "outside.png"))
    rows = {row.path: row for row in clean(tmp_path)}
    assert (rows["a/caf\\xe9.png"].status, rows["a/caf\\xe9.png"].image_id) == ("unsupported", image_ids(good)[0])
    assert (rows["a/out.png"].status, rows["a/out.png"].image_id) == ("unsupported", None)
    assert rows["a/good.png"].status == "ok"


def test_the_archive_is_left_as_it_is(tmp_path: Path) -> None:
    save(tmp_path / "raw" / "first" / "a.png")
    (tmp_path / "raw" / "first" / "text.jpg").write_text("no image")

    def state() -> dict[str, tuple[int, int, bytes]]:
        files = [path for path in (tmp_path / "raw").rglob("*") if path.is_file()]
        return {path.name: (path.stat().st_ino, path.stat().st_mtime_ns, path.read_bytes()) for path in files}

    before = state()
    clean(tmp_path)
    assert state() == before


def test_an_archive_that_is_not_there_or_empty_is_told_with_the_way_out(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"raw, the archive, cannot be read \(No such file.*cbir import"):
        clean(tmp_path)
    (tmp_path / "raw").mkdir()
    (tmp_path / "raw" / "loose.jpg").touch()
    with pytest.raises(UserError, match=r"raw, the archive, holds no images.*cbir import"):
        clean(tmp_path)


ROWS = [
    Row("a" * 32, "x/1.jpg", 0, "x", 9, 80, 60, "JPEG", "rgb8", "ok", None, None, "0" * 16),
    Row("a" * 32, "x/é 2.jpg", 0, "x", 9, 80, 60, "JPEG", "rgb8", "ok", None, "x/1.jpg", "0" * 16),
    Row("b" * 32, "=x/3.tif", 1, "=x", 7, None, None, None, None, "corrupt", "=cmd|' /C calc'!A0", None, None),
]


def test_the_report_gives_each_rejected_image_its_reason_and_then_the_copies(tmp_path: Path) -> None:
    write_report(tmp_path / "cleaning.csv", ROWS)
    with (tmp_path / "cleaning.csv").open(encoding="utf-8-sig", newline="") as file:
        lines = list(csv.DictReader(file))
    assert [(line["finding"], line["path"], line["page"], line["reason"]) for line in lines] == [
        ("corrupt", "'=x/3.tif", "2", "'=cmd|' /C calc'!A0"),
        ("copy", "x/é 2.jpg", "1", "has the same bytes as x/1.jpg"),
    ]
    assert (tmp_path / "cleaning.csv").read_bytes().startswith(b"\xef\xbb\xbf")


def test_the_summary_counts_files_images_copies_and_what_was_rejected() -> None:
    counts = count_images(ROWS)
    assert counts == {
        "files": 3,
        "images": 3,
        "usable": 2,
        "exact_copies": 1,
        "rejected": 1,
        "corrupt": 1,
    } | dict.fromkeys(("blank", "too_small", "unsupported"), 0)
    assert summary(counts) == "3 files hold 3 images: 2 usable (1 of them exact copies), 1 rejected (1 corrupt)"


def test_an_image_that_an_earlier_release_read_wrong_is_read_anew_with_all_that_was_made_of_it(tmp_path: Path) -> None:
    right = save(tmp_path / "raw" / "first" / "right.png")
    wrong = save(tmp_path / "raw" / "first" / "wrong.png", NOISE[::-1])
    images = ReducedImages(tmp_path / "store", tmp_path / "raw", longest_side=64)
    ids = [image_ids(file)[0] for file in (right, wrong)]
    images.put(ids[0], read_image(right, longest_side=64))
    images.put(ids[1], read_image(wrong, longest_side=64) // 2)
    vectors, pairs, votes = (Store(tmp_path / "store" / f"{name}.sqlite") for name in ("embeddings", "pairs", "votes"))
    vectors.put_many([(f"recipe/{image_id}", b"1") for image_id in ids])
    pairs.put_many([("digest", b"1")])
    votes.put_many([("link/6/0", b"1")])
    rows = clean(tmp_path)
    assert [row.status for row in rows] == ["ok", "ok"]
    assert images.read(ids[1], "first/wrong.png", 0).tolist() == read_image(wrong, longest_side=64).tolist()
    assert vectors.missing([f"recipe/{image_id}" for image_id in ids]) == [f"recipe/{ids[1]}"]
    assert pairs.missing(["digest"]) == ["digest"]
    assert votes.missing(["link/6/0"]) == ["link/6/0"]


def test_a_run_that_is_killed_before_it_has_forgotten_looks_at_the_image_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong = save(tmp_path / "raw" / "first" / "wrong.png")
    images = ReducedImages(tmp_path / "store", tmp_path / "raw", longest_side=64)
    images.put(image_ids(wrong)[0], read_image(wrong, longest_side=64) // 2)

    def kill(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(cleaning, "forget", kill)
        clean(tmp_path)
    clean(tmp_path)
    assert not images.are_others(image_ids(wrong)[0], read_image(wrong, longest_side=64))
    monkeypatch.setattr(cleaning, "run_isolated", no_worker)
    clean(tmp_path)
