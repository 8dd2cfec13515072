"""Defines the pages of the audit: a random sample judged blind, and the certificate of what it promises."""

from pathlib import Path

from fastapi import FastAPI
from fastapi.responses import RedirectResponse, Response

from cbir.audit.record import percent
from cbir.base.errors import UserError
from cbir.serving.review.audits import Auditor
from cbir.serving.review.desk import Desk
from flows.review.web import SEE_OTHER, Form, Person, around, field, show
from flows.workspace.exclusive import BusyError, hold_workspace

PATH = "/audit"
MOST_PAIRS = 10_000


def add_audit(app: FastAPI, desk: Desk, auditor: Auditor) -> None:
    """Adds the pages to the application; no page shows anything of the verdicts before the sample is concluded."""
    _add_sample(app, desk, auditor)
    _add_pairs(app, desk, auditor)


def _add_pairs(app: FastAPI, desk: Desk, auditor: Auditor) -> None:
    def to_next(person: str, after: int = 0) -> Response:
        number = auditor.next(person, after=after)
        return RedirectResponse(f"/audit/pairs/{number}" if number else PATH, SEE_OTHER)

    @app.get("/audit/next")
    def next_pair(person: Person, after: int = 0) -> Response:
        return to_next(person, after)

    @app.get("/audit/pairs/{number}")
    def show_pair(number: int, person: Person) -> Response:
        sheet = auditor.sheet()
        if sheet is None:
            return RedirectResponse(PATH, SEE_OTHER)
        item = sheet.item(number)
        following = sheet.next(after=number)
        ahead = sheet.item(following) if following else item
        return show(
            "audit_pair.html", **around(desk, person), path=PATH, progress=auditor.progress(), number=number,
            pair=desk.pair(item.first_image, item.second_image), again=sheet.last(person) is not None,
            following=(ahead.first_image, ahead.second_image),
        )  # fmt: skip

    @app.post("/audit/pairs/{number}")
    def judge(number: int, person: Person, form: Form) -> Response:
        auditor.judge(person, number, field(form, "verdict"))
        return to_next(person, number)

    @app.post("/audit/undo")
    def undo(person: Person) -> Response:
        number = auditor.undo(person)
        return RedirectResponse(f"/audit/pairs/{number}" if number else PATH, SEE_OTHER)


def _add_sample(app: FastAPI, desk: Desk, auditor: Auditor) -> None:
    @app.get("/audit")
    def overview(person: Person) -> Response:
        progress, stale = auditor.progress(), auditor.is_stale()
        drawing = stale or progress is None
        return show(
            "audit.html", **around(desk, person), path=PATH, progress=progress, stale=stale, target=auditor.target,
            offers=auditor.offers() if drawing else (), implied=auditor.implied() if drawing else 0,
            certificates=auditor.certificates(),
        )  # fmt: skip

    @app.post("/audit")
    def draw(_: Person, form: Form) -> Response:
        number = field(form, "pairs").strip()
        if not number.isdecimal() or not 1 <= int(number) <= MOST_PAIRS:
            raise UserError(f"the sample must have 1 to {MOST_PAIRS} pairs, is {number!r}")
        auditor.draw(int(number))
        return RedirectResponse("/audit/next", SEE_OTHER)

    @app.post("/audit/conclude")
    def conclude(person: Person) -> Response:
        try:
            with hold_workspace("cbir review", wait=False):
                name = auditor.conclude(person)
        except BusyError as error:
            raise UserError(f"{error}, and reads the audits; press again when that has ended") from error
        return RedirectResponse(f"/audit/certificates/{name}", SEE_OTHER)

    @app.get("/audit/certificates/{name}")
    def show_certificate(name: str, person: Person) -> Response:
        certificate = auditor.certificate(Path(name).name)
        at_least = percent(certificate.audit.precision)
        return show("certificate.html", **around(desk, person), path=PATH, certificate=certificate, at_least=at_least)
