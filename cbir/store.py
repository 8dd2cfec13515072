"""A content-addressed store: values by key, packed in one SQLite file, safe to kill and safe to delete.

A key must hold everything that decides its value (digest, parameters, version of the code that made it), so an entry
never goes stale and never needs an update. SQLite commits whole transactions, so a kill leaves whole entries only.
"""

import os
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

_VARIABLES = 500  # SQLite's portable limit of bound variables in a statement is 999


class Store:
    """Bytes by key. One object can be used from many threads and survives a fork: each has a connection of its own.

    Args:
        path: the SQLite file; made, with its folder, at the first use.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._connections: dict[tuple[int, int], sqlite3.Connection] = {}

    def get(self, key: str) -> bytes | None:
        """The value of a key, None where there is none."""
        row = self._connection().execute("SELECT value FROM entries WHERE key = ?", (key,)).fetchone()
        return None if row is None else row[0]

    def get_many(self, keys: Sequence[str]) -> dict[str, bytes]:
        """The values of those keys that have one."""
        found: dict[str, bytes] = {}
        for some in _batches(keys):
            marks = ",".join("?" * len(some))
            found.update(self._connection().execute(f"SELECT key, value FROM entries WHERE key IN ({marks})", some))
        return found

    def missing(self, keys: Sequence[str]) -> list[str]:
        """Those keys that have no value, in their order."""
        there: set[str] = set()
        for some in _batches(keys):
            marks = ",".join("?" * len(some))
            rows = self._connection().execute(f"SELECT key FROM entries WHERE key IN ({marks})", some)
            there.update(key for (key,) in rows)
        return [key for key in keys if key not in there]

    def put_many(self, entries: Iterable[tuple[str, bytes]]) -> None:
        """Add entries in one transaction; a key that is there keeps its value."""
        with self._connection() as connection:
            connection.executemany("INSERT OR IGNORE INTO entries VALUES (?, ?)", entries)

    def _connection(self) -> sqlite3.Connection:
        owner = (os.getpid(), threading.get_ident())
        if owner not in self._connections:
            self._connections[owner] = _open(self.path)
        return self._connections[owner]

    def __getstate__(self) -> Path:
        return self.path

    def __setstate__(self, path: Path) -> None:
        self.__init__(path)  # type: ignore[misc]


def _batches(keys: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(keys), _VARIABLES):
        yield keys[start : start + _VARIABLES]


def _open(path: Path) -> sqlite3.Connection:
    path.parent.mkdir(parents=True, exist_ok=True)
    connection = sqlite3.connect(path, timeout=60)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute("CREATE TABLE IF NOT EXISTS entries (key TEXT PRIMARY KEY, value BLOB NOT NULL)")
    return connection
