"""Tells others of a run: a command or a web address gets its summary as JSON, and their failures are warnings."""

import json
import logging
import shlex
import threading
from collections.abc import Mapping
from typing import Any

import httpx

from flows.processes.programs import run_limited

_SHORT = 200  # characters of what a command said of its failure

logging.getLogger("httpx").setLevel(logging.WARNING)  # at INFO it logs each address, with the secret in it


def notify(summary: Mapping[str, Any], *, command: str, webhook: str, timeout: float) -> list[str]:
    """Hands a summary to a command, on its standard input, and post it to a web address; nothing is ever raised.

    Args:
        summary: what is not of JSON's kinds is written as text, and numbers that are none as null.
        command: split as a shell would, but run without one; empty: none.
        webhook: an http or https address; empty: none. A redirect counts as a failure.
        timeout: seconds for each of the two; then the command is killed with all that it started, and the answer of
            the address no longer awaited.

    Returns:
        A sentence for each that failed; of the address it names the server alone, the rest often is a secret.
    """
    if not command and not webhook:
        return []
    try:
        text = _as_json(summary)
    except (TypeError, ValueError, RecursionError) as error:
        return [f"nobody was notified: the summary is no JSON ({error})"]
    failures = [_call(command, text, timeout)] if command else []
    failures += [_post(webhook, text, timeout)] if webhook else []
    return [sentence for sentence in failures if sentence]


def _as_json(summary: Mapping[str, Any]) -> str:
    as_text = json.dumps(dict(summary), default=str)
    return json.dumps(json.loads(as_text, parse_constant=lambda _: None))


def _call(command: str, text: str, timeout: float) -> str:
    """Runs the command; a sentence where that failed, which names the program and leaves its arguments out."""
    name = f"notify.command {next(iter(command.split()), 'of no word')}"
    try:
        done = run_limited(shlex.split(command), timeout=timeout, given=text)
    except (OSError, ValueError, IndexError) as error:  # TimeoutError is an OSError; a command of spaces has no word
        return f"{name} failed: {getattr(error, 'strerror', None) or error}"
    said = " ".join(done.errors.split())[-_SHORT:]
    return f"{name} ended with exit code {done.code}{said and f': {said}'}" if done.code else ""


def _post(webhook: str, text: str, timeout: float) -> str:
    """Posts to the address from a thread: httpx limits each wait alone, and a slow server makes many of them."""
    server = _server_of(webhook)
    if not server:
        return "notify.webhook must be an address that begins with http:// or https://; nothing was posted"
    answers: list[str] = []
    thread = threading.Thread(target=lambda: answers.append(_answer(webhook, text, timeout)), daemon=True)
    thread.start()
    thread.join(timeout)
    failure = answers[0] if answers else f"did not answer within {timeout:g} s"
    return f"notify.webhook: {server} {failure}" if failure else ""


def _server_of(webhook: str) -> str:
    """Names the address up to its server; empty where it is none of the web."""
    try:
        url = httpx.URL(webhook)
    except httpx.InvalidURL:
        return ""
    return f"{url.scheme}://{url.host}" if url.scheme in ("http", "https") and url.host else ""


def _answer(webhook: str, text: str, timeout: float) -> str:
    """Says how the server failed; empty where it took the text. The body of its answer is never read."""
    kind = {"Content-Type": "application/json"}
    try:
        with httpx.stream(
            "POST", webhook, content=text, headers=kind, timeout=timeout, follow_redirects=False
        ) as answer:
            code = answer.status_code
            return "" if answer.is_success else f"answered {code} {httpx.codes.get_reason_phrase(code)}".rstrip()
    except httpx.NetworkError as error:
        return f"did not get it ({error})"
    except Exception as error:  # the text of others may quote the address, or what the server made of it
        return f"did not get it ({type(error).__name__})"
