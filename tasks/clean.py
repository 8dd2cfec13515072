"""Stage clean: looks at every file of the archive, writes the manifest and the cleaning report."""

import logging

from tqdm import tqdm

from cbir.archive.cleaning import Labour, clean_archive, count_images, summary, write_report
from cbir.archive.inspection import Rules
from cbir.archive.manifest import write_manifest
from cbir.base.files import write_json
from tasks.harness.settings import Paths
from tasks.harness.stage import main

log = logging.getLogger(__name__)


def clean(paths: Paths, *, rules: Rules, labour: Labour) -> None:
    """Writes the manifest of the archive, its counts and what was rejected, and fills the store of reduced images."""
    rows = clean_archive(paths.raw, paths.store, rules=rules, labour=labour, progress=tqdm)
    report = paths.reports / "cleaning.csv"
    write_manifest(paths.manifest, rows)
    write_report(report, rows)
    counts = count_images(rows)
    write_json(paths.reports / "clean.json", counts)
    log.info("%s", summary(counts))
    log.info("the manifest is %s; what was rejected and why is in %s", paths.manifest, report)


if __name__ == "__main__":
    main(clean)
