"""Defines the pages of arrivals: what landed, the surest finds first, each with its evidence and decided in place."""

from pathlib import Path
from typing import Annotated
from urllib.parse import quote

from fastapi import FastAPI, Query
from fastapi.responses import RedirectResponse, Response

from cbir.serving.review.arrived import read_report, report_names
from cbir.serving.review.desk import Desk
from flows.review.web import SEE_OTHER, Form, Person, around, field, ids_of, show

PATH = "/arrivals"
PAGE = 20  # new images on a page


def add_arrivals(app: FastAPI, desk: Desk, folder: Path) -> None:
    """Adds the pages to the application.

    Args:
        folder: of the reports that `cbir refresh` writes.
    """

    @app.get("/arrivals")
    def newest(person: Person) -> Response:
        names = report_names(folder)
        if names:
            return RedirectResponse(f"/arrivals/{quote(names[0])}", SEE_OTHER)
        return show("arrivals_none.html", **around(desk, person), path=PATH)

    @app.get("/arrivals/{name}")
    def show_report(name: str, person: Person, page: Annotated[int, Query(ge=1)] = 1) -> Response:
        landed = read_report(folder, name, desk.findings)
        finds = landed.finds[(page - 1) * PAGE : page * PAGE]
        pairs = desk.evidence([find.best for find in finds])
        cards = [(find, pair, desk.describe(find.others)) for find, pair in zip(finds, pairs, strict=True)]
        last = max(1, -(-len(landed.finds) // PAGE))
        return show(
            "review_arrivals.html", **around(desk, person), path=PATH, names=report_names(folder), landed=landed,
            cards=cards, alone=desk.describe(landed.alone) if page == last else (), page=page, last_page=last,
        )  # fmt: skip

    @app.post("/arrivals/{name}/{pair}")
    def decide(name: str, pair: str, person: Person, form: Form, page: int = 1) -> Response:
        desk.decide(person, *ids_of(pair), field(form, "relation"))
        return RedirectResponse(f"/arrivals/{quote(name)}?page={page}", SEE_OTHER)
