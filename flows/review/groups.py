"""Defines the pages of groups: the list, by what one asks for, and one group, to confirm it or to take pictures out."""

from typing import Annotated, Literal
from urllib.parse import urlencode

from fastapi import FastAPI, Query
from fastapi.responses import RedirectResponse, Response

from cbir.base.errors import UserError
from cbir.groups.decisions.journal import Relation
from cbir.serving.review.desk import Desk
from cbir.serving.review.groups import PAGE, Order, Wanted
from flows.review.web import SEE_OTHER, Form, Person, around, field, show

SHOWN = 8  # pictures of a group in the list
APART: dict[str, Relation] = {"different": "different", "same scene": "same scene"}

Text = Annotated[str, Query(max_length=200)]


def add_groups(app: FastAPI, desk: Desk) -> None:
    """Adds the pages to the application."""

    @app.get("/groups")
    def list_groups(
        person: Person,
        text: Text = "",
        accession: Text = "",
        size: Annotated[int, Query(ge=0, le=10**6)] = 0,
        across: bool = False,
        doubt: bool = False,
        decided: Literal["", "yes", "no"] = "",
        order: Order = "large",
        page: Annotated[int, Query(ge=1)] = 1,
    ) -> Response:
        wanted = Wanted(text.strip(), accession, size, across, doubt, decided, order)
        group_ids = desk.find_groups(wanted)
        shown = group_ids[(page - 1) * PAGE : page * PAGE]
        groups = [(group_id, desk.findings.sizes[group_id], desk.group(group_id, most=SHOWN)) for group_id in shown]
        asked = {name: value for name, value in vars(wanted).items() if value}
        pages = {name: urlencode(asked | {"page": number}) for name, number in (("back", page - 1), ("on", page + 1))}
        return show(
            "groups.html", **around(desk, person), path="/groups", wanted=wanted, accessions=desk.groups.accessions,
            groups=groups, count=len(group_ids), page=page, last_page=max(1, -(-len(group_ids) // PAGE)), pages=pages,
        )  # fmt: skip

    @app.get("/groups/{group_id}")
    def show_group(group_id: str, person: Person) -> Response:
        images = desk.group(group_id)
        return show("group_page.html", **around(desk, person), path="/groups", group_id=group_id, images=images)

    @app.post("/groups/{group_id}")
    def decide_group(group_id: str, person: Person, form: Form) -> Response:
        action, note = field(form, "action"), field(form, "note")
        if action == "confirm":
            decisions = desk.groups.confirmed(group_id)
        elif action in APART:
            decisions = desk.groups.parted(group_id, form.get("image", []), APART[action])
        else:
            raise UserError(f"action must be confirm, different or same scene, is {action!r}")
        for pair, relation in decisions:
            desk.decide(person, *pair, relation, note=note)
        return RedirectResponse(f"/groups/{group_id}", SEE_OTHER)
