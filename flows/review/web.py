"""Holds what all pages of `cbir review` share: who asks, forms, templates, and what stands around the content."""

from pathlib import Path
from typing import Annotated, Any
from urllib.parse import parse_qs

from fastapi import Depends, Request
from fastapi.responses import HTMLResponse

from cbir.base.errors import UserError
from cbir.reports import html
from cbir.serving.review.desk import Desk
from cbir.serving.review.ledger import Pair
from flows.review.access import Access

HERE = Path(__file__).parent
MOST_BYTES = 40_000  # of a form
MOST_FIELDS = 1000
SEE_OTHER = 303


class StrangerError(Exception):
    """Raised for a request without a token that is known."""


async def _form(request: Request) -> dict[str, list[str]]:
    """Reads a form, the values of each field."""
    size = request.headers.get("content-length", "")
    if not size.isdecimal() or int(size) > MOST_BYTES:
        raise UserError(f"a form must have at most {MOST_BYTES} bytes; shorten the note, or choose fewer pictures")
    text = (await request.body()).decode(errors="replace")
    return parse_qs(text, keep_blank_values=True, max_num_fields=MOST_FIELDS)


def _person(request: Request) -> str:
    access: Access = request.app.state.access
    if person := access.person(request.cookies.get(access.cookie, "")):
        return person
    raise StrangerError


Form = Annotated[dict[str, list[str]], Depends(_form)]
Person = Annotated[str, Depends(_person)]


def field(form: dict[str, list[str]], name: str) -> str:
    """Returns the last value of a field, empty where there is none."""
    return form.get(name, [""])[-1]


def ids_of(pair: str) -> Pair:
    """Returns the two image_ids of an address."""
    first, _, second = pair.partition("-")
    return first, second


def show(template: str, *, status: int = 200, **values: Any) -> HTMLResponse:
    """Returns a page."""
    page = html.environment(HERE / "templates").get_template(template).render(**values)
    return HTMLResponse(page, status)


def around(desk: Desk, person: str) -> dict[str, Any]:
    """Returns what every page shows around its own content."""
    return {
        "person": person,
        "news": desk.news(),
        "open_pairs": desk.open_pairs(),
        "contradictions": desk.contradictions(),
        "last": desk.ledger.last(person),
    }
