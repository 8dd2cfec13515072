"""Checks what a run needs around it, before it starts: each fault of the machine is one sentence with the way out."""

import os
import socket
import ssl
from pathlib import Path

import httpx

from cbir.base.errors import UserError, shared_memory_trouble
from tasks.harness.settings import GRAPH, Paths
from tasks.tracking.facts import without_credentials

CERTIFICATES = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")  # variables that libraries read
PROXIES = ("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY")
LOOPBACK = "127.0.0.1"
LOOPBACK_TIMEOUT = 30  # seconds
CODE = ("cbir", "tasks", "flows")  # the packages of a clone


def require_surroundings(paths: Paths) -> None:
    """Raises UserError for the first thing around the workspace with which no run would come to its end."""
    require_certificates()
    require_proxies()
    require_loopback()
    require_within_reach(paths.raw)
    if trouble := shared_memory_trouble():
        raise UserError(trouble)


def require_own_code(workspace: Path, *, home: Path = Path(__file__).parents[2]) -> None:
    """Raises UserError where a workspace has other code than the command: its stages would run that, its flows this.

    Args:
        home: the folder that the command's own code lies in.
    """
    if workspace.resolve() == home or not (workspace / GRAPH).exists():
        return
    for package in CODE:
        if (workspace / package).is_dir() and (other := _first_difference(workspace / package, home / package)):
            raise UserError(
                f"{package}/{other} here in {workspace.resolve()} is other code than that of {home}, which this "
                "command runs; make an environment for this folder (make .venv/.ready, then .venv/bin/cbir), or run "
                f"PYTHONPATH={workspace.resolve()} cbir"
            )


def require_no_namesakes(workspace: Path) -> None:
    """Raises UserError for a module in a workspace that its stages would import in place of a package of cbir."""
    for package in CODE:
        module = workspace.resolve() / f"{package}.py"
        if module.exists() and not module.with_suffix("").is_dir():
            raise UserError(f"{module} would be imported in place of the package {package} of cbir; rename it")


def _first_difference(package: Path, other: Path) -> str | None:
    """Returns the first module that is not the same in two folders of code."""
    mine, its = ({str(p.relative_to(top)): p.read_bytes() for p in top.rglob("*.py")} for top in (package, other))
    return next((name for name in sorted({**mine, **its}) if mine.get(name) != its.get(name)), None)


def require_certificates() -> None:
    """Raises UserError for a variable that names certificates that cannot be read: libraries do not say which it is."""
    for name in CERTIFICATES:
        place = os.environ.get(name)
        try:
            if place and not Path(place).is_dir():
                ssl.create_default_context(cafile=place)
        except OSError as error:  # ssl.SSLError is one
            raise UserError(
                f"{name} is {place}, which holds no certificates ({_why(error)}); correct or unset it"
            ) from error


def require_proxies() -> None:
    """Raises UserError for a proxy that Prefect's client could not use, even if no proxy leads to this machine."""
    try:
        httpx.Client().close()
    except (ImportError, ValueError, httpx.InvalidURL) as error:
        named = (f"{name} is {without_credentials(os.environ[name])}" for name in PROXIES if os.environ.get(name))
        raise UserError(
            f"{', '.join(named)}, which is no proxy that can be used ({error}); correct or unset it"
        ) from error


def require_loopback() -> None:
    """Raises UserError where no program reaches another one of this machine: a server would be waited for in vain."""
    try:
        with socket.create_server((LOOPBACK, 0)) as server:
            socket.create_connection(server.getsockname(), timeout=LOOPBACK_TIMEOUT).close()
    except OSError as error:
        raise UserError(
            f"{LOOPBACK}, this machine, cannot be reached ({error.strerror or error}), where Prefect's server is; "
            "bring up the loopback interface (ip link set lo up)"
        ) from error


def _why(error: OSError) -> str:
    return "no certificate in it" if isinstance(error, ssl.SSLError) else (error.strerror or str(error)).lower()


def require_within_reach(archive: Path) -> None:
    """Raises UserError for an archive that DVC does not follow: behind a link, or outside of the workspace."""
    workspace, place = Path(os.path.realpath(Path.cwd())), Path(os.path.realpath(archive))
    if not archive.is_absolute() and place == workspace / os.path.normpath(archive):
        return
    if archive.is_absolute() and place.is_relative_to(workspace):
        return
    if archive.is_absolute() or ".." in archive.parts:
        raise UserError(
            f"paths.raw is {archive}, outside of {workspace}, where DVC follows nothing; give it a folder in here, and "
            f"bring the images in (cbir import {place} --link) or mount them there (mount --bind {place} FOLDER)"
        )
    raise UserError(
        f"{archive} leads by a link to {place}, and DVC follows no link; remove the link, and bring the images in "
        f"(cbir import {place} --link) or mount them there (mount --bind {place} {archive})"
    )
