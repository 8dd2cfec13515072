"""Defines `cbir run`: checks all settings, writes them, runs the flow, and says what came of it."""

import logging
import sys
from collections.abc import Mapping
from dataclasses import asdict
from typing import Annotated, Any

import typer

from cbir.base.display import visible, visible_lines
from cbir.base.errors import UserError
from flows.commands.speaking import Json, error_line, print_json
from flows.foreground import make_ready, run_flow, workspace
from flows.workspace.exclusive import hold_workspace
from tasks.harness.settings import PARAMS, Paths

app = typer.Typer()


def set_option(words: str) -> Any:
    """Returns the option --set, which may be given again and again."""
    return typer.Option("--set", metavar="SECTION.KEY=VALUE", help=f"{words} Repeat it for several.")


@app.command()
def run(
    preset: Annotated[str | None, typer.Option(metavar="NAME", help="Write a preset to params.yaml first.")] = None,
    settings: Annotated[list[str] | None, set_option("Change params.yaml, after the preset.")] = None,
    force: Annotated[
        list[str] | None,
        typer.Option(metavar="STAGE", help="Run it even when it is up to date. Repeat it for several."),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would run, why and how long.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Keep the new encoder, even if it is worse.")] = False,
    as_json: Json = False,
) -> None:
    """Bring everything up to date: every stage of dvc.yaml whose inputs have changed, in order.

    Example: cbir run --preset dinov2-s14 --set index.k=50
    """
    from flows.workspace.settings import set_params

    if as_json and not dry_run:
        raise UserError("--json is for --dry-run; after a run, `cbir status --json` says how the archive stands")
    workspace()
    with hold_workspace("cbir run"):
        written = PARAMS.read_text(encoding="utf-8")
        values, check = _values_of(preset), _checked(force or [])
        changes = set_params(settings or [], preset=values, check=check, write=not dry_run)
        for change in changes:
            print(f"params.yaml: {change}", file=sys.stderr)
        if dry_run:
            _show_plan([change.partition(":")[0] for change in changes], force or [], as_json=as_json)
            return
        paths = workspace(sound=True)  # as it is set now
        make_ready(paths)
        from flows.pipeline.flow import pipeline
        from flows.pipeline.recorder import begun_by
        from flows.summary import failure_summary
        from flows.unattended.keeping import in_service, loss
        from flows.unattended.registry import is_reconciled, reconcile

        begun_by.set(("cbir run", preset or ""))
        before = in_service(paths)
        outcomes, failure = run_flow(pipeline, force or [])
        if not failure and not yes and (worse := loss(before, paths)):
            outcomes, failure = _settled(outcomes, written, worse)
        if any(outcome.ran for outcome in outcomes) or not is_reconciled():
            reconcile(logging.getLogger("flows").log)
    if failure:
        print("\n" + visible_lines(failure_summary(outcomes, paths)))
        sys.exit(error_line(visible(failure)))
    _say(outcomes, paths)


def _say(outcomes: list[Any], paths: Paths) -> None:
    """Prints the summary, and the commit with which later runs are compared where there is none yet."""
    from flows.repository.versioning import awaits_first_commit
    from flows.summary import FIRST_COMMIT, summary

    print("\n" + visible_lines(summary(outcomes, paths)))
    if awaits_first_commit():
        print(FIRST_COMMIT)


def _values_of(preset: str | None) -> dict[str, Any] | None:
    if preset is None:
        return None
    from flows.studies.presets import encoder_values

    return encoder_values(preset)


def _show_plan(changed: list[str], force: list[str], *, as_json: bool) -> None:
    from flows.pipeline.forecast import foresee, plan_in_words

    steps = foresee(changed=changed, force=force)
    if as_json:
        print_json({"settings": changed, "stages": [asdict(step) for step in steps]})
    else:
        print(visible_lines(plan_in_words(steps)) or "nothing would run")


def _settled(outcomes: list[Any], written: str, worse: str) -> tuple[list[Any], str | None]:
    """Asks whether a worse encoder is to go into service, and brings back the settings before the run where it is not.

    With them comes the encoder, which DVC remembers. Settings that the command did not change it cannot bring back.
    """
    if PARAMS.read_text(encoding="utf-8") == written:
        logging.getLogger("flows").warning("the new encoder is worse: %s; `cbir rollback` goes back", worse)
        return outcomes, None
    if sys.stdin.isatty() and typer.confirm(f"\nThe new encoder is worse: {worse}. Put it into service?", err=True):
        return outcomes, None
    from flows.pipeline.flow import pipeline
    from flows.unattended.keeping import as_before
    from flows.workspace.settings import write_settings

    write_settings(written)
    outcomes, failure = run_flow(pipeline, [])
    return outcomes, failure or f"{as_before(worse)}, --yes keeps the new one"


def _checked(force: list[str]) -> Any:
    """Returns the check of all settings and of the names of stages, before any setting is written."""

    def check(params: Mapping[str, Any]) -> None:
        from flows.workspace.checks import require_run

        require_run(params, force)

    return check
