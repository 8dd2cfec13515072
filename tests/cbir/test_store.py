import errno
import multiprocessing
import os
import pickle
import re
import signal
import threading
import time
from pathlib import Path

import pytest

from cbir.base.errors import UserError, disk_trouble
from cbir.store import Store


def test_values_come_back_by_key_and_an_entry_never_changes(tmp_path: Path) -> None:
    store = Store(tmp_path / "deep" / "values.sqlite")
    assert store.get("a") is None
    store.put_many([("a", b"1"), ("b", b"\0\xff")])
    store.put_many([("a", b"other")])
    assert store.get("a") == b"1"
    assert store.get_many(["b", "c", "a"]) == {"a": b"1", "b": b"\0\xff"}
    assert store.missing(["c", "a", "d"]) == ["c", "d"]


def test_more_keys_than_sqlite_binds_in_one_statement(tmp_path: Path) -> None:
    store = Store(tmp_path / "values.sqlite")
    keys = [str(number) for number in range(40_000)]
    store.put_many((key, key.encode()) for key in keys[::2])
    assert store.missing(keys) == keys[1::2]
    assert len(store.get_many(keys)) == 20_000


def test_an_entry_is_seen_by_copies_by_threads_and_after_closing(tmp_path: Path) -> None:
    store = Store(tmp_path / "values.sqlite")
    store.put_many([("a", b"1")])
    assert pickle.loads(pickle.dumps(store)).get("a") == b"1"
    seen: list[bytes | None] = []
    thread = threading.Thread(target=lambda: seen.append(store.get("a")))
    thread.start()
    thread.join()
    store.close()
    assert [*seen, store.get("a")] == [b"1", b"1"]


def _put_many_times(path: Path, name: str, begin: float) -> None:
    time.sleep(max(0, begin - time.time()))
    store = Store(path)
    for number in range(50):
        store.put_many([(f"{name}/{number}", b"x" * 1000)])


def test_processes_that_make_and_fill_one_store_at_the_same_moment_lose_nothing(tmp_path: Path) -> None:
    path = tmp_path / "values.sqlite"
    context = multiprocessing.get_context("spawn")
    begin = time.time() + 2
    writers = [context.Process(target=_put_many_times, args=(path, str(number), begin)) for number in range(3)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert [writer.exitcode for writer in writers] == [0, 0, 0]
    assert Store(path).missing([f"{writer}/{number}" for writer in range(3) for number in range(50)]) == []


def _die_in_a_transaction(path: Path) -> None:
    store = Store(path)
    store.put_many([("whole", b"1")])
    with store._connection() as connection:
        connection.execute("INSERT INTO entries VALUES ('half', x'00')")
    os.kill(os.getpid(), signal.SIGKILL)


def test_a_kill_leaves_whole_entries_only_and_no_lock(tmp_path: Path) -> None:
    path = tmp_path / "values.sqlite"
    writer = multiprocessing.get_context("spawn").Process(target=_die_in_a_transaction, args=(path,))
    writer.start()
    writer.join()
    assert writer.exitcode == -signal.SIGKILL
    store = Store(path)
    assert store.missing(["whole", "half"]) == ["half"]
    store.put_many([("half", b"2")])
    assert store.get("half") == b"2"


def test_a_damaged_file_is_told_with_the_way_out(tmp_path: Path) -> None:
    path = tmp_path / "values.sqlite"
    path.write_bytes(b"no database at all, but long enough to look at" * 100)
    with pytest.raises(UserError, match=r"values\.sqlite is damaged .*delete it"):
        Store(path).get("a")


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EROFS])
def test_a_database_that_cannot_be_opened_for_want_of_room_or_rights_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def refuse(folder: Path) -> None:
        raise OSError(number, os.strerror(number), str(folder))

    (tmp_path / "a.sqlite").mkdir()  # as SQLite has it without inodes: it cannot be opened
    monkeypatch.setattr("cbir.store.require_writable", refuse)
    with pytest.raises(OSError, match=re.escape(os.strerror(number))) as caught:
        Store(tmp_path / "a.sqlite").get("key")
    assert disk_trouble(caught.value)


def test_the_entries_of_a_name_are_forgotten_wherever_it_stands_in_the_key(tmp_path: Path) -> None:
    store = Store(tmp_path / "a.sqlite")
    store.put_many([(key, b"1") for key in ("a/512/1", "recipe/a", "b/512/1", "aa/1", "recipe/b")])
    store.forget(["a", "c"])
    assert store.missing(["a/512/1", "recipe/a", "b/512/1", "aa/1", "recipe/b"]) == ["a/512/1", "recipe/a"]
    store.clear()
    assert store.missing(["b/512/1"]) == ["b/512/1"]
