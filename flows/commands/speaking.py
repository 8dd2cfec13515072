"""Decides how much commands say and in which colours, and arranges their help."""

import json
import logging
import os
import sys
from typing import Annotated, Any

import typer

from cbir.base.display import VisibleFormatter

PANELS = {
    "Daily": ("import", "run", "search", "status", "open", "review", "why", "decide", "audit", "export", "refresh"),
    "Model": ("presets", "study", "retrain", "promote", "rollback", "config"),
    "Service": ("init", "sample", "remove", "serve", "ui", "doctor", "upgrade"),
}
RED, PLAIN = "\033[31m", "\033[0m"


def arrange(app: typer.Typer) -> None:
    """Puts each command under its heading of the help, in the order of ``PANELS``."""
    headings = {name: heading for heading, names in PANELS.items() for name in names}
    parts = [group.typer_instance for group in app.registered_groups if not group.name and group.typer_instance]
    commands = [command for part in (app, *parts) for command in part.registered_commands]
    app.registered_groups = [group for group in app.registered_groups if group.name]
    app.registered_commands = sorted(commands, key=lambda command: [*headings, _name(command)].index(_name(command)))
    for group in app.registered_groups:
        group.rich_help_panel = headings.get(str(group.name))
    for command in commands:
        command.rich_help_panel = headings.get(_name(command))


def _name(command: typer.models.CommandInfo) -> str:
    return command.name or (command.callback.__name__ if command.callback else "")


def say(*, quiet: bool = False, verbose: bool = False) -> None:
    """Sets what is said on the terminal: less, or each line with its time."""
    logger = logging.getLogger("flows")
    logger.setLevel(logging.WARNING if quiet else logging.INFO)
    if quiet:
        os.environ["TQDM_DISABLE"] = "1"
    if verbose:
        for handler in logger.handlers:
            handler.setFormatter(VisibleFormatter("%(asctime)s %(message)s", lines=True))


def error_line(sentence: str) -> str:
    """Returns a sentence as an error: red where the terminal has colours and NO_COLOR is not set."""
    coloured = sys.stderr.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    return f"{RED}error:{PLAIN} {sentence}" if coloured else f"error: {sentence}"


def print_json(document: Any) -> None:
    """Prints the same as JSON that a command otherwise prints for people."""
    print(json.dumps(document, indent=1, ensure_ascii=False))


def _show_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        print(f"cbir {version('cbir')}, Python {sys.version.split()[0]}")
        raise typer.Exit


Version = Annotated[
    bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and end.")
]
Json = Annotated[bool, typer.Option("--json", help="As JSON, for programs.")]
Quiet = Annotated[bool, typer.Option("-q", "--quiet", help="Say only results, warnings and errors.")]
Verbose = Annotated[bool, typer.Option("-v", "--verbose", help="Say the time of each line.")]
