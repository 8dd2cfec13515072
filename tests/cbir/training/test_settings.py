"""cbir.training.settings: values that do not go together are refused."""

import pytest

from cbir.base.errors import UserError
from tests.support.training import train_settings


@pytest.mark.parametrize("restarts", [[0], [5, 5], [7, 3], [10], [11]])
def test_restarts_rise_within_the_epochs(restarts: list[int]) -> None:
    with pytest.raises(UserError, match=r"train.restarts must be rising epochs between 0 and train.epochs \(10\), is"):
        train_settings(epochs=10, restarts=restarts)


def test_a_batch_has_two_images_for_each_process() -> None:
    assert train_settings(batch_size=8, devices=2, nodes=2).ranks == 4
    with pytest.raises(UserError, match=r"train.batch_size must be at least 2 for each of 4 processes, is 7; raise it"):
        train_settings(batch_size=7, devices=2, nodes=2)
