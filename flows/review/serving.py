"""Runs `cbir review`: one server, on this machine alone, or on a host of the network with a token for each person."""

import getpass
import os
import socket
import webbrowser
from collections.abc import Sequence
from pathlib import Path

import uvicorn

from cbir.base.errors import UserError
from cbir.evaluation.retrieval.protocol import TargetPrecision
from cbir.groups.threshold import Chosen
from cbir.images.reduced import LongestSide, ReducedImages
from cbir.serving.review.audits import AuditFiles, Auditor
from cbir.serving.review.desk import Desk, Settings
from cbir.serving.review.findings import Sources
from cbir.serving.review.pictures import Pictures
from cbir.serving.review.search.queries import Queries
from cbir.serving.review.search.room import SearchFiles, SearchRoom, SearchSettings
from flows.processes.guard import Guard
from flows.processes.servers import HOST
from flows.review.access import Access, make_tokens
from flows.review.app import create_app
from tasks.arrivals import FOLDER
from tasks.harness.settings import PARAMS, Paths, load_section, load_value, read_yaml

PORT = 8765


def review(paths: Paths, *, host: str, port: int | None, people: Sequence[str], browse: bool) -> None:
    """Serves the pages until Ctrl-C.

    Args:
        host: a name or address of this machine in a network; empty: only this machine reaches the server.
        port: None: PORT, or any that is free.
        people: who may decide; with a host each gets a token, without one at most one person, by default the user.
        browse: whether to open the browser.

    Raises:
        UserError: no run has found anything yet, the address cannot be used, or people are missing or too many.
    """
    tokens = _tokens(host, people)
    desk, auditor = open_desk(paths), open_audits(paths)
    room = open_search(paths, desk)
    with _listening(host or HOST, port) as listening:
        number = listening.getsockname()[1]
        named = f"[{host}]" if ":" in host else host
        alone = "" if tokens else (people[0] if people else getpass.getuser())
        access = Access(alone, tokens, f"cbir-review-{number}")
        app = Guard(create_app(desk, access, auditor, room, arrivals=paths.reports / FOLDER), host=named)
        address = f"http://{named or HOST}:{number}"
        for line in _greeting(address, tokens):
            print(line, flush=True)
        if browse and not tokens and "SSH_CONNECTION" not in os.environ:
            webbrowser.open(address)
        uvicorn.Server(uvicorn.Config(app, log_level="warning", ws="none", lifespan="off")).run(sockets=[listening])


def open_desk(paths: Paths) -> Desk:
    """Reads what runs have found in the workspace that is the working directory."""
    params = read_yaml(PARAMS)
    settings = Settings(
        threshold=load_value("group.threshold", Chosen, params),
        longest_side=load_value("images.longest_side", LongestSide, params),
    )
    threshold = paths.reports / "threshold.json"
    sources = Sources(paths.manifest, paths.groundtruth, paths.matches, paths.groups, threshold, paths.metadata)
    reduced = ReducedImages(paths.store, paths.raw, longest_side=settings.longest_side)
    pictures = Pictures(reduced, thumbnails=paths.reports / "thumbnails", archive=Path(paths.raw).absolute())
    return Desk(sources, paths.decisions, pictures, settings)


def open_search(paths: Paths, desk: Desk) -> SearchRoom:
    """Returns who searches the workspace that is the working directory; loads nothing yet."""
    side = load_value("images.longest_side", LongestSide, read_yaml(PARAMS))
    files = SearchFiles(paths.encoder, paths.index, paths.embeddings, paths.store)
    reduced = ReducedImages(paths.store, paths.raw, longest_side=side)
    return SearchRoom(files, Queries(desk.pictures, side=side), reduced, _search_settings)


def _search_settings() -> SearchSettings:
    from cbir.encoders.devices import Precision
    from cbir.matching.archive import Matching

    params = read_yaml(PARAMS)
    return SearchSettings(
        longest_side=load_value("images.longest_side", LongestSide, params),
        listed=load_value("index.k", int, params),
        precision=load_value("embed.precision", Precision, params),
        matching=load_section("match", Matching, params),
    )


def open_audits(paths: Paths) -> Auditor:
    """Returns who runs the audits of the workspace that is the working directory."""
    target = load_value("evaluate.target_precision", TargetPrecision, read_yaml(PARAMS))
    sheet = paths.reports / "audit.csv"
    files = AuditFiles(sheet, paths.audits, paths.raw, paths.manifest, paths.groups, paths.encoder)
    return Auditor(files, target=target)


def _tokens(host: str, people: Sequence[str]) -> dict[str, str]:
    names = [name.strip() for name in people]
    if not all(names) or len({*names}) < len(names):
        raise UserError(f"--person must be names, each once, are {', '.join(map(repr, people))}")
    if host and not names:
        raise UserError(f"--host {host} lets others in, and each needs a token: give --person NAME for everyone")
    if host in ("0.0.0.0", "::"):
        raise UserError(f"--host must be the name or address by which others open the pages, is {host}")
    if not host and len(names) > 1:
        raise UserError(
            f"{len(names)} people need a token each: give --host, the name of this machine in their network"
        )
    return make_tokens(names) if host else {}


def _greeting(address: str, tokens: dict[str, str]) -> list[str]:
    """Returns the lines that say where to go; a token stands behind #, which browsers keep to themselves."""
    if not tokens:
        port = address.rpartition(":")[2]
        tunnel = f"From another machine: ssh -L {port}:127.0.0.1:{port} THIS_MACHINE, then the same address there."
        return [f"Review   {address}", tunnel, "Ctrl-C stops it; every decision is kept as it is made."]
    own = [f"{name}: {address}/enter#{token}" for name, token in tokens.items()]
    warning = "The connection is not encrypted: use it in a network that you trust, or through `ssh -L`."
    return [*own, "Give each person their own address; it is good until Ctrl-C.", warning]


def _listening(host: str, port: int | None) -> socket.socket:
    """Listens at a port; raises UserError where that cannot be."""
    if port is not None and not 0 <= port < 1 << 16:
        raise UserError(f"--port must be from 1 to 65535, is {port}")
    for number in (port,) if port is not None else (PORT, 0):
        try:
            return socket.create_server((host, number), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
        except OSError as error:
            reason = os.strerror(error.errno or 0)
            failure = f"{host} port {number} cannot be used ({reason.lower()}): give another --port or --host, or none"
    raise UserError(failure)
