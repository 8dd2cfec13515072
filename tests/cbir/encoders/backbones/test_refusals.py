"""cbir.encoders.backbones.refusals: one sentence with the way out."""

import pytest

from cbir.base.errors import UserError
from cbir.encoders.backbones.refusals import no_download, one_line, refusing_options, unknown, unknown_tag


def test_an_unknown_name_is_shown_with_the_nearest_ones() -> None:
    known = ["timm/resnet18", "timm/resnet50", "timm/vit_base"]
    assert str(unknown("timm/resnet81", known)).endswith("is unknown; did you mean timm/resnet18 or timm/resnet50?")
    assert str(unknown("x", known)) == "backbone x is unknown; there are timm/resnet18, timm/resnet50, timm/vit_base"


def test_an_unknown_tag_is_shown_with_the_nearest_ones() -> None:
    assert str(unknown_tag("timm/any", "a1_in2k", ["a1_in1k"])) == (
        "backbone timm/any has no pretrained tag 'a1_in2k'; did you mean a1_in1k?"
    )
    assert str(unknown_tag("timm/any", "a1", [])).endswith("it has none; give its name without a tag")


def test_what_a_constructor_objects_to_is_the_users_options() -> None:
    with (
        pytest.raises(
            UserError, match=r"timm/any cannot be built with backbone_options {'depth': 0}: division by zero"
        ),
        refusing_options("timm/any", {"depth": 0}),
    ):
        1 / 0  # noqa: B018


def test_an_error_of_many_lines_becomes_a_part_of_a_sentence() -> None:
    assert one_line(ValueError("no\n  route\tto host")) == "no route to host"
    assert len(one_line(ValueError("long " * 100))) == 300
    assert one_line(ValueError()) == "ValueError"
    assert "could not be downloaded (no route)" in str(no_download("timm/any", OSError("no route")))
