"""flows.processes.servers: the API that PREFECT_API_URL names is asked before a flow begins."""

import os
import random
import sqlite3
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from cbir.base.errors import UserError
from flows.processes.servers import (
    Server,
    choose_port,
    prefect_server,
    provide_prefect_api,
    ready,
    require_api,
    started,
)

JSON, PAGE = "application/json", "text/html"


@contextmanager
def answering(status: int, kind: str) -> Iterator[str]:
    """The address of a server that always gives the same answer."""

    class Says(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.end_headers()

        def log_message(self, *_: object) -> None: ...

    with HTTPServer(("127.0.0.1", 0), Says) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("http://127.0.0.1:9/api", "does not answer .*refused"),
        ("127.0.0.1:9/api", "does not answer .*protocol"),
        ("http://no-such-host.invalid/api", "does not answer"),
        ("http://[::1/api", "does not answer .*Invalid port|IPv6|URL"),
    ],
)
def test_an_address_that_does_not_answer_is_told_by_its_variable_with_the_way_out(
    url: str, why: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PREFECT_API_URL", url)
    with pytest.raises(
        UserError, match=rf"^PREFECT_API_URL is .*, which {why}.*; start that server.* or unset the variable"
    ):
        provide_prefect_api(tmp_path / "log")
    assert os.environ["PREFECT_API_URL"] == url


@pytest.mark.parametrize(("status", "kind"), [(404, JSON), (500, JSON), (200, PAGE)])
def test_a_server_that_is_not_prefects_api_is_told_from_it(status: int, kind: str) -> None:
    with (
        answering(status, kind) as url,
        pytest.raises(UserError, match=f"which answers {status} and not as Prefect's API"),
    ):
        require_api(url)


@pytest.mark.parametrize(("status", "kind"), [(200, JSON), (401, JSON), (403, PAGE)])
def test_an_api_that_answers_or_asks_for_its_password_will_do(status: int, kind: str) -> None:
    with answering(status, kind) as url:
        require_api(f"{url}/")


@pytest.mark.parametrize(
    "words",
    [
        "alembic.util.exc.CommandError: Can't locate revision identified by 'feedfeedfeed'",
        "sqlalchemy.exc.DatabaseError: (sqlite3.DatabaseError) file is not a database",
        "sqlalchemy.exc.DatabaseError: (sqlite3.DatabaseError) database disk image is malformed",
    ],
)
def test_a_history_that_a_server_cannot_read_is_named_and_may_go(words: str, tmp_path: Path) -> None:
    history, log = tmp_path / "prefect.db", tmp_path / "log"
    history.touch()
    program = f"print('Traceback'); print({words!r}); print('ERROR | Application startup failed. Exiting.'); exit(3)"
    server = Server("Prefect", [sys.executable, "-c", program], {}, "", "http://127.0.0.1:9", log, history)
    with started(server) as running, pytest.raises(UserError) as refused:
        list(ready([running]))
    assert str(refused.value) == (
        f"{history}, the history of runs, is damaged or of a newer Prefect ({words}); remove it ({history}*), for no "
        "result depends on it, and run again"
    )


@pytest.mark.heavy
@pytest.mark.parametrize("damage", ["newer", "bytes"])
def test_prefects_own_words_for_such_a_history_are_known(
    damage: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    history = tmp_path / "prefect.db"
    if damage == "newer":
        with sqlite3.connect(history) as database:
            database.execute("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL)")
            database.execute("INSERT INTO alembic_version VALUES ('feedfeedfeed')")
    else:
        history.write_bytes(random.Random(0).randbytes(20_000))
    monkeypatch.setenv("PREFECT_HOME", str(tmp_path))
    server = prefect_server(choose_port("Prefect", None, preferred=0), tmp_path / "log")
    with (
        started(server) as running,
        pytest.raises(UserError, match=rf"^{history}, the history of runs, is damaged or of"),
    ):
        list(ready([running]))


def test_the_sentence_has_no_password() -> None:
    with pytest.raises(UserError) as refused:
        require_api("http://user:secret@127.0.0.1:9/api")
    assert "secret" not in str(refused.value)
