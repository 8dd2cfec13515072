"""cbir.training.objective: methods that there are not are refused."""

import pandas as pd
import pytest

from cbir.base.errors import UserError
from cbir.encoders.encoder import build_encoder
from cbir.training.objective import build_objective
from tests.support.training import train_settings

NOTHING = pd.DataFrame()


def test_an_unknown_method_is_refused_with_those_there_are() -> None:
    encoder = build_encoder(backbone="timm/test_resnet", image_size=32)
    with pytest.raises(UserError, match=r"train.method must be one of .*classifier.*none.*simclr.*, is 'byol'"):
        build_objective("byol", encoder, NOTHING, train_settings())


@pytest.mark.parametrize("method", ["simclr", "none", "classifier"])
def test_only_clip_is_tuned_in_parts(method: str) -> None:
    encoder = build_encoder(backbone="timm/test_resnet", image_size=32)
    with pytest.raises(UserError, match=f"train.tune lora is for train.method clip alone, is set with {method}"):
        build_objective(method, encoder, NOTHING, train_settings(tune="lora"))


@pytest.mark.parametrize("method", ["clip", "classifier"])
def test_only_a_method_that_compares_views_keeps_the_epoch_by_retrieval(method: str) -> None:
    encoder = build_encoder(backbone="timm/test_resnet", image_size=32)
    with pytest.raises(UserError, match=f"train.keep retrieval is for train.method simclr alone, is set with {method}"):
        build_objective(method, encoder, NOTHING, train_settings(keep="retrieval"))
