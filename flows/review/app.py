"""Defines the pages of `cbir review`: a GET shows, a POST changes, and a decision is kept before the answer."""

import errno
from pathlib import Path
from typing import Any
from urllib.parse import quote

from fastapi import FastAPI, Request
from fastapi.responses import FileResponse, RedirectResponse, Response

from cbir.base.errors import UserError
from cbir.groups.decisions.journal import BEST
from cbir.reports import html
from cbir.serving.review.audits import Auditor
from cbir.serving.review.desk import Desk
from cbir.serving.review.ledger import Pair
from cbir.serving.review.search.queries import Queries
from cbir.serving.review.search.room import SearchRoom
from flows.review.access import Access
from flows.review.arrivals import add_arrivals
from flows.review.audit import add_audit
from flows.review.groups import add_circulation, add_groups
from flows.review.search import add_search
from flows.review.web import HERE, SEE_OTHER, Form, Person, StrangerError, around, field, ids_of, show

STATIC = {name: HERE / "static" / name for name in ("review.css", "review.js", "search.js")}
STATIC |= {name: Path(html.__file__).parent / "templates" / name for name in ("page.css", "appearances.css")}
POLICY = (
    "default-src 'none'; img-src 'self' data:; style-src 'self'; script-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",  # without a referrer a form has no Origin, by which the guard knows it
    "Cross-Origin-Resource-Policy": "same-origin",
}
KEPT = {"Cache-Control": "private, max-age=604800, immutable"}  # an image_id names the content


def create_app(desk: Desk, access: Access, auditor: Auditor, room: SearchRoom, *, arrivals: Path) -> FastAPI:
    """Builds the application; who may reach it is for the guard before it to say.

    Args:
        arrivals: folder of their reports.
    """
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    app.state.access = access
    _protect(app)
    _add_entrance(app, access)
    _add_pairs(app, desk)
    add_groups(app, desk)
    add_circulation(app, desk)
    add_search(app, desk, room)
    add_arrivals(app, desk, arrivals)
    add_audit(app, desk, auditor)
    _add_files(app, desk, room.queries)
    return app


def _protect(app: FastAPI) -> None:
    @app.middleware("http")
    async def with_headers(request: Request, proceed: Any) -> Response:
        response: Response = await proceed(request)
        response.headers.update(HEADERS)
        response.headers.setdefault("Cache-Control", "no-store")
        return response

    @app.exception_handler(StrangerError)
    def ask_for_token(request: Request, _: Exception) -> Response:
        return RedirectResponse("/enter", SEE_OTHER)

    @app.exception_handler(UserError)
    def say(_: Request, error: UserError) -> Response:
        return show("trouble.html", status=400, sentence=str(error))

    @app.exception_handler(OSError)
    def say_what_the_disk_says(_: Request, error: OSError) -> Response:
        reason = "no space is left on the disk" if error.errno == errno.ENOSPC else error.strerror or str(error)
        return show(
            "trouble.html", status=507, sentence=f"Nothing was kept: {reason}. Free some space, and press again."
        )


def _add_entrance(app: FastAPI, access: Access) -> None:
    @app.get("/enter")
    def entrance() -> Response:
        return show("enter.html", wrong=False)

    @app.post("/enter")
    def enter(form: Form) -> Response:
        token = field(form, "token").strip()
        if access.person(token) is None:
            return show("enter.html", status=403, wrong=True)
        response = RedirectResponse("/pairs", SEE_OTHER)
        response.set_cookie(access.cookie, token, httponly=True, samesite="strict")
        return response


def _add_pairs(app: FastAPI, desk: Desk) -> None:
    def to_next(person: str, after: Pair | None) -> Response:
        pair = desk.next_pair(person, after=after)
        return RedirectResponse("/pairs/" + "-".join(pair) if pair else "/done", SEE_OTHER)

    @app.get("/")
    @app.get("/pairs")
    def next_pair(person: Person, after: str = "") -> Response:
        return to_next(person, ids_of(after) if after else None)

    @app.get("/done")
    def done(person: Person) -> Response:
        return show("done.html", **around(desk, person), path="/pairs")

    @app.get("/pairs/{pair}")
    def show_pair(pair: str, person: Person) -> Response:
        ends = ids_of(pair)
        following = desk.next_pair(person, after=ends, look=False)
        values = around(desk, person) | {"pair": desk.pair(*ends), "following": following or ()}
        return show("pair_page.html", **values, path="/pairs")

    @app.post("/pairs/{pair}")
    def decide(pair: str, person: Person, form: Form) -> Response:
        ends = ids_of(pair)
        desk.decide(person, *ends, field(form, "relation"), note=field(form, "note"))
        return to_next(person, ends)

    @app.post("/undo")
    def undo(person: Person) -> Response:
        decision = desk.ledger.undo(person)
        if decision is None:
            return to_next(person, None)
        if decision.relation == BEST and (group_id := desk.findings.group_of.get(decision.first)):
            return RedirectResponse(f"/groups/{quote(group_id)}", SEE_OTHER)
        if any(image not in desk.findings for image in decision.pair):
            return RedirectResponse("/search", SEE_OTHER)
        return RedirectResponse(f"/pairs/{quote(decision.first)}-{quote(decision.second)}", SEE_OTHER)

    @app.get("/contradictions")
    def show_contradictions(person: Person) -> Response:
        return show("contradictions.html", **around(desk, person), path="/contradictions")

    @app.post("/renew")
    def renew(person: Person) -> Response:
        desk.renew()
        return RedirectResponse("/pairs", SEE_OTHER)


def _add_files(app: FastAPI, desk: Desk, queries: Queries) -> None:
    @app.get("/static/{name}")
    def static(name: str) -> Response:
        return FileResponse(STATIC[name]) if name in STATIC else Response(status_code=404)

    @app.get("/pictures/{image_id}")
    def picture(image_id: str, _: Person) -> Response:
        own = queries.small(image_id) or desk.pictures.small(desk.findings, image_id)
        return Response(own, media_type="image/webp", headers=KEPT)

    @app.get("/pictures/{image_id}/large")
    def large_picture(image_id: str, _: Person) -> Response:
        own = queries.large(image_id) or desk.pictures.large(desk.findings, image_id)
        return Response(own, media_type="image/webp", headers=KEPT)
