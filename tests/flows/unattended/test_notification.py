"""Notifications reach a command and a web address, and whatever goes wrong there is a warning in time."""

import json
import logging
import os
import shlex
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest

from flows.unattended.notification import notify
from tests.support.web import QuietHandler, listening

SUMMARY = {"landed": 3, "name": "été", "at": Path("data/raw"), "score": float("nan")}
ARRIVED = {"landed": 3, "name": "été", "at": "data/raw", "score": None}


@dataclass
class Server:
    """Records the posts that it gets; it answers by the path: /fine, /slow, /drip, /endless, /fails, /moved or
    /drops.
    """

    url: str = ""
    posts: list[tuple[str, str, Any]] = field(default_factory=list)
    ended: threading.Event = field(default_factory=threading.Event)


def _handler(state: Server) -> type[BaseHTTPRequestHandler]:
    class Handler(QuietHandler):
        def do_POST(self) -> None:
            self.path = self.path.removeprefix("http://elsewhere.test")
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            state.posts.append((self.path, self.headers["Content-Type"], body))
            if self.path == "/slow":
                state.ended.wait(60)
            elif self.path == "/drip":
                self.wfile.write(b"HTTP/1.0 200 OK\r\n")
                for number in range(600):
                    if state.ended.wait(0.1):
                        return
                    self.wfile.write(b"X-%d: more\r\n" % number)
            elif self.path == "/endless":
                self.wfile.write(b"HTTP/1.0 200 OK\r\n\r\n")
                while not state.ended.wait(0.1):
                    self.wfile.write(b"more")
            elif self.path != "/drops":
                self.send_response({"/fine": 204, "/fails": 503, "/moved": 302}[self.path.partition("?")[0]])
                self.send_header("Location", "file:///etc/hostname")
                self.end_headers()

    return Handler


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    state = Server()
    with listening(_handler(state)) as state.url:
        try:
            yield state
        finally:
            state.ended.set()


def _notify(*, command: str = "", webhook: str = "", timeout: float = 30) -> list[str]:
    return notify(SUMMARY, command=command, webhook=webhook, timeout=timeout)


def test_nobody_to_notify_is_no_matter() -> None:
    assert _notify() == []


def test_a_command_gets_the_summary_on_its_standard_input(tmp_path: Path) -> None:
    code = f"import sys; open({str(tmp_path / 'got')!r}, 'wb').write(sys.stdin.buffer.read())"
    assert _notify(command=shlex.join([sys.executable, "-c", code])) == []
    assert json.loads((tmp_path / "got").read_text("utf-8")) == ARRIVED


@pytest.mark.parametrize(
    ("command", "sentence"),
    [
        ("false", "notify.command false ended with exit code 1"),
        ("sh -c 'echo no mailbox >&2; exit 3'", "ended with exit code 3: no mailbox"),
        ("/nowhere/program", "notify.command /nowhere/program failed: No such file or directory"),
        ("echo 'half", "failed: No closing quotation"),
        ("  ", "notify.command of no word failed"),
        (os.devnull, "failed: Permission denied"),
    ],
)
def test_a_command_that_fails_is_a_warning(command: str, sentence: str) -> None:
    (warning,) = _notify(command=command)
    assert sentence in warning


def test_a_command_is_run_without_a_shell(tmp_path: Path) -> None:
    _notify(command=f"echo > {tmp_path / 'made'}")
    assert not (tmp_path / "made").exists()


def test_a_command_that_hangs_is_a_warning_in_time() -> None:
    started = time.monotonic()
    assert _notify(command="sleep 600", timeout=1) == ["notify.command sleep failed: it took longer than 1 s"]
    assert time.monotonic() - started < 20


def test_the_address_gets_the_summary_posted(server: Server) -> None:
    assert _notify(webhook=f"{server.url}/fine") == []
    assert server.posts == [("/fine", "application/json", ARRIVED)]


@pytest.mark.parametrize(
    ("path", "sentence"),
    [
        ("fails?token=secret", "answered 503 Service Unavailable"),
        ("moved", "answered 302 Found"),
        ("drops", "did not get it"),
        ("with space?secret", "did not get it (RemoteProtocolError)"),
    ],
)
def test_an_address_that_fails_is_a_warning_without_its_secrets(server: Server, path: str, sentence: str) -> None:
    (warning,) = _notify(webhook=f"{server.url}/{path}")
    assert sentence in warning
    assert "secret" not in warning
    assert warning.startswith("notify.webhook: http://127.0.0.1 ")


@pytest.mark.parametrize("path", ["slow", "drip"])
def test_an_address_that_takes_its_time_is_a_warning_in_time(server: Server, path: str) -> None:
    started = time.monotonic()
    (warning,) = _notify(webhook=f"{server.url}/{path}", timeout=1)
    assert warning.startswith("notify.webhook: http://127.0.0.1 did not ")
    assert time.monotonic() - started < 10


@pytest.mark.parametrize(
    "webhook",
    [
        "file:///etc/hostname",
        "ftp://127.0.0.1/x",
        "127.0.0.1/x",
        "https://",
        "http://[::1",
        "http://127.0.0.1/\0secret",
    ],
)
def test_only_web_addresses_are_posted_to(webhook: str) -> None:
    assert _notify(webhook=webhook) == [
        "notify.webhook must be an address that begins with http:// or https://; nothing was posted"
    ]


def test_an_answer_that_never_ends_is_not_read(server: Server) -> None:
    assert _notify(webhook=f"{server.url}/endless") == []


def test_the_proxy_that_the_environment_names_gets_what_is_posted_elsewhere(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", server.url)
    assert _notify(webhook="http://elsewhere.test/fine") == []
    assert server.posts == [("/fine", "application/json", ARRIVED)]
    monkeypatch.setenv("NO_PROXY", "elsewhere.test")
    (warning,) = _notify(webhook="http://elsewhere.test/fine")
    assert warning.startswith("notify.webhook: http://elsewhere.test did not get it")
    assert len(server.posts) == 1


@pytest.mark.parametrize("proxy", ["socks5://127.0.0.1:1", "http://[", "nonsense"])
def test_a_proxy_that_cannot_be_used_is_a_warning(monkeypatch: pytest.MonkeyPatch, proxy: str) -> None:
    monkeypatch.setenv("ALL_PROXY", proxy)
    (warning,) = _notify(webhook="http://elsewhere.test/fine?secret")
    assert warning.startswith("notify.webhook: http://elsewhere.test did not get it")
    assert "secret" not in warning


def test_the_address_is_not_logged(server: Server, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    assert _notify(webhook=f"{server.url}/fine?token=secret") == []
    assert "secret" not in caplog.text


def test_both_are_told_and_each_failure_is_named(server: Server) -> None:
    warnings = _notify(command="false", webhook=f"{server.url}/fails")
    assert [warning.partition(" ")[0] for warning in warnings] == ["notify.command", "notify.webhook:"]


def test_a_summary_that_is_no_json_is_a_warning() -> None:
    circle: dict[Any, Any] = {}
    circle["self"] = circle
    (warning,) = notify(circle, command="true", webhook="", timeout=5)
    assert warning.startswith("nobody was notified: the summary is no JSON")
