"""cbir.arrivals.ahead: what a ground truth knows of files that no stage has looked at yet."""

from pathlib import Path

from cbir.arrivals.ahead import manifest_ahead, read_ahead
from cbir.labels.reference import Reference


def _archive(folder: Path) -> Path:
    for name, content in {"old/a.jpg": b"1", "old/b.jpg": b"22", "new/a.jpg": b"1", "new/c.jpg": b"333"}.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


def test_names_are_counted_and_exact_copies_are_one_image(tmp_path: Path) -> None:
    (tmp_path / "gt.csv").write_text("a.jpg,b.jpg\nc.jpg,gone.jpg\n")
    known = read_ahead(Reference(tmp_path, "gt.csv", "row"), manifest_ahead(_archive(tmp_path / "raw")))
    assert (known.names, known.matched, len(known.groups)) == (4, 3, 1)


def test_several_ground_truths_are_united_where_they_share_an_image(tmp_path: Path) -> None:
    (tmp_path / "first.csv").write_text("old/a.jpg,old/b.jpg\n")
    (tmp_path / "second.csv").write_text("b.jpg,c.jpg\n")
    known = read_ahead(
        Reference(tmp_path, ["first.csv", "second.csv"], "row"), manifest_ahead(_archive(tmp_path / "raw"))
    )
    assert [len(group) for group in known.groups] == [3]
    assert known.account[0].startswith("first.csv: layout row")
    assert known.names == 4
