"""Prefect's server behind the guard, with pages that the browser lets talk to this server alone.

The pages start an analytics client that calls its maker, whatever Prefect's settings for telemetry say; a
Content-Security-Policy keeps the call in the browser. See docs/upstream.md, Prefect: analytics in the pages.
"""

from flows.processes.guard import Application, Guard, Message, Receive, Scope, Send

OWN = "'self' data: blob:"
HERE = "'self' http://127.0.0.1:* http://localhost:* ws://127.0.0.1:* ws://localhost:*"
POLICY = "; ".join(
    [
        f"default-src {OWN}",
        f"script-src {OWN} 'unsafe-eval'",  # and no script within a page: what a name might smuggle in does not run
        f"style-src {OWN} 'unsafe-inline'",
        f"connect-src {HERE} data: blob:",
        "frame-ancestors 'self'",
    ]
)


class LocalPages:
    """An ASGI application whose answers carry the policy."""

    def __init__(self, app: Application) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_policy(message: Message) -> None:
            if message["type"] == "http.response.start":
                policy = (b"content-security-policy", POLICY.encode("ascii"))
                message = {**message, "headers": [*message.get("headers", []), policy]}
            await send(message)

        await self._app(scope, receive, send_with_policy)


def create_app() -> Guard:
    """Builds the application for ``uvicorn --factory``."""
    from prefect.server.api.server import create_app as create_prefect

    return Guard(LocalPages(create_prefect(final=True)))
