"""The guard before every server that a command starts: programs and pages of this machine pass, web pages do not.

A server on 127.0.0.1 is open to every page in the user's browser: a page may send requests to any address (cross-site
request forgery), and its own name may come to mean this machine (DNS rebinding). Prefect's API runs commands.
"""

import logging
import re
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from typing import Any

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

log = logging.getLogger("uvicorn.error")

# Any port: behind `ssh -L 9000:127.0.0.1:4200` the browser asks for localhost:9000.
THIS_MACHINE = re.compile(r"(localhost|127\.0\.0\.1|\[::1\])(:\d{1,5})?", re.IGNORECASE | re.ASCII)
OWN_SITES = ("same-origin", "none")  # none: the user typed the address
FORBIDDEN = 403
POLICY_VIOLATION = 1008  # RFC 6455, 7.4.1


class Guard:
    """An ASGI application that hands on what :func:`refusal` lets pass, and answers 403 or closes the websocket.

    Args:
        host: a name or address that others know this machine by; empty: nobody else is let in.
    """

    def __init__(self, app: Application, *, host: str = "") -> None:
        self._app = app
        self._host = host

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        reason = None if scope["type"] == "lifespan" else refusal(scope["headers"], host=self._host)
        if reason is None:
            await self._app(scope, receive, send)
            return
        log.warning("refused %s: %s", scope["path"].encode("unicode_escape").decode("ascii"), reason)
        if scope["type"] == "websocket":
            words = "refused: not from this machine"
            await send({"type": "websocket.close", "code": POLICY_VIOLATION, "reason": words})
        else:
            headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"x-content-type-options", b"nosniff")]
            await send({"type": "http.response.start", "status": FORBIDDEN, "headers": headers})
            await send({"type": "http.response.body", "body": f"refused: {reason}\n".encode()})


def refusal(headers: Sequence[tuple[bytes, bytes]], *, host: str = "") -> str | None:
    """Names the reason why a request with these headers does not come from a page of this server, which is this machine
    or ``host``, or from a program; None where it may pass.

    Programs send a Host alone. A browser adds the Origin of the page that asks and, in Sec-Fetch-Site, how that page is
    related to the server (Fetch Metadata, W3C); neither can be set by the page.
    """
    hosts, origins, sites, modes = (
        [value.decode("latin-1").lower() for key, value in headers if key == name]
        for name in (b"host", b"origin", b"sec-fetch-site", b"sec-fetch-mode")
    )
    if len(hosts) != 1 or not (THIS_MACHINE.fullmatch(hosts[0]) or _names(host, hosts[0])):
        as_what = f"as {host}" if host else "as localhost or 127.0.0.1, through `ssh -L` from elsewhere"
        return f"Host is {_quoted(hosts)}; open this page {as_what}"
    if any(origin != f"http://{hosts[0]}" for origin in origins):
        return f"Origin is {_quoted(origins)}; only pages of http://{hosts[0]} itself may ask"
    if any(site not in OWN_SITES and (site != "same-site" or modes != ["navigate"]) for site in sites):
        words = "copy the address into the browser, do not follow another page to it"
        return f"Sec-Fetch-Site is {_quoted(sites)}; {words}"
    return None


def _names(host: str, header: str) -> bool:
    """Tells whether a Host header names this host, at any port."""
    return bool(host) and re.fullmatch(re.escape(host) + r"(:\d{1,5})?", header, re.IGNORECASE | re.ASCII) is not None


def _quoted(values: Sequence[str]) -> str:
    return ascii(", ".join(values)[:100])
