"""The backbone as it comes: nothing is trained."""

from cbir.encoder import Encoder
from cbir.training import Objective, Settings


def objective(encoder: Encoder, settings: Settings) -> Objective | None:
    """Nothing to minimise."""
    return None
