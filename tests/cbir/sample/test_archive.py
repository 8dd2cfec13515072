import csv
import hashlib
import unicodedata
from collections import Counter
from io import BytesIO
from pathlib import Path

import numpy as np
import openpyxl
import pytest
from PIL import Image, ImageOps

from cbir.base.errors import UserError
from cbir.sample.archive import AGENCY, FOREIGN, PRESS_CUTTINGS, Sample, appearance, make_sample
from cbir.sample.files import FORMATS
from cbir.sample.scenes import make_scene


def _digests(folder: Path) -> dict[str, str]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def _groups(sample: Sample) -> list[list[str]]:
    """Column D, blank rows ending groups; an empty list is an empty group."""
    sheet = openpyxl.load_workbook(sample.groundtruth).active
    groups: list[list[str]] = [[]]
    for row in sheet.iter_rows(values_only=True):
        if not any(row):
            groups.append([])
        else:
            assert row[:3] == (None, None, None)
            groups[-1].append(row[3])
    return groups


def _bare(name: str) -> str:
    letters = unicodedata.normalize("NFD", name)
    return "".join(letter for letter in letters if not unicodedata.combining(letter)).lower()


def _open(sample: Sample, name: str) -> Image.Image:
    image = Image.open(BytesIO((sample.folder / name).read_bytes()))
    image.load()
    return image


def test_the_same_arguments_give_the_same_bytes(sample_archive: Sample, tmp_path: Path) -> None:
    again = make_sample(tmp_path / "again", scenes=12, longest_side=320)
    assert _digests(again.folder) == _digests(sample_archive.folder)


def test_the_truth_names_every_file_and_no_other(sample_archive: Sample) -> None:
    on_disk = set(_digests(sample_archive.folder)) - {"groundtruth.xlsx", "captions.csv"}
    assert on_disk == set(sample_archive.scene_of) | set(sample_archive.faulty)
    assert not set(sample_archive.scene_of) & set(sample_archive.faulty)
    assert {path.split("/")[0] for path in on_disk} == {AGENCY, FOREIGN, PRESS_CUTTINGS}
    assert {path.name for path in sample_archive.accessions} == {AGENCY, FOREIGN, PRESS_CUTTINGS}


def test_the_default_is_more_than_300_images_of_more_than_60_scenes(tmp_path: Path) -> None:
    sample = make_sample(tmp_path / "default", longest_side=96)
    assert len(sample.scene_of) >= 300
    images_of = Counter(sample.scene_of[name] for name in sample.scene_of if name not in sample.copies)
    assert len(images_of) >= 60
    assert set(images_of.values()) >= {1, 2, 3, 9}


def test_every_good_file_opens_and_is_larger_than_an_icon(sample_archive: Sample) -> None:
    for name in sample_archive.scene_of:
        image = _open(sample_archive, name)
        assert min(image.size) >= 60, name
        assert np.asarray(image).std() > 0.02, name


def test_every_format_occurs_and_files_are_what_they_claim(sample_archive: Sample) -> None:
    seen = Counter()
    for name in sample_archive.scene_of:
        image = _open(sample_archive, name)
        mode = "L" if image.mode == "P" else image.mode  # a GIF of greys has a palette of them
        seen[image.format, mode, Path(name).suffix.lower()] += 1
    for format_, mode, suffix in [
        ("JPEG", "L", ".jpg"),
        ("JPEG", "RGB", ".jpg"),
        ("JPEG", "CMYK", ".jpg"),
        ("PNG", "L", ".png"),
        ("TIFF", "L", ".tif"),
        ("TIFF", "I;16", ".tif"),
        ("TIFF", "CMYK", ".tif"),
        ("TIFF", "1", ".tiff"),
        ("JPEG2000", "L", ".jp2"),
        ("WEBP", "RGB", ".webp"),
        ("BMP", "L", ".bmp"),
        ("GIF", "L", ".gif"),
        ("PNG", "L", ".jpg"),
        ("JPEG", "L", ".tif"),
    ]:
        assert seen[format_, mode, suffix], (format_, mode, suffix)
    pages = {getattr(_open(sample_archive, name), "n_frames", 1) for name in sample_archive.scene_of}
    assert pages == {1, 2}


def test_some_photographs_lie_on_their_side_and_say_so(sample_archive: Sample) -> None:
    turned = [name for name in sample_archive.scene_of if _open(sample_archive, name).getexif().get(0x0112) == 6]
    assert turned
    image = _open(sample_archive, turned[0])
    assert ImageOps.exif_transpose(image).size == image.size[::-1]


@pytest.mark.parametrize("name", FORMATS)
def test_a_format_keeps_the_tones_of_a_ramp(name: str, tmp_path: Path) -> None:
    ramp = Image.fromarray(np.tile(np.arange(256, dtype=np.uint8), (64, 1)))
    path = tmp_path / f"ramp{FORMATS[name].extension}"
    FORMATS[name].write(ramp, path)
    with Image.open(path) as image:
        upright = ImageOps.exif_transpose(image)
        tones = np.asarray(upright.convert("RGB").convert("L") if upright.mode in ("CMYK", "P", "1") else upright)
    tones = tones / (257 if tones.dtype == np.uint16 else 1)
    columns = tones.reshape(64, 256, -1).mean(axis=(0, 2))
    smooth = np.convolve(columns, np.ones(16) / 16, mode="valid")
    assert np.abs(smooth - np.convolve(np.arange(256), np.ones(16) / 16, mode="valid")).max() < 8


