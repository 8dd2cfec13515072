"""One archive to search, one server and one browser for all tests of the review."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.browser import Browser, browser
from tests.support.searchable import make_searchable
from tests.support.served import Server, add_doubts
from tests.support.shared import made_once


@pytest.fixture(scope="session")
def searchable(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small archive to search; work on copies of it."""
    return made_once(tmp_path_factory, "searchable", make_searchable)


@pytest.fixture(scope="session")
def served(searchable: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    root = shutil.copytree(searchable, tmp_path_factory.mktemp("served") / "archive", symlinks=True)
    add_doubts(root)
    server = Server(root)
    server.start()
    yield server
    server.kill()


@pytest.fixture(scope="session")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with browser(tmp_path_factory.mktemp("chromium")) as tab:
        yield tab


@pytest.fixture
def server(served: Server) -> Server:
    """The server, with nothing decided and no audit begun."""
    for name in ("decisions.csv", "audit.csv"):
        (served.root / name).unlink(missing_ok=True)
    shutil.rmtree(served.root / "audits", ignore_errors=True)
    return served


@pytest.fixture
def tab(server: Server, chromium: Browser) -> Browser:
    """A window of a desk's screen by day, on the first pair in doubt."""
    chromium.resize(1366, 850)
    chromium.open(f"{server.address}/")
    chromium.run("sessionStorage.clear()")
    chromium.open(f"{server.address}/")
    chromium.wait_for("document.querySelector('.viewer image')")
    return chromium
