"""A content-addressed store: values by key, packed in one SQLite file, safe to kill and safe to delete.

A key must hold everything that decides its value (digest, parameters, version of the code that made it), so an entry
never goes stale and never needs an update; where a release reads few images otherwise, theirs are forgotten. SQLite
commits whole transactions, so a kill leaves whole entries only.
"""

import os
import sqlite3
import threading
import time
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

from cbir.base.errors import UserError, require_writable

_PATIENCE = 60  # seconds to wait for another process that writes
_PAGE_BYTES = 16384  # a value of some hundred kilobytes is read four times as fast as with SQLite's 4096
_VARIABLES = 500  # SQLite's portable limit of bound variables in a statement is 999


class Store:
    """Stores bytes by key; each thread and process has its own connection, so an object can be shared, forked and
    pickled.

    Args:
        path: the SQLite file; made, with its folder, at the first use.
    """

    def __init__(self, path: Path) -> None:
        self._connections: dict[tuple[int, int], sqlite3.Connection] = {}
        self.path = path

    def get(self, key: str) -> bytes | None:
        """Returns the value of a key, None where it has none."""
        with self._connection() as connection:
            row = connection.execute("SELECT value FROM entries WHERE key = ?", (key,)).fetchone()
        return None if row is None else row[0]

    def get_many(self, keys: Sequence[str]) -> dict[str, bytes]:
        """Returns the values of those keys that have one, by key."""
        return dict(self._select("key, value", keys))

    def missing(self, keys: Sequence[str]) -> list[str]:
        """Returns those keys that have no value, in their order."""
        stored = {key for (key,) in self._select("key", keys)}
        return [key for key in keys if key not in stored]

    def put_many(self, entries: Iterable[tuple[str, bytes]]) -> None:
        """Adds entries in one transaction; a key that has a value keeps it."""
        complete = list(entries)  # before the transaction begins: others wait while it lasts
        with self._connection() as connection, connection:
            connection.executemany("INSERT OR IGNORE INTO entries VALUES (?, ?)", complete)

    def forget(self, names: Collection[str]) -> None:
        """Removes the entries whose keys have one of these names between their slashes."""
        wanted = frozenset(names)
        with self._connection() as connection, connection:
            keys = [key for (key,) in connection.execute("SELECT key FROM entries")]
            gone = [(key,) for key in keys if not wanted.isdisjoint(key.split("/"))]
            connection.executemany("DELETE FROM entries WHERE key = ?", gone)

    def clear(self) -> None:
        """Removes all entries."""
        with self._connection() as connection, connection:
            connection.execute("DELETE FROM entries")

    def close(self) -> None:
        """Closes this process's connections; the next use opens new ones."""
        for owner in [owner for owner in self._connections if owner[0] == os.getpid()]:
            self._connections.pop(owner).close()

    def _select(self, columns: str, keys: Sequence[str]) -> Iterator[tuple]:
        with self._connection() as connection:
            for batch in _batches(keys):
                marks = ",".join("?" * len(batch))
                yield from connection.execute(f"SELECT {columns} FROM entries WHERE key IN ({marks})", batch)

    @contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        """Yields this thread's connection; a damaged file becomes an error that says what to do."""
        owner = (os.getpid(), threading.get_ident())
        try:
            if owner not in self._connections:
                self._connections[owner] = _open(self.path)
            yield self._connections[owner]
        except sqlite3.OperationalError:
            require_writable(self.path.parent)
            raise
        except sqlite3.DatabaseError as error:
            if type(error) is not sqlite3.DatabaseError:  # its subclasses tell of other things than damage
                raise
            raise UserError(f"{self.path} is damaged ({error}); delete it, it is filled again by itself") from error

    def __del__(self) -> None:
        self.close()

    def __getstate__(self) -> Path:
        return self.path

    def __setstate__(self, path: Path) -> None:
        self.__init__(path)  # type: ignore[misc]


def damage_of(path: Path) -> str:
    """Reads the whole of an SQLite file, of a store or not, and says in which way it is damaged; empty where it is not.

    Changes nothing in it.
    """
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", timeout=_PATIENCE, uri=True)) as connection:
            (answer,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    except sqlite3.DatabaseError as error:
        return str(error)
    return "" if answer == "ok" else " ".join(answer.split())


def _batches(keys: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(keys), _VARIABLES):
        yield keys[start : start + _VARIABLES]


def _open(path: Path) -> sqlite3.Connection:
    path.parent.mkdir(parents=True, exist_ok=True)
    # Each thread uses its own, but the last one to leave closes them all.
    connection = sqlite3.connect(path, timeout=_PATIENCE, check_same_thread=False)
    connection.execute(f"PRAGMA page_size = {_PAGE_BYTES}")
    _use_write_ahead_log(connection)
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute("CREATE TABLE IF NOT EXISTS entries (key TEXT PRIMARY KEY, value BLOB NOT NULL)")
    return connection


def _use_write_ahead_log(connection: sqlite3.Connection) -> None:
    """Switches to the write-ahead log, so that readers never wait.

    SQLite does not itself wait here for a process that switches at the same moment, so it is tried again.
    """
    deadline = time.monotonic() + _PATIENCE
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > deadline:
                raise
            time.sleep(0.05)
