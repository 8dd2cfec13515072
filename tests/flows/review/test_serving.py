"""Tests of flows.review.serving: who is let in, where the server listens, and what it prints."""

import socket
from pathlib import Path

import pytest

from cbir.base.errors import UserError
from flows.processes.guard import refusal
from flows.review.serving import _greeting, _listening, _tokens


@pytest.mark.parametrize(
    ("host", "people", "words"),
    [
        ("archive.local", [], "--host archive.local lets others in, and each needs a token: give --person NAME"),
        ("0.0.0.0", ["Anne"], "--host must be the name or address by which others open the pages, is 0.0.0.0"),
        ("", ["Anne", "Ben"], "2 people need a token each: give --host"),
        ("archive.local", ["Anne", "Anne"], "--person must be names, each once, are 'Anne', 'Anne'"),
        ("archive.local", [" "], "--person must be names, each once, are ' '"),
    ],
)
def test_others_are_let_in_by_a_host_and_a_token_each_or_not_at_all(host: str, people: list[str], words: str) -> None:
    with pytest.raises(UserError) as refused:
        _tokens(host, people)
    assert str(refused.value).startswith(words)


def test_each_person_gets_a_token_that_nobody_guesses() -> None:
    tokens = _tokens("archive.local", ["Anne", "Ben"])
    assert [*tokens] == ["Anne", "Ben"]
    assert len({*tokens.values()}) == 2 and all(len(token) >= 32 for token in tokens.values())
    assert _tokens("", ["Anne"]) == _tokens("", []) == {}


def test_the_address_of_a_person_has_the_token_where_no_log_keeps_it() -> None:
    lines = _greeting("http://archive.local:8765", {"Anne": "secret"})
    assert lines[0] == "Anne: http://archive.local:8765/enter#secret"
    assert any("not encrypted" in line for line in lines)


def test_where_the_port_is_taken_another_one_is_chosen_unless_it_was_asked_for() -> None:
    with _listening("127.0.0.1", 0) as first:
        number = first.getsockname()[1]
        with pytest.raises(UserError, match=rf"127\.0\.0\.1 port {number} cannot be used \(address already in use\)"):
            _listening("127.0.0.1", number)
    with pytest.raises(UserError, match="--port must be from 1 to 65535, is 70000"):
        _listening("127.0.0.1", 70000)
    with _listening("127.0.0.1", None) as one_more, _listening("127.0.0.1", None) as last:
        assert {one_more.family, last.family} == {socket.AF_INET}


def test_a_host_that_is_not_this_machines_is_refused() -> None:
    with pytest.raises(UserError, match=r"203\.0\.113\.1 port 8765 cannot be used"):
        _listening("203.0.113.1", 8765)


def _asked(host: str, **more: str) -> list[tuple[bytes, bytes]]:
    headers = {"host": host, **{name.replace("_", "-"): value for name, value in more.items()}}
    return [(name.encode(), value.encode()) for name, value in headers.items()]


def test_the_guard_lets_in_the_host_that_was_named_and_this_machine() -> None:
    for host in ("archive.local:8765", "Archive.local", "127.0.0.1:8765", "localhost"):
        assert refusal(_asked(host), host="archive.local") is None
    assert refusal(_asked("archive.local", origin="http://archive.local"), host="archive.local") is None
    for host in ("archive.local.example", "xarchive.local", "archiveelocal", "archive.local:port", "example"):
        refused = refusal(_asked(host), host="archive.local")
        assert refused and refused.endswith("open this page as archive.local")
    assert refusal(_asked("archive.local", origin="http://example"), host="archive.local")
    assert refusal(_asked("archive.local"), host="")


def test_the_templates_and_the_script_are_files_of_the_package() -> None:
    import flows.review.app as app

    assert all(Path(file).is_file() for file in app.STATIC.values())
