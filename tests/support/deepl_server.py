"""A server on this machine that speaks the part of DeepL's HTTP API that is used, and fails as it is told to."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any

import deepl.http_client
import pytest

from tests.support.web import QuietHandler, listening

KEY = "0f3a-secret-7c:fx"


@dataclass
class DeepL:
    """Records the requests, and answers by a status, or by drop, hang, html or short; 200 after the last one."""

    url: str = ""
    answers: list[int | str] = field(default_factory=list)
    bodies: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    sizes: list[int] = field(default_factory=list)
    hanging: threading.Event = field(default_factory=threading.Event)
    ended: threading.Event = field(default_factory=threading.Event)

    @property
    def requests(self) -> int:
        return len(self.bodies)

    @property
    def texts(self) -> list[str]:
        """Every text that was sent, as often as it was."""
        return [text for body in self.bodies for text in body["text"]]


def english(text: str) -> str:
    """Returns the server's translation of a text."""
    return f"English of {text}"


@contextmanager
def serving() -> Iterator[DeepL]:
    """The server, until the block ends."""
    state = DeepL()
    with listening(_handler(state)) as state.url:
        try:
            yield state
        finally:
            state.ended.set()


def use(state: DeepL, monkeypatch: pytest.MonkeyPatch) -> None:
    """Send this process's requests to the server, with a key, and with short pauses between attempts."""
    monkeypatch.setenv("DEEPL_API_KEY", KEY)
    monkeypatch.setenv("DEEPL_SERVER_URL", state.url)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(deepl.http_client._BackoffTimer, "BACKOFF_INITIAL", 0.01)
    monkeypatch.setattr(deepl.http_client, "min_connection_timeout", 0.5)


def _handler(state: DeepL) -> type[BaseHTTPRequestHandler]:
    class Handler(QuietHandler):
        def do_POST(self) -> None:
            data = self.rfile.read(int(self.headers["Content-Length"]))
            state.sizes.append(len(data))
            state.paths.append(self.path)
            state.headers.append(dict(self.headers))
            state.bodies.append(json.loads(data))
            answer = state.answers.pop(0) if state.answers else 200
            if answer == "drop":
                self.close_connection = True
            elif answer == "hang":
                state.hanging.set()
                state.ended.wait(30)
            elif answer == "html":
                self._send(200, b"<html>Sign in to the network</html>")
            elif isinstance(answer, int) and answer != 200:  # quotes the key, as a careless proxy may
                message = {"message": f"refused {self.headers['Authorization']}"}
                self._send(answer, json.dumps(message).encode())
            else:
                texts = state.bodies[-1]["text"][: -1 if answer == "short" else None]
                answers = [
                    {"detected_source_language": "FR", "text": english(text), "billed_characters": len(text)}
                    for text in texts
                ]
                self._send(200, json.dumps({"translations": answers}).encode())

        def _send(self, status: int, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    return Handler
