"""cbir.serving.export: each pair once, by its files."""

import pandas as pd

from cbir.serving.export import group_rows, pair_rows

MANIFEST = pd.DataFrame(
    {
        "image_id": ["1", "1", "2", "3", None],
        "path": ["old/a.jpg", "old/copy.jpg", "old/b.jpg", "new/c.jpg", "new/bad.jpg"],
        "page": [0, 0, 0, 0, 0],
        "accession": ["old", "old", "old", "new", "new"],
    }
)
GROUPS = pd.DataFrame(
    {
        "group_id": ["1", "1"],
        "image_id": ["1", "2"],
        "representative": [True, False],
        "similarity": 0.9,
        "evidence": "m",
    }
)
MATCHES = pd.DataFrame(
    {
        "query_id": ["1", "2", "1", "3", "2", "3"],
        "neighbour_id": ["2", "1", "3", "1", "3", "2"],
        "probability": [0.9, 0.9, 0.6, 0.6, 0.1, 0.1],
        "similarity": 0.5,
        "relation": "same photograph",
        "mirrored": False,
    }
)


def test_a_pair_stands_once_above_the_threshold_the_most_probable_first() -> None:
    rows = pair_rows(MATCHES, MANIFEST, GROUPS, threshold=0.5)
    assert list(zip(rows["file"], rows["other_file"], strict=True)) == [
        ("old/a.jpg", "old/b.jpg"),
        ("old/a.jpg", "new/c.jpg"),
    ]
    assert rows["group_id"].fillna("").tolist() == ["1", ""]


def test_exact_copies_have_rows_of_their_own_in_groups() -> None:
    assert group_rows(GROUPS, MANIFEST)["file"].tolist() == ["old/a.jpg", "old/b.jpg", "old/copy.jpg"]
