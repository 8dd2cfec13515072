"""Imports archives into the workspace: files into data/raw, told to DVC, and reference files into params.yaml."""

import logging
import tempfile
from pathlib import Path

from cbir.arrivals.importing import Accession, bring_in, bring_reference, write_left_out
from cbir.base.display import Progress, silent
from flows.repository.accessions import require_dvc, tell_dvc
from flows.workspace.settings import require_workspace, set_params
from tasks.harness.settings import Paths

log = logging.getLogger("flows")


def import_archive(
    source: Path,
    groundtruth: Path | None = None,
    captions: Path | None = None,
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
    known: dict[str, Path] = {}
    if groundtruth is not None:
        known["groundtruth.file"] = bring_reference(groundtruth, paths.reference, kind="groundtruth")
    if captions is not None:
        known["groundtruth.captions"] = bring_reference(captions, paths.reference, kind="captions")
    accession = bring_in(source, paths.raw, name=name, link=link, progress=progress)
    tell_dvc([paths.raw / accession.name, *known.values()])
    if accession.skipped:
        write_left_out(left_out_report(paths, accession), accession)
    values = {name: file.relative_to(paths.reference).as_posix() for name, file in known.items()}
    for change in set_params([], preset=values):
        log.info("params.yaml: %s", change)
    return accession


def left_out_report(paths: Paths, accession: Accession) -> Path:
    """Returns the table that lists what an import left where it was."""
    return paths.reports / "imports" / f"{accession.name}.csv"


def import_sample(*, scenes: int, progress: Progress = silent) -> list[Accession]:
    """Makes the sample archive and bring each of its accessions in, with its ground truth and captions."""
    from cbir.sample.archive import make_sample  # it loads torch

    with tempfile.TemporaryDirectory(prefix="cbir-sample-") as folder:
        sample = make_sample(Path(folder), scenes=scenes, progress=progress)
        first, *others = sample.accessions
        made = import_archive(first, groundtruth=sample.groundtruth, captions=sample.captions)
        return [made, *(import_archive(source) for source in others)]
