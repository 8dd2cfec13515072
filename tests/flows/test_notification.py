"""Notifications reach a command and an address, and nothing that goes wrong there reaches the run."""

import json
import socket
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from flows.notification import notify

SUMMARY = {"run": "cbir refresh", "pairs": [{"file": "é.jpg", "similarity": 0.98}]}


class _Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        received: list[Any] = self.server.received  # type: ignore[attr-defined]
        received.append((self.path, self.headers["Content-Type"], self.rfile.read(int(self.headers["Content-Length"]))))
        if self.path == "/slow":
            for _ in range(20):  # a byte now and then: no single step of the socket takes long
                time.sleep(0.1)
        self.send_response({"/fails": 500, "/moved": 302}.get(self.path, 200))
        self.send_header("Location", "/elsewhere")
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def server() -> Iterator[tuple[str, list[Any]]]:
    """An address on this machine, and what is posted there."""
    made = HTTPServer(("127.0.0.1", 0), _Handler)
    made.received = []  # type: ignore[attr-defined]
    thread = threading.Thread(target=made.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{made.server_port}", made.received  # type: ignore[attr-defined]
    made.shutdown()
    thread.join()
    made.server_close()


def told(*, command: str = "", webhook: str = "", timeout: float = 5) -> list[str]:
    return notify(SUMMARY, command=command, webhook=webhook, timeout=timeout)


def test_without_a_command_and_an_address_nothing_happens() -> None:
    assert told() == []


def test_the_command_gets_the_summary_on_its_standard_input(tmp_path: Path) -> None:
    code = "import sys; open(sys.argv[1], 'wb').write(sys.stdin.buffer.read())"
    assert told(command=f'{sys.executable} -c "{code}" {tmp_path / "told.json"}') == []
    assert json.loads((tmp_path / "told.json").read_text(encoding="utf-8")) == SUMMARY


@pytest.mark.parametrize(
    ("command", "warning"),
    [
        (f'{sys.executable} -c "raise SystemExit(3)"', "ended with exit code 3"),
        ("no-such-command-here", "did not start"),
        ('"unfinished', "did not start"),
    ],
)
def test_a_command_that_fails_is_a_warning(command: str, warning: str) -> None:
    (found,) = told(command=command)
    assert warning in found
    assert found.startswith("notify.command")


def test_a_command_that_hangs_is_ended_with_all_that_it_started(tmp_path: Path) -> None:
    started = time.monotonic()
    (found,) = told(command=f"sh -c 'sleep 30 & sleep 31; touch {tmp_path}/late'", timeout=0.5)
    assert time.monotonic() - started < 5
    assert "took longer than 0.5 s" in found


def test_the_address_gets_the_summary_as_json(server: tuple[str, list[Any]]) -> None:
    assert told(webhook=f"{server[0]}/hook?token=secret") == []
    ((path, kind, text),) = server[1]
    assert (path, kind, json.loads(text)) == ("/hook?token=secret", "application/json", SUMMARY)


@pytest.mark.parametrize(("path", "warning"), [("/fails", "answered 500"), ("/moved", "answered 302")])
def test_an_address_that_refuses_is_a_warning_and_is_not_followed_elsewhere(
    server: tuple[str, list[Any]], path: str, warning: str
) -> None:
    (found,) = told(webhook=server[0] + path)
    assert warning in found
    assert [one[0] for one in server[1]] == [path]


def test_an_address_that_is_slow_holds_nothing_up(server: tuple[str, list[Any]]) -> None:
    started = time.monotonic()
    (found,) = told(webhook=f"{server[0]}/slow", timeout=0.5)
    assert time.monotonic() - started < 1.5
    assert "did not answer in 0.5 s" in found or "timed out" in found


def test_an_address_without_a_server_and_one_of_another_kind_are_warnings_without_secrets() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    (found,) = told(webhook=f"http://127.0.0.1:{port}/secret")
    assert "could not be reached" in found
    assert "secret" not in found
    assert told(webhook="file:///etc/passwd") == ["notify.webhook file:///… is no http or https address"]
