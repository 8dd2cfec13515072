"""Defines the pages of search: by a picture, by a region of a picture of the archive, or by words."""

import tempfile
from pathlib import Path
from typing import Annotated
from urllib.parse import quote

from fastapi import FastAPI, Query, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import RedirectResponse, Response

from cbir.base.errors import UserError
from cbir.serving.review.desk import Desk
from cbir.serving.review.search.described import describe_query, describe_results
from cbir.serving.review.search.queries import Box, region_id
from cbir.serving.review.search.room import Result, SearchRoom
from flows.review.web import SEE_OTHER, Form, Person, around, field, show

PATH = "/search"
MOST_BYTES = 200_000_000  # of a picture from outside
MOST_NAMED = 60  # pictures of the archive by a part of their name

Text = Annotated[str, Query(max_length=200)]
Percent = Annotated[float, Query(ge=0, le=100)]


def add_search(app: FastAPI, desk: Desk, room: SearchRoom) -> None:
    """Adds the pages to the application."""
    _add_asking(app, desk, room)
    _add_region(app, desk)
    _add_results(app, desk, room)


def _add_asking(app: FastAPI, desk: Desk, room: SearchRoom) -> None:
    @app.get("/search")
    def ask(person: Person, name: Text = "") -> Response:
        named = desk.findings.find_files(name.strip(), most=MOST_NAMED) if name.strip() else []
        return show(
            "search.html", **around(desk, person), path=PATH, name=name, images=desk.describe(named),
            why_no_words=room.why_no_words(), most_bytes=MOST_BYTES,
        )  # fmt: skip

    @app.post("/search")
    async def take(request: Request, _: Person, name: Text = "") -> Response:
        with tempfile.TemporaryDirectory(prefix="cbir-") as folder:
            file = Path(folder) / "picture"
            await _receive(request, file)
            query = await run_in_threadpool(room.queries.take, file, name)
        return RedirectResponse(f"/search/pictures/{query.id}", SEE_OTHER)

    @app.get("/search/words")
    def search_words(person: Person, text: Text = "") -> Response:
        results = room.nearest_to_words(desk.findings, text)
        images = desk.describe([result.image for result in results])
        return show("search_words.html", **around(desk, person), path=PATH, text=text, images=images)


def _add_region(app: FastAPI, desk: Desk) -> None:
    @app.get("/search/region/{image_id}")
    def draw_region(image_id: str, person: Person) -> Response:
        if image_id not in desk.findings:
            raise UserError(f"{image_id}: no image of the archive has this id; it may have been removed")
        (image,) = desk.describe([image_id])
        return show("search_region.html", **around(desk, person), path=PATH, image=image)

    @app.get("/search/region")
    def search_region(_: Person, image: Text, left: Percent, top: Percent, width: Percent, height: Percent) -> Response:
        box = Box(left / 100, top / 100, width / 100, height / 100)
        return RedirectResponse(f"/search/pictures/{quote(region_id(image, box))}", SEE_OTHER)


def _add_results(app: FastAPI, desk: Desk, room: SearchRoom) -> None:
    @app.get("/search/pictures/{query_id}")
    def show_results(query_id: str, person: Person) -> Response:
        query = room.queries.get(desk.findings, query_id)
        pairs = describe_results(desk, query, room.nearest_to(desk.findings, query))
        return show(
            "search_results.html", **around(desk, person), path=PATH, query=query, own=describe_query(desk, query),
            pairs=pairs, known=query.image in desk.findings,
        )  # fmt: skip

    @app.get("/search/pictures/{query_id}/{image_id}")
    def show_result(query_id: str, image_id: str, person: Person) -> Response:
        query = room.queries.get(desk.findings, query_id)
        results = room.nearest_to(desk.findings, query)
        result = next((each for each in results if each.image == image_id), Result(image_id, 0.0))
        (pair,) = describe_results(desk, query, [result])
        known = query.image in desk.findings
        return show("search_pair.html", **around(desk, person), path=PATH, query=query, pair=pair, known=known)

    @app.post("/search/pictures/{query_id}/{image_id}")
    def decide(query_id: str, image_id: str, person: Person, form: Form) -> Response:
        query = room.queries.get(desk.findings, query_id)
        relation, note = field(form, "relation"), field(form, "note")
        desk.decide(person, query.image, image_id, relation, note=note, outside=query.name)
        return RedirectResponse(f"/search/pictures/{quote(query_id)}", SEE_OTHER)


async def _receive(request: Request, file: Path) -> None:
    """Writes a request's body to a file; raises UserError for one that is larger than MOST_BYTES, or empty."""
    size = 0
    with file.open("wb") as written:
        async for part in request.stream():
            size += len(part)
            if size > MOST_BYTES:
                raise UserError(f"a picture must have at most {MOST_BYTES // 1_000_000} MB; make a smaller copy of it")
            written.write(part)
    if not size:
        raise UserError("the picture is empty: choose a file that holds one")
