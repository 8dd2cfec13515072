"""Groups that were found, for the tests of the reports."""

import numpy as np
import pandas as pd

from cbir.groups.rows import report_rows
from cbir.reports.thumbnails import Thumbnail, thumbnail
from tests.support.manifests import image_id_of, manifest

EVIL = [
    "<script>alert(1)</script>",
    "</script><img src=x onerror=alert(1)>",
    "<!--",
    "]]>",
    '" onmouseover="alert(1)',
    "' autofocus onfocus='alert(1)",
    "javascript:alert(1)",
    "{{ 7 * 7 }}",
    "line\u2028separator",
    "&lt;b&gt;",
]


def grouped(**members: tuple[str, ...]) -> pd.DataFrame:
    """The table of groups, each by the paths of its images; the first is the representative."""
    return pd.DataFrame(
        [
            {
                "group_id": image_id_of(paths[0]),
                "image_id": image_id_of(path),
                "representative": place == 0,
                "similarity": 1.0 if len(paths) == 1 else 0.99 - 0.01 * place,
                "evidence": "exact copy" if len(paths) == 1 else "match",
            }
            for paths in members.values()
            for place, path in enumerate(paths)
        ],
        columns=["group_id", "image_id", "representative", "similarity", "evidence"],
    )


def known(captions: dict[str, str], groups: dict[str, str] | None = None) -> pd.DataFrame:
    """The ground truth of images by path."""
    paths = sorted({*captions, *(groups or {})})
    table = {
        "image_id": [image_id_of(path) for path in paths],
        "group_id": [(groups or {}).get(path) for path in paths],
        "split": ["test" if path in (groups or {}) else None for path in paths],
        "caption": [captions.get(path) for path in paths],
        "caption_en": [None for _ in paths],
    }
    return pd.DataFrame(table, dtype="str")


def rows_of(
    groups: pd.DataFrame,
    table: pd.DataFrame,
    captions: dict[str, str] | None = None,
    labels: dict[str, str] | None = None,
) -> pd.DataFrame:
    """Report rows; every file is a JPEG of 40 × 30 pixels."""
    usable = table["status"] == "ok"
    table.loc[usable, ["width", "height"]] = [40, 30]
    table.loc[usable, "format"] = "JPEG"
    return report_rows(groups, table, known(captions or {}, labels))


def evil_rows() -> pd.DataFrame:
    """A group an evil text, which is the caption and part of a file name of each member."""
    names = {
        text: [f"a/{place}{text.replace('/', '|')}{suffix}.jpg" for suffix in "xy"] for place, text in enumerate(EVIL)
    }
    groups = grouped(**{f"g{place}": tuple(paths) for place, paths in enumerate(names.values())})
    table = manifest(*(path for paths in names.values() for path in paths))
    return rows_of(groups, table, {path: text for text, paths in names.items() for path in paths})


def thumbnails_of(rows: pd.DataFrame) -> dict[str, Thumbnail]:
    """A thumbnail an image; no two are the same."""
    random = np.random.default_rng(0)
    images = rows["image_id"].unique()
    pixels = random.integers(0, 255, (len(images), 30, 40), dtype=np.uint8)
    return {name: thumbnail(image, page_side=40, sheet_side=40) for name, image in zip(images, pixels, strict=True)}
