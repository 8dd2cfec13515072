"""flows.environment: a command runs wherever it is called, and so does all that it starts."""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import httpx
import pytest
import requests

from flows.environment import past_proxies

REPOSITORY = Path(__file__).parents[2]
NOBODY = "http://127.0.0.1:9"  # the port of `discard`, at which nothing listens
PROXIES = ("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY")


class Says(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None: ...


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    """The port of a server on this machine."""
    with HTTPServer(("127.0.0.1", 0), Says) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_port
        server.shutdown()


def prepared(program: str, **variables: str) -> str:
    """Returns what a program prints that begins as a command does."""
    done = subprocess.run(
        [sys.executable, "-c", f"from flows.environment import prepare; prepare(); {program}"],
        env={**os.environ, "PYTHONPATH": str(REPOSITORY), **variables},
        capture_output=True,
        check=True,
    )
    return done.stdout.decode("ascii").strip()


@pytest.mark.parametrize("variable", PROXIES)
def test_no_proxy_stands_between_a_command_and_its_own_servers(
    variable: str, port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in (*PROXIES, "no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv(variable, NOBODY)
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.setenv(name, past_proxies(os.environ))
    for host in ("127.0.0.1", "localhost"):
        assert httpx.get(f"http://{host}:{port}").status_code == 200
        assert requests.get(f"http://{host}:{port}").status_code == 200


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, "127.0.0.1,localhost"),
        ({"no_proxy": ""}, "127.0.0.1,localhost"),
        ({"no_proxy": "localhost"}, "localhost,127.0.0.1"),
        ({"no_proxy": "a.org, b.org", "NO_PROXY": "c.org"}, "a.org,b.org,c.org,127.0.0.1,localhost"),
        ({"NO_PROXY": "*"}, "*"),
    ],
)
def test_hosts_that_the_user_reaches_without_a_proxy_stay(given: dict[str, str], expected: str) -> None:
    assert past_proxies(given) == expected


def test_what_a_command_starts_reaches_this_machine_directly_too() -> None:
    program = "import os, subprocess; subprocess.run(['sh', '-c', 'echo $no_proxy $NO_PROXY'], check=True)"
    assert prepared(program, no_proxy="", NO_PROXY="a.org") == "a.org,127.0.0.1,localhost a.org,127.0.0.1,localhost"


@pytest.mark.parametrize("backend", ["module://matplotlib_inline.backend_inline", "inline", "TkAgg"])
def test_plots_are_drawn_without_the_backend_of_a_notebook_or_a_screen(backend: str) -> None:
    program = "import matplotlib; print(matplotlib.get_backend())"
    assert prepared(program, MPLBACKEND=backend).lower() == "agg"


@pytest.mark.parametrize(
    ("encoding", "shown"), [("ascii", r"\xe9t\xe9 \u0142 \U0001f4f7"), ("ascii:strict", r"\xe9t\xe9 \u0142 \U0001f4f7")]
)
def test_letters_that_the_output_cannot_show_are_escaped(encoding: str, shown: str) -> None:
    assert prepared("print('\\u00e9t\\u00e9 \\u0142 \\U0001f4f7')", PYTHONIOENCODING=encoding) == shown


def test_names_of_files_are_utf_8_whatever_the_locale_says() -> None:
    variables = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    program = "import os, subprocess, sys; print(sys.getfilesystemencoding(), ascii(os.fsdecode(b'\\xc3\\xa9')))"
    assert prepared(program, **variables) == r"utf-8 '\xe9'"
