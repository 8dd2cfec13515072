"""A workspace is opened for DVC after other threads and processes have let go, and its files are written whole."""

import threading
import time
from pathlib import Path
from typing import TextIO

import pytest

from flows.repository.opening import open_repository

pytestmark = pytest.mark.usefixtures("here")


def _half(_: object, file: TextIO, *__: object) -> None:
    file.write("schema: ")
    file.flush()
    raise OSError(28, "No space left on device")


def test_when_the_disk_is_full_dvc_lock_stays_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    lock = Path("dvc.lock")
    before = lock.read_bytes()
    with open_repository(Path()) as repo:
        stage = repo.stage.load_one("dvc.yaml", "first")
        stage.deps[0].hash_info.value = "another"
        monkeypatch.setattr("ruamel.yaml.YAML.dump", lambda _, document, file: _half(document, file))
        with pytest.raises(Exception, match="space"):
            stage.dump(update_pipeline=False)
    assert lock.read_bytes() == before
    assert sorted(Path().glob("*dvc.lock*")) == [lock]


def test_a_repository_that_another_thread_has_locked_is_waited_for() -> None:
    order: list[str] = []
    with open_repository(Path()) as first, open_repository(Path()) as other:
        first.lock.lock()

        def take() -> None:
            other.lock.lock()
            order.append("taken")
            other.lock.unlock()

        thread = threading.Thread(target=take)
        thread.start()
        time.sleep(0.2)
        order.append("released")
        first.lock.unlock()
        thread.join(30)
    assert order == ["released", "taken"]
