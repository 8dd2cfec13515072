"""A small archive to search: drawn scenes, a crop of one of them, and an encoder that reads words."""

import shutil
from pathlib import Path

import pandas as pd
from PIL import Image

from cbir.base.files import write_json
from cbir.groups.table import write_groups
from cbir.images.ids import image_ids
from cbir.labels.appearances.files import METADATA, write_appearances
from cbir.labels.files import GROUNDTRUTH, write_groundtruth
from cbir.library.archive import Archive
from cbir.matching.table import write_matches
from tests.support.clip import build
from tests.support.pictures import cropped, picture

SCENES = 5


def make_searchable(root: Path) -> None:
    """Writes what a run makes of five scenes, ``old/0.png`` and so on, and of ``new/crop.png``, a crop of the first.

    The encoder of open_clip was never trained: what it finds near is chance, what is verified is not.
    """
    scenes = {f"old/{number}": picture(number) for number in range(SCENES)}
    for name, pixels in {**scenes, "new/crop": cropped(picture(0))}.items():
        file = root / f"raw/{name}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(file)
    build().save(root / "encoder")
    archive = Archive(root / "raw", encoder=root / "encoder", store=root / "store")
    index = archive._index
    (root / "index").symlink_to(index.relative_to(root))
    (root / "embeddings").symlink_to(index.with_name("embeddings").relative_to(root))
    shutil.copy(root / "store/manifest.parquet", root)
    write_matches(root / "matches.parquet", archive._matches)
    write_groups(root / "groups.parquet", archive._grouped(0.5))
    write_groundtruth(root / "groundtruth.parquet", pd.DataFrame(columns=GROUNDTRUTH.names))
    write_appearances(root / "metadata.parquet", pd.DataFrame(columns=METADATA.names))
    write_json(root / "threshold.json", {"threshold": 0.5, "rule": "default", "precision": None})


def named(root: Path, name: str) -> str:
    """Returns the image_id of a file."""
    return image_ids(root / f"raw/{name}.png")[0]
