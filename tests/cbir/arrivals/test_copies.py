"""cbir.arrivals.copies: files that the archive has already are counted, whatever their names."""

from pathlib import Path

from cbir.arrivals.copies import find_copies


def _write(archive: Path, **contents: bytes) -> None:
    for name, content in contents.items():
        accession, _, file = name.partition("_")
        (archive / accession).mkdir(parents=True, exist_ok=True)
        (archive / accession / f"{file}.jpg").write_bytes(content)


def test_exact_copies_are_counted_with_the_accessions_that_have_them(tmp_path: Path) -> None:
    _write(tmp_path, old_a=b"one", old_b=b"two", new_x=b"one", new_y=b"six", new_z=b"three")
    assert find_copies(tmp_path, "new").in_words() == "1 of 3 are in the archive already, in old"


def test_without_copies_nothing_is_said(tmp_path: Path) -> None:
    _write(tmp_path, old_a=b"one", new_x=b"two", new_y=b"two")
    assert find_copies(tmp_path, "new").in_words() == ""