def test_names_carry_accents_both_ways_spaces_and_parentheses(sample_archive: Sample) -> None:
    names = list(sample_archive.scene_of)
    assert any(name != unicodedata.normalize("NFC", name) for name in names)
    assert any(name == unicodedata.normalize("NFC", name) != unicodedata.normalize("NFD", name) for name in names)
    assert any(" " in name and "(" in name for name in names)
    assert len({Path(name).suffix for name in names}) > len({Path(name).suffix.lower() for name in names})
    assert max(len(Path(name).parts) for name in names) >= 4


def test_faulty_files_are_faulty(sample_archive: Sample) -> None:
    assert set(sample_archive.faulty.values()) == {"corrupt", "too_small", "blank", "unsupported"}
    for name, fault in sample_archive.faulty.items():
        if fault == "too_small":
            assert max(_open(sample_archive, name).size) < 32
        elif fault == "blank":
            assert np.asarray(_open(sample_archive, name)).std() < 1
        else:
            with pytest.raises((OSError, SyntaxError)):
                _open(sample_archive, name)
    assert any((sample_archive.folder / name).stat().st_size == 0 for name in sample_archive.faulty)


def test_copies_are_exact_and_lie_in_other_places_under_other_names(sample_archive: Sample) -> None:
    digests = _digests(sample_archive.folder)
    assert sample_archive.copies
    for copy, original in sample_archive.copies.items():
        assert digests[copy] == digests[original]
        assert Path(copy).name != Path(original).name
        assert sample_archive.scene_of[copy] == sample_archive.scene_of[original]
    assert any(copy.split("/")[0] != original.split("/")[0] for copy, original in sample_archive.copies.items())


def test_the_groundtruth_has_every_fault_of_a_real_one(sample_archive: Sample) -> None:
    groups = _groups(sample_archive)
    stems = Counter(Path(name).stem for name in sample_archive.scene_of)
    listed = Counter(name for group in groups for name in set(group))
    bare = {_bare(stem) for stem in stems}
    assert [] in groups[:-1]
    assert any(len(group) == 1 for group in groups)
    assert any(len(set(group)) < len(group) for group in groups)
    assert any(count > 1 for count in listed.values())
    assert any(name not in stems and _bare(name) in bare for name in listed)
    assert any(name not in stems and _bare(name) not in bare for name in listed)
    assert any(name.endswith(".jpg") for name in listed)
    assert any(stems[name] == 2 for name in listed)


def test_a_group_never_joins_two_scenes(sample_archive: Sample) -> None:
    scenes: dict[str, set[int]] = {}
    for name, scene in sample_archive.scene_of.items():
        scenes.setdefault(Path(name).stem, set()).add(scene)
    for group in _groups(sample_archive):
        known = [scenes[name] for name in group if name in scenes and len(scenes[name]) == 1]
        assert len(set().union(*known)) <= 1


def test_captions_name_files_and_hold_what_would_harm_a_careless_reader(sample_archive: Sample) -> None:
    with sample_archive.captions.open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file, delimiter=";"))
    assert all(len(row) == 3 for row in rows)
    assert {row[0] for row in rows} <= set(sample_archive.scene_of)
    assert len({row[1] for row in rows}) == 4
    texts = [row[2] for row in rows]
    assert "EMPTY" in texts
    assert any(text.startswith("=") for text in texts)
    assert any("<script>" in text for text in texts)
    assert any(";" in text for text in texts)
    assert any("؀" <= text[0] <= "ۿ" for text in texts)


def test_scenes_differ_from_each_other() -> None:
    pictures = [Image.fromarray(make_scene(number, seed=0, longest_side=160).picture) for number in range(24)]
    small = np.stack([np.asarray(picture.convert("L").resize((16, 16)), dtype=float).ravel() for picture in pictures])
    correlation = np.corrcoef(small) - np.eye(len(small))
    assert correlation.max() < 0.97


@pytest.mark.parametrize("kind", ["original", "print", "web", "mild", "press", "severe"])
def test_an_appearance_has_its_own_size_and_resembles_no_other(kind: str) -> None:
    scene = make_scene(0, seed=0, longest_side=200).picture
    first, second = (appearance(scene, kind, draw=np.random.default_rng(seed), longest_side=200) for seed in (1, 2))
    assert first.dtype == np.uint8
    assert first.ndim == (3 if kind == "web" else 2)
    assert first.shape != second.shape or not np.array_equal(first, second)


def test_a_folder_with_files_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine.jpg").write_bytes(b"mine")
    with pytest.raises(UserError, match="not empty"):
        make_sample(tmp_path, scenes=12)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.jpg"]


def test_too_few_scenes_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="at least 12"):
        make_sample(tmp_path / "sample", scenes=5)
