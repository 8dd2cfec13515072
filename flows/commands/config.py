"""Defines `cbir config`: shows and changes the settings of params.yaml, with its comments."""

from typing import Annotated, Any

import typer

from cbir.base.display import visible_lines
from cbir.base.errors import UserError
from flows.commands.speaking import Json, print_json
from flows.foreground import workspace

app = typer.Typer(no_args_is_help=True, help="Show and change settings: list, get, set, diff.")


@app.command("list")
def list_(
    section: Annotated[str | None, typer.Argument(metavar="SECTION", help="Only this section.")] = None,
    as_json: Json = False,
) -> None:
    """List all settings, or those of a section. Example: cbir config list train"""
    values = _values()
    chosen = {name: value for name, value in values.items() if section in (None, name.partition(".")[0])}
    if not chosen:
        sections = ", ".join(dict.fromkeys(name.partition(".")[0] for name in values))
        raise UserError(f"params.yaml has no section {section}; there are {sections}")
    _show(chosen, as_json=as_json)


@app.command()
def get(name: Annotated[str, typer.Argument(metavar="SECTION.KEY")], as_json: Json = False) -> None:
    """Print one value. Example: cbir config get train.backbone"""
    from flows.workspace.settings import present

    workspace()
    value = present(name, _params())
    if as_json:
        print_json(value)
    else:
        print(value)


@app.command("set")
def set_(
    settings: Annotated[list[str], typer.Argument(metavar="SECTION.KEY=VALUE", help="One or several.")],
) -> None:
    """Change settings, all of them or none; comments stay. Example: cbir config set index.k=50"""
    from flows.workspace.checks import require_settings
    from flows.workspace.exclusive import hold_workspace
    from flows.workspace.settings import set_params

    workspace()
    with hold_workspace("cbir config set"):
        for change in set_params(settings, check=require_settings):
            print(change)


@app.command()
def diff(as_json: Json = False) -> None:
    """List the settings that differ from those that ship. Example: cbir config diff"""
    from flows.workspace.checks import defaults

    shipped = defaults()
    changed = {name: value for name, value in _values().items() if name in shipped and shipped[name] != value}
    if as_json:
        print_json({name: [shipped[name], value] for name, value in changed.items()})
        return
    for name, value in changed.items():
        print(visible_lines(f"{name}: {_shown(shipped[name])} → {_shown(value)}"))


def _values() -> dict[str, Any]:
    workspace()
    sections = {name: values for name, values in _params().items() if isinstance(values, dict)}
    return {f"{section}.{key}": value for section, values in sections.items() for key, value in values.items()}


def _params() -> dict[str, Any]:
    from tasks.harness.settings import PARAMS, read_yaml

    return read_yaml(PARAMS)


def _show(values: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        print_json(values)
        return
    for name, value in values.items():
        print(visible_lines(f"{name} = {_shown(value)}"))


def _shown(value: Any) -> Any:
    return "empty" if value == "" else value
