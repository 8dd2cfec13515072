"""Imports archives into the workspace: files into data/raw, told to DVC, and reference files into params.yaml."""

import json
import logging
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from cbir.arrivals.importing import Accession, bring_in, bring_reference, write_left_out
from cbir.arrivals.removing import move_aside, require_accession
from cbir.base.display import Progress, silent
from cbir.base.errors import UserError
from cbir.base.files import write_json
from cbir.labels.reference import Reference, read_tables
from flows.repository.accessions import forget, require_dvc, tell_dvc
from flows.repository.opening import undisturbed
from flows.workspace.settings import SEVERAL, present, require_workspace, set_params
from tasks.harness.settings import PARAMS, Paths, read_yaml

log = logging.getLogger("flows")


def import_archive(
    source: Path,
    groundtruth: Sequence[Path] = (),
    captions: Path | None = None,
    metadata: Sequence[Path] = (),
    *,
    name: str | None = None,
    link: bool = False,
    progress: Progress = silent,
) -> Accession:
    """Brings a folder of images in as an accession, with what is known of them.

    The reference files are checked and put in place first, so that a mistake in them leaves the archive as it was.

    Raises:
        UserError: the folder, its name or a reference file will not do, or DVC would change linked files.
    """
    paths = require_workspace()
    require_dvc(source, link=link)
    known = _bring_references(groundtruth, captions, metadata, paths, replace=False)
    accession = bring_in(source, paths.raw, name=name, link=link, progress=progress)
    tell_dvc([paths.raw / accession.name, *(file for files in known.values() for file in files)])
    if accession.skipped:
        write_left_out(left_out_report(paths, accession), accession)
    before = _set_references(known, paths)
    write_json(_record(paths), {"accession": accession.name, "settings": before})
    return accession


def import_references(groundtruth: Sequence[Path], captions: Path | None, metadata: Sequence[Path] = ()) -> None:
    """Brings in what is known of the images that are there; a corrected file takes the place of the one of its name.

    Raises:
        UserError: a reference file will not do.
    """
    paths = require_workspace()
    known = _bring_references(groundtruth, captions, metadata, paths, replace=True)
    tell_dvc([file for files in known.values() for file in files])
    _set_references(known, paths)


def _bring_references(
    groundtruth: Sequence[Path], captions: Path | None, metadata: Sequence[Path], paths: Paths, *, replace: bool
) -> dict[str, list[Path]]:
    """Returns the files that were put beside the archive, by the setting that is to name them."""
    known: dict[str, list[Path]] = {}
    for file in groundtruth:
        brought = bring_reference(file, paths.reference, kind="groundtruth", replace=replace)
        known.setdefault("groundtruth.file", []).append(brought)
    if captions is not None:
        brought = bring_reference(captions, paths.reference, kind="captions", replace=replace)
        known["groundtruth.captions"] = [brought]
    for file in metadata:
        brought = bring_reference(file, paths.reference, kind="metadata", replace=replace)
        known.setdefault("groundtruth.metadata", []).append(brought)
    return known


def _set_references(known: Mapping[str, Sequence[Path]], paths: Paths) -> dict[str, Any]:
    """Adds ground truths and metadata to those that there are, sets captions, and returns the values before."""
    params = read_yaml(PARAMS)
    before = {name: present(name, params) for name in known}
    values: dict[str, Any] = {}
    for name, files in known.items():
        names = [file.relative_to(paths.reference).as_posix() for file in files]
        if name in SEVERAL:
            earlier = [before[name]] if isinstance(before[name], str) else before[name]
            names = list(dict.fromkeys(filter(None, [*earlier, *names])))
        values[name] = names if len(names) > 1 else names[0]
    for change in set_params([], preset=values):
        log.info("params.yaml: %s", change)
    return before


def account_of(paths: Paths) -> list[str]:
    """Says what the reference files that are set know of the archive as it is; no image is read."""
    from cbir.arrivals.ahead import manifest_ahead, read_ahead

    known = read_yaml(PARAMS)["groundtruth"]
    reference = Reference(
        paths.reference, known["file"], known["layout"], tuple(known["unlabelled"]), metadata=known["metadata"]
    )
    if not (reference.files or reference.tables):
        return []
    manifest = manifest_ahead(paths.raw)
    groups = read_ahead(reference, manifest).account if reference.files else ()
    return [*groups, *(read_tables(reference, manifest).account if reference.tables else ())]


def remove_accession(name: str) -> Path:
    """Takes an accession out of the archive, and returns where its files are now.

    Raises:
        UserError: there is no such accession.
    """
    paths = require_workspace()
    folder = require_accession(name, paths.raw)
    with undisturbed(paths.raw, Path()):
        aside = move_aside(folder, paths.raw)
    forget(folder)
    trained = [other for other in read_yaml(PARAMS)["groundtruth"]["accessions"] if other != folder.name]
    for change in set_params([], preset={"groundtruth.accessions": trained}):
        log.info("params.yaml: %s", change)
    return aside


def undo_import() -> tuple[str, Path]:
    """Takes the last accession that was imported out again, with the settings that came with it.

    Raises:
        UserError: no import is known, or its accession has gone.
    """
    paths = require_workspace()
    try:
        last = json.loads(_record(paths).read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError("no import is known that could be undone; `cbir remove ACCESSION` takes one out") from error
    aside = remove_accession(last["accession"])
    for change in set_params([], preset=last["settings"]):
        log.info("params.yaml: %s", change)
    _record(paths).unlink()
    return last["accession"], aside


def _record(paths: Paths) -> Path:
    """Returns the file that says what the last import brought."""
    return paths.store / "last_import.json"


def left_out_report(paths: Paths, accession: Accession) -> Path:
    """Returns the table that lists what an import left where it was."""
    return paths.reports / "imports" / f"{accession.name}.csv"


def import_sample(*, scenes: int, progress: Progress = silent) -> list[Accession]:
    """Makes the sample archive and bring each of its accessions in, with its ground truth and captions."""
    from cbir.sample.archive import make_sample  # it loads torch

    with tempfile.TemporaryDirectory(prefix="cbir-sample-") as folder:
        sample = make_sample(Path(folder), scenes=scenes, progress=progress)
        first, *others = sample.accessions
        made = import_archive(first, groundtruth=[sample.groundtruth], captions=sample.captions)
        return [made, *(import_archive(source) for source in others)]
