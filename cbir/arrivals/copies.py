"""Finds the files of an accession that are in the archive already, byte for byte, under another name."""

from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

from cbir.archive.listing import list_archive
from cbir.arrivals.identity import content_keys
from cbir.base.errors import in_short


@dataclass(frozen=True)
class Copies:
    """The files of an accession that other accessions have: how many of how many, and where they are."""

    count: int
    files: int
    accessions: tuple[str, ...]

    def in_words(self) -> str:
        """Words it for a person; empty where there are none."""
        where = in_short(self.accessions, most=3)
        return f"{self.count} of {self.files} are in the archive already, in {where}" if self.count else ""


def find_copies(archive: Path, accession: str) -> Copies:
    """Compares the files of an accession with all others; only those of equal length are read."""
    entries = [entry for entry in list_archive(archive).entries if not entry.problem]
    keys = content_keys(entries)
    others: dict[str, set[str]] = defaultdict(set)
    for entry in entries:
        if entry.accession != accession:
            others[keys[entry.path]].add(entry.accession)
    where = [others.get(keys[entry.path], set()) for entry in entries if entry.accession == accession]
    return Copies(sum(map(bool, where)), len(where), tuple(sorted(set().union(*where))))
