"""Notifications: a summary given to a command and posted to an address; what fails there fails nothing here."""

import json
import os
import shlex
import signal
import subprocess
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as Late
from typing import Any


def notify(summary: Mapping[str, Any], *, command: str, webhook: str, timeout: float) -> list[str]:
    """Tell of something.

    Args:
        summary: values that JSON can hold.
        command: is started without a shell and gets the summary on its standard input; empty: none.
        webhook: an http or https address that the summary is posted to; empty: none.
        timeout: seconds, for each; a command is killed then, with all that it started.

    Returns:
        Warnings: what went wrong, a sentence each.
    """
    text = json.dumps(dict(summary), ensure_ascii=False).encode()
    warnings = []
    if command and (problem := _run(command, text, timeout)):
        warnings.append(f"notify.command {command!r} {problem}")
    if webhook and (problem := _post(webhook, text, timeout)):
        warnings.append(f"notify.webhook {_without_secrets(webhook)} {problem}")
    return warnings


def _run(command: str, text: bytes, timeout: float) -> str | None:
    try:
        process = subprocess.Popen(
            shlex.split(command),
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
    except (OSError, ValueError, IndexError) as error:
        return f"did not start: {error}"
    try:
        process.communicate(text, timeout)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        return f"took longer than {timeout:g} s and was ended"
    return f"ended with exit code {process.returncode}" if process.returncode else None


class _Stay(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        return None  # a summary goes to the address that the user gave, and to no other


def _post(address: str, text: bytes, timeout: float) -> str | None:
    if urllib.parse.urlsplit(address).scheme not in ("http", "https"):
        return "is no http or https address"
    request = urllib.request.Request(address, text, {"Content-Type": "application/json"}, method="POST")
    opener = urllib.request.build_opener(_Stay)

    def send() -> None:
        with opener.open(request, timeout=timeout) as answer:
            answer.read(1)

    pool = ThreadPoolExecutor(1)
    try:
        pool.submit(send).result(timeout)  # the timeout of a socket is one of each of its steps
    except Late:
        return f"did not answer in {timeout:g} s"
    except urllib.error.HTTPError as error:
        return f"answered {error.code}"
    except (OSError, ValueError) as error:
        return f"could not be reached: {error}"
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
    return None


def _without_secrets(address: str) -> str:
    """Scheme and host: the rest of a webhook's address is often its password."""
    parts = urllib.parse.urlsplit(address)
    return f"{parts.scheme}://{parts.hostname or ''}/…"
