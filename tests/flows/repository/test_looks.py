"""flows.repository.looks: what DVC finds is what it would find anew, however a file was changed in between."""

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from dvc.dvcfile import FileMixin
from dvc.repo import Repo
from dvc.utils.strictyaml import YAMLSyntaxError

from flows.repository import looks
from flows.repository.opening import open_repository, record
from tests.support.toy import Workspace

FOLDER = Path("data/raw/one")


@pytest.fixture
def builds(here: Workspace, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The finished toy as the working directory; here stands what DVC itself has hashed."""
    monkeypatch.setattr(looks, "_builds", {})
    monkeypatch.setattr(looks, "_files", {})
    own, found = looks._build, []

    def counted(self: Any, *args: Any, **options: Any) -> Any:
        found.append(str(self))
        return own(self, *args, **options)

    monkeypatch.setattr(looks, "_build", counted)
    return found


def _hash() -> str:
    """Of the archive, as a repository that was opened anew sees it."""
    with open_repository(Path()) as repo:
        (dep,) = [dep for dep in repo.stage.load_one("dvc.yaml", "first").deps if str(dep) == "data/raw"]
        return str(dep.get_hash().value)


def _rewrite() -> None:
    """The same size and time, another file."""
    there = FOLDER / "a.txt"
    status = there.stat()
    other = FOLDER / "other"
    other.write_text("xyz")
    os.utime(other, ns=(status.st_atime_ns, status.st_mtime_ns))
    other.replace(there)


VALUES = {
    "float": 1e-05, "text": "Ünï: # x", "many": "word " * 40, "empty": [], "list": [1, 2], "yes": "no",
    "number": "1e-5", "long": 12345678901234567890, "nested": {"x": [{"y": True}]},
}  # fmt: skip
CHANGES: dict[str, Callable[[], object]] = {
    "another text": lambda: (FOLDER / "a.txt").write_text("abcd"),
    "another file of the same size and time": _rewrite,
    "one more": lambda: (FOLDER / "b.txt").write_text("abc"),
    "one more, deeper": lambda: ((FOLDER / "deep").mkdir(), (FOLDER / "deep/c.txt").write_text("abc")),
    "another name": lambda: (FOLDER / "a.txt").rename(FOLDER / "z.txt"),
    "another folder": lambda: FOLDER.rename("data/raw/two"),
    "a link to a file": lambda: (
        Path("there").write_text("abc"),
        (FOLDER / "b.txt").symlink_to(Path("there").absolute()),
    ),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_folder_is_hashed_once_and_again_when_something_in_it_changed(builds: list[str], change: str) -> None:
    before = _hash()
    assert _hash() == before
    assert builds == ["data/raw"]
    CHANGES[change]()
    after = _hash()
    assert builds == ["data/raw"] * 2
    assert after != before
    looks._builds.clear()
    assert _hash() == after


def test_a_link_that_leads_nowhere_is_for_dvc_to_judge(builds: list[str]) -> None:
    (FOLDER / "b.txt").symlink_to("nowhere")
    for _ in range(2):
        with pytest.raises(FileNotFoundError, match=r"b\.txt"):
            _hash()
    assert builds == ["data/raw"] * 2


def test_files_of_dvc_are_parsed_once_and_each_reader_has_its_own(
    builds: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    parsed: list[str] = []
    own = looks._load_yaml
    monkeypatch.setattr(
        looks, "_load_yaml", lambda self, **options: (parsed.append(self.path), own(self, **options))[1]
    )
    with open_repository(Path()) as repo:
        file = repo.stage.load_one("dvc.yaml", "first").dvcfile
        first, _ = FileMixin._load(file)
        first["stages"].clear()
        again, _ = FileMixin._load(file)
        assert "second" in again["stages"]
        assert len({Path(path).absolute() for path in parsed}) == len(parsed)
        text = Path("dvc.yaml").read_text()
        Path("dvc.yaml").write_text(text.replace("fourth:", "fifth:"))
        assert "fifth" in FileMixin._load(file)[0]["stages"]
        Path("dvc.yaml").write_text("stages: [")
        with pytest.raises(YAMLSyntaxError):
            FileMixin._load(file)


def test_a_commit_that_is_not_checked_out_is_read_as_it_is(builds: list[str], here: Workspace) -> None:
    """DVC reads it through a file system of git, by the same paths."""
    here.replace("dvc.yaml", "params: [second]", "params: [second, third]")
    here.commit("another graph")
    here.replace("dvc.yaml", "params: [second, third]", "params: [second]")
    with open_repository(Path()) as repo:
        assert _params(repo, "second").params == ["second"]
        with repo.switch("HEAD"):
            assert _params(repo, "second").params == ["second", "third"]
        assert _params(repo, "second").params == ["second"]


def _params(repo: Repo, name: str) -> Any:
    return next(dep for dep in repo.stage.load_one("dvc.yaml", name).deps if str(dep) == "params.yaml")


def test_an_entry_of_dvc_lock_is_written_as_dvc_writes_it(builds: list[str]) -> None:
    lock = Path("dvc.lock")
    with open_repository(Path()) as repo:
        for name in ("first", "third"):
            stage = repo.stage.load_one("dvc.yaml", name)
            params = next(dep for dep in stage.deps if str(dep) == "params.yaml")
            params.hash_info.value[name] = VALUES
            before = lock.read_bytes()
            stage.dump(update_pipeline=False)
            expected = lock.read_text()
            lock.write_bytes(before)
            assert record(stage)["stages"][name]["params"]["params.yaml"][name] == VALUES
            assert lock.read_text() == expected


def test_the_first_entry_of_dvc_lock_is_written_as_dvc_writes_it(builds: list[str]) -> None:
    lock = Path("dvc.lock")
    with open_repository(Path()) as repo:
        stage = repo.stage.load_one("dvc.yaml", "first")
        lock.unlink()
        stage.dump(update_pipeline=False)
        expected = lock.read_text()
        lock.unlink()
        record(stage)
        assert lock.read_text() == expected


def test_when_the_disk_is_full_dvc_lock_stays_as_it_was(builds: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    lock = Path("dvc.lock")
    before = lock.read_bytes()

    def half(self: Path, text: str, **_: Any) -> int:
        self.write_bytes(text.encode()[:100])
        raise OSError(28, "No space left on device")

    with open_repository(Path()) as repo:
        stage = repo.stage.load_one("dvc.yaml", "first")
        monkeypatch.setattr(Path, "write_text", half)
        with pytest.raises(Exception, match="space"):
            record(stage)
    assert lock.read_bytes() == before
    assert sorted(Path().glob("*dvc.lock*")) == [lock]


def test_a_repository_that_another_thread_or_process_has_locked_is_waited_for(builds: list[str]) -> None:
    order: list[str] = []
    with open_repository(Path()) as one, open_repository(Path()) as other:
        one.lock.lock()

        def take() -> None:
            other.lock.lock()
            order.append("taken")
            other.lock.unlock()

        thread = threading.Thread(target=take)
        thread.start()
        time.sleep(0.2)
        order.append("released")
        one.lock.unlock()
        thread.join(5)
    assert order == ["released", "taken"]
