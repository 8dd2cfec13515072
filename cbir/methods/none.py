"""The backbone as it comes: nothing is trained."""

import pandas as pd

from cbir.encoder import Encoder
from cbir.objective import Objective, Settings


def objective(encoder: Encoder, images: pd.DataFrame, settings: Settings) -> Objective | None:
    """Nothing to minimise."""
    return None
