"""`cbir import`: what is left where it was is counted on the terminal, by format, and listed in a table."""

from pathlib import Path

from PIL import Image

from tests.support.archive import copy
from tests.support.scenes import SCENE
from tests.support.workspace import Workspace


def scans(folder: Path) -> Path:
    """A folder as it comes from a disk: two scans, formats that are not read, a wastebasket, and links in a circle."""
    (folder / "$RECYCLE.BIN").mkdir(parents=True)
    for name in ("a.jpg", "line\nbreak.jpg", "$RECYCLE.BIN/x.jpg"):
        Image.fromarray(SCENE).save(folder / name)
    for name in ("IMG_1.HEIC", "IMG_2.HEIC", "poster.psd", "notes.txt"):
        (folder / name).write_bytes(bytes(100))
    (folder / "one").symlink_to("two")
    (folder / "two").symlink_to("one")
    return folder


def test_what_an_import_leaves_is_counted_by_format_and_named_in_a_table(project: Workspace, tmp_path: Path) -> None:
    workspace = copy(project, tmp_path / "workspace")
    shown = workspace.command("cbir", "import", scans(tmp_path / "scans")).stdout.splitlines()
    assert shown[0].startswith("scans: 2 files")
    assert shown[1:] == [
        "left out: 2 (a link that leads back to itself)",
        "left out: 1 (a wastebasket)",
        "left out: 1 (no image)",
        "left out: 2 HEIC, 1 PSD: formats that are not read; convert them to TIFF or JPEG",
        "what was left out: reports/imports/scans.csv",
        "next: cbir run",
    ]
    table = (workspace.folder / "reports/imports/scans.csv").read_text(encoding="utf-8-sig")
    assert "IMG_2.HEIC" in table and "$RECYCLE.BIN" in table and "notes.txt" in table
