"""The settings of the library, those that params.yaml comes with."""

from typing import Final

from cbir.archive.cleaning import Labour
from cbir.archive.inspection import Rules
from cbir.matching.archive import Matching

LONGEST_SIDE: Final = 512  # px of the reduced images
RULES: Final = Rules(
    longest_side=LONGEST_SIDE, max_pixels=1_000_000_000, max_bytes=4_000_000_000, min_side=32, blank_deviation=2.0
)
LABOUR: Final = Labour(timeout=120, workers=0)
NEIGHBOURS: Final = 30  # of every image
MATCHING: Final = Matching(features=500, neighbours=10, votes=6, implied=10, closer=2)
THRESHOLD: Final = 0.5  # probability
