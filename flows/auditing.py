"""Defines `cbir audit`: draws a sample of the published pairs, and reports what a person says of them."""

import getpass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from cbir.base.errors import UserError
from flows.workspace.place import from_here

app = typer.Typer(no_args_is_help=True, help="Judge a random sample of the published pairs; see what it promises.")


@app.command()
def draw(
    pairs: Annotated[int | None, typer.Option(min=1, help="How many; default: enough where none is wrong.")] = None,
    seed: Annotated[int, typer.Option(help="Another seed draws other pairs.")] = 0,
) -> None:
    """Write reports/audit.csv, a sheet of pairs to judge: right, wrong or unsure.

    Example: cbir audit draw --pairs 59
    """
    from flows.workspace.settings import require_workspace

    paths = require_workspace()
    from cbir.archive.manifest import read_manifest
    from cbir.audit.bounds import fewest_judged
    from cbir.audit.draw import draw_pairs
    from cbir.audit.record import count_pairs
    from cbir.audit.sheet import write_sheet
    from cbir.groups.table import read_groups

    groups, precision = read_groups(paths.groups), _target()
    drawn = draw_pairs(groups, count=pairs or fewest_judged(precision), seed=seed)
    sheet = paths.reports / "audit.csv"
    write_sheet(sheet, drawn, groups=groups, manifest=read_manifest(paths.manifest), archive=paths.raw, seed=seed)
    table = ", ".join(f"{fewest_judged(precision, wrong=wrong)} with {wrong} wrong" for wrong in range(3))
    print(f"{sheet}: {len(drawn)} of the {count_pairs(groups)} pairs in groups")
    print("write right, wrong or unsure in the column verdict of every row, and save the file")
    print(f"to promise {precision:g} takes {table}: choose the number (--pairs) before you look, not after")
    print(f"next: cbir audit report {sheet}")


@app.command()
def report(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", callback=from_here, help="The sheet of `cbir audit draw`, filled in.")
    ],
) -> None:
    """Say what the verdicts promise, and keep it for the report until the groups change.

    Example: cbir audit report reports/audit.csv
    """
    from flows.workspace.settings import require_workspace

    paths = require_workspace()
    from cbir.audit.certificate import Stand, witnessed
    from cbir.audit.conclusion import conclude, shortfall
    from cbir.audit.record import audit_in_words, write_audit
    from cbir.audit.sheet import read_verdicts
    from cbir.groups.table import read_groups
    from flows.workspace.exclusive import hold_workspace

    verdicts, groups = read_verdicts(file), read_groups(paths.groups)
    audit = conclude(file, verdicts, groups, date=datetime.now(UTC).date().isoformat())
    if verdicts.judged < verdicts.pairs:
        print(f"{verdicts.judged} of {verdicts.pairs} pairs have a verdict, {verdicts.wrong} of them wrong or unsure")
        print(f"{verdicts.pairs - verdicts.judged} more have to be judged before anything can be said")
        return
    with hold_workspace("cbir audit report"):
        audit = witnessed(audit, (), Stand(groups, paths.manifest, paths.encoder), person=getpass.getuser())
        record = write_audit(paths.audits, audit, sheet=verdicts.sheet)
    print(audit_in_words(audit))
    if missing := shortfall(audit, _target()):
        print(missing)
    print(f"kept in {record}; next: `cbir run` puts it into the report")


def _target() -> float:
    """Returns the precision that is to be promised; all of them right is more than a sample can say."""
    from cbir.evaluation.retrieval.protocol import TargetPrecision
    from tasks.harness.settings import PARAMS, load_value, read_yaml

    target = load_value("evaluate.target_precision", TargetPrecision, read_yaml(PARAMS))
    if target == 1:
        raise UserError("evaluate.target_precision is 1, which no sample can promise; set 0.99 or less")
    return float(target)
