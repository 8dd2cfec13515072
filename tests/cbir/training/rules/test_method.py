"""cbir.training.rules.method: what a method takes of the settings is told before a network is built."""

import pytest

from cbir.base.errors import UserError
from cbir.training.rules.method import require_method


def test_two_equal_views_are_refused() -> None:
    with pytest.raises(UserError, match=r"train.augmentation is none, but train.method simclr compares two different"):
        require_method("simclr", tune="full", keep="loss", augmentation="none")
    require_method("clip", tune="full", keep="loss", augmentation="none")
