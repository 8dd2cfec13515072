"""Requests as browsers and programs send them, against the guard in this process."""

import asyncio
from typing import Any

import pytest

from flows.processes.guard import Guard, Message, Receive, Scope, Send

HERE = "127.0.0.1:4200"


async def _application(_scope: Scope, _receive: Receive, send: Send) -> None:
    await send({"type": "passed"})


def outcome(*headers: tuple[str, str], kind: str = "http", method: str = "GET") -> Any:
    """Returns the outcome of a request: "passed", the status of the answer, or the code that the websocket is closed
    with.
    """
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    async def receive() -> Message:
        raise AssertionError("nothing of a request is read before it has passed")

    encoded = [(name.lower().encode(), value.encode("latin-1")) for name, value in headers]
    scope = {"type": kind, "method": method, "path": "/api/flow_runs/filter", "headers": encoded}
    asyncio.run(Guard(_application)(scope, receive, send))
    first = sent[0]
    return first.get("status") or first.get("code") or first["type"]


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1:4200",
        "localhost:4200",
        "LocalHost:4200",
        "[::1]:4200",
        "localhost:9000",
        "localhost",
        "127.0.0.1",
        "[::1]",
    ],
)
@pytest.mark.parametrize("kind", ["http", "websocket"])
def test_programs_and_pages_of_this_machine_pass_at_any_port_that_a_tunnel_may_have(host: str, kind: str) -> None:
    assert outcome(("Host", host), kind=kind) == "passed"
    own = [("Host", host), ("Origin", f"http://{host.lower()}"), ("Sec-Fetch-Site", "same-origin")]
    assert outcome(*own, kind=kind, method="POST") == "passed"


@pytest.mark.parametrize(
    "host",
    [
        "evil.example", "evil.example:4200", "127.0.0.1.evil.example:4200", "localhost.evil.example",
        "evil.localhost:4200", "127.0.0.1:4200.evil.example", "127.0.0.1:4200@evil.example", "user@localhost:4200",
        "localhost:", "localhost:99999999", "localhost:\u00b2\u00b3", "localhost\n", " localhost", "0.0.0.0:4200",
        "192.168.0.7:4200",
        "[::1]evil:4200", "[::2]:4200", "::1", "2130706433:4200", "0x7f.1:4200", "localhost.:4200", "",
    ],
)  # fmt: skip
@pytest.mark.parametrize(("kind", "answer"), [("http", 403), ("websocket", 1008)])
def test_another_host_is_refused_as_a_rebound_name_would_be(host: str, kind: str, answer: int) -> None:
    assert outcome(("Host", host), kind=kind) == answer
    assert outcome(("Host", host), ("Origin", f"http://{host}"), ("Sec-Fetch-Site", "same-origin"), kind=kind) == answer


@pytest.mark.parametrize(
    "origin",
    [
        "http://evil.example", "http://evil.example:4200", "https://evil.example", "null", "", "*", "file://",
        "chrome-extension://a", "http://127.0.0.1:4201", "http://localhost:4200", "https://127.0.0.1:4200", "http://127.0.0.1",
        "127.0.0.1:4200", "http://127.0.0.1:4200.evil.example", "http://127.0.0.1:4200@evil.example", "http://127.0.0.1:4200/",
        "http://127.0.0.1:4200 http://evil.example",
    ],
)  # fmt: skip
@pytest.mark.parametrize(("kind", "answer"), [("http", 403), ("websocket", 1008)])
def test_a_page_of_any_other_origin_is_refused_whatever_it_asks(origin: str, kind: str, answer: int) -> None:
    for method in ("GET", "POST", "PATCH", "DELETE", "OPTIONS"):
        assert outcome(("Host", HERE), ("Origin", origin), kind=kind, method=method) == answer


@pytest.mark.parametrize("site", ["cross-site", "same-site", "Cross-Site", "anything", ""])
@pytest.mark.parametrize(("kind", "answer"), [("http", 403), ("websocket", 1008)])
def test_what_the_browser_says_comes_from_another_site_is_refused(site: str, kind: str, answer: int) -> None:
    assert outcome(("Host", HERE), ("Sec-Fetch-Site", site), kind=kind) == answer
    assert outcome(("Host", HERE), ("Sec-Fetch-Site", site), ("Sec-Fetch-Mode", "no-cors"), kind=kind) == answer


def test_a_typed_address_and_a_link_from_another_page_of_this_machine_open_a_page() -> None:
    navigate = ("Sec-Fetch-Mode", "navigate")
    assert outcome(("Host", HERE), ("Sec-Fetch-Site", "none"), navigate) == "passed"
    assert outcome(("Host", HERE), ("Sec-Fetch-Site", "same-site"), navigate) == "passed"
    assert outcome(("Host", HERE), ("Sec-Fetch-Site", "cross-site"), navigate) == 403


def test_a_second_header_does_not_hide_the_first() -> None:
    own, evil = ("Origin", f"http://{HERE}"), ("Origin", "http://evil.example")
    assert outcome(("Host", HERE), own, evil) == outcome(("Host", HERE), evil, own) == 403
    assert outcome(("Host", HERE), ("Host", "evil.example")) == outcome(("Host", "evil.example"), ("Host", HERE)) == 403
    assert outcome(("Host", HERE), ("Sec-Fetch-Site", "none"), ("Sec-Fetch-Site", "cross-site")) == 403
    assert outcome() == 403


def test_the_start_of_the_server_is_not_a_request() -> None:
    assert outcome(kind="lifespan") == "passed"


def test_a_refusal_says_what_was_wrong_and_obeys_none_of_it() -> None:
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    async def receive() -> Message:
        raise AssertionError

    headers = [(b"host", b"<b>\x1b[31mevil\xff.example")]
    asyncio.run(Guard(_application)({"type": "http", "path": "/\n\x1b", "headers": headers}, receive, send))
    assert dict(sent[0]["headers"])[b"content-type"].startswith(b"text/plain")
    assert sent[1]["body"].startswith(rb"refused: Host is '<b>\x1b[31mevil\xff.example'; open this page as localhost")
