"""Defines the pages of groups: the list, by what one asks for, and one group, to confirm, part or merge it."""

from typing import Annotated, Literal
from urllib.parse import quote, urlencode

from fastapi import FastAPI, Query
from fastapi.responses import RedirectResponse, Response

from cbir.base.errors import UserError
from cbir.groups.circulation import appearances
from cbir.groups.decisions.journal import SAME, Relation
from cbir.serving.review.delays import Axis
from cbir.serving.review.desk import Desk
from cbir.serving.review.groups import PAGE, Order, Wanted
from cbir.serving.review.ledger import Pair
from flows.review.web import SEE_OTHER, Form, Person, around, field, ids_of, show

MOST_ROWS = 500  # of the table of sources
SHOWN = 8  # pictures of a group in the list
ACTIONS = ("confirm", "different", "same scene", "merge", "join", "note")
APART: dict[str, Relation] = {"different": "different", "same scene": "same scene"}

Text = Annotated[str, Query(max_length=200)]


def add_groups(app: FastAPI, desk: Desk) -> None:
    """Adds the pages to the application."""
    _add_list(app, desk)
    _add_group(app, desk)


def _add_list(app: FastAPI, desk: Desk) -> None:
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

    @app.post("/groups")
    def merge_groups(person: Person, form: Form) -> Response:
        group_ids = form.get("chosen", [])
        return _kept(desk, person, "".join(group_ids[:1]), desk.groups.merged(group_ids), field(form, "note"))


def add_circulation(app: FastAPI, desk: Desk) -> None:
    """Adds the page of the sources that share photographs."""

    @app.get("/circulation")
    def show_circulation(person: Person) -> Response:
        table = desk.findings.circulation.head(MOST_ROWS)
        return show(
            "circulation.html", **around(desk, person), path="/circulation", rows=table.to_dict("records"),
            count=len(desk.findings.circulation), axis=Axis.of(table), known=bool(desk.findings.metadata),
        )  # fmt: skip


def _add_group(app: FastAPI, desk: Desk) -> None:
    @app.get("/groups/{group_id}")
    def show_group(group_id: str, person: Person) -> Response:
        remarks = desk.remarks(group_id)
        joining = [image for image, _ in remarks.joining if image in desk.findings][:SHOWN]
        perhaps = desk.groups.perhaps(group_id)[:SHOWN]
        return show(
            "group_page.html", **around(desk, person), path="/groups", group_id=group_id, images=desk.group(group_id),
            remarks=remarks, joining=desk.describe(joining),
            appeared=appearances(desk.groups.members(group_id), desk.findings.metadata),
            perhaps=list(zip(perhaps, desk.describe([each.image for each in perhaps]), strict=True)),
        )  # fmt: skip

    @app.post("/groups/{group_id}")
    def decide_group(group_id: str, person: Person, form: Form) -> Response:
        action, note = field(form, "action"), field(form, "note")
        decisions: list[tuple[Pair, Relation]] = []
        if best := field(form, "best"):
            desk.choose_best(person, group_id, best, note=note)
        elif action == "note":
            desk.write_note(person, group_id, note.strip(), about=field(form, "about"))
        elif action == "merge":
            decisions = desk.groups.merged([group_id, _named(field(form, "other"))])
        elif action == "join":
            decisions = [(ids_of(field(form, "pair")), SAME)]
        elif action == "confirm":
            decisions = desk.groups.confirmed(group_id)
        elif action in APART:
            decisions = desk.groups.parted(group_id, form.get("image", []), APART[action])
        else:
            raise UserError(f"action must be one of {', '.join(ACTIONS)}, is {action!r}")
        return _kept(desk, person, group_id, decisions, note)


def _kept(desk: Desk, person: str, group_id: str, decisions: list[tuple[Pair, Relation]], note: str) -> Response:
    """Keeps decisions, and leads to the page of a group."""
    for pair, relation in decisions:
        desk.decide(person, *pair, relation, note=note)
    return RedirectResponse(f"/groups/{quote(group_id)}", SEE_OTHER)


def _named(address: str) -> str:
    """Returns the group_id in what people paste: the address of its page, or the id."""
    return address.strip().rstrip("/").rpartition("/")[2]
