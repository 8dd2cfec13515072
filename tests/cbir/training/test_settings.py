from typing import Any

import pytest

from cbir.errors import UserError
from cbir.training.settings import Settings


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"temperature": 0.0}, "train.temperature must be above 0, is 0.0"),
        ({"learning_rate": -1.0}, "train.learning_rate must be above 0, is -1.0"),
        ({"head_learning_rate": float("nan")}, "train.head_learning_rate must be above 0, is nan"),
        ({"batch_size": 1}, "train.batch_size must be at least 2, is 1"),
        ({"epochs": 0}, "train.epochs must be at least 1, is 0"),
        ({"patience": 0}, "train.patience must be at least 1, is 0"),
        ({"workers": -1}, "train.workers must be at least 0, is -1"),
        ({"koleo": -0.5}, "train.koleo must be at least 0, is -0.5"),
        ({"clip_norm": -1.0}, "train.clip_norm must be at least 0, is -1.0"),
        ({"lora_rank": 0}, "train.lora_rank must be at least 1, is 0"),
        ({"text_blocks": -1}, "train.text_blocks must be at least 0, is -1"),
        ({"lora_dropout": 1.0}, "train.lora_dropout must be at least 0 and below 1, is 1.0"),
        ({"clean_views": -0.1}, "train.clean_views must be at least 0 and below 1, is -0.1"),
    ],
)
def test_a_setting_out_of_range_is_refused(changes: dict[str, Any], sentence: str) -> None:
    with pytest.raises(UserError, match=sentence):
        Settings(**changes)


@pytest.mark.parametrize("restarts", [[0], [5, 5], [7, 3], [10], [11]])
def test_restarts_rise_within_the_epochs(restarts: list[int]) -> None:
    with pytest.raises(UserError, match=r"train.restarts must be rising epochs between 0 and train.epochs \(10\), is"):
        Settings(epochs=10, restarts=restarts)
