"""cbir.training.lora: adapters that are really trained and become part of the weights."""

import copy
from pathlib import Path

import pytest
import torch
from torch import nn

from cbir.base.errors import UserError
from cbir.training.lora import CallingAttention, add_adapters, merge_adapters
from tests.support.clip import TINY, build, multilingual_options

IMAGES = torch.rand(3, 3, 32, 32, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("mask", [None, "square", "heads"])
def test_attention_that_calls_its_projection_gives_what_torchs_own_gives(mask: str | None) -> None:
    torch.manual_seed(0)
    own = nn.MultiheadAttention(16, 4, batch_first=True).eval()
    other = copy.deepcopy(own)
    other.__class__ = CallingAttention  # type: ignore[assignment]
    query = torch.randn(3, 5, 16)
    causal = torch.full((5, 5), -torch.inf).triu(1)
    given = {None: None, "square": causal, "heads": causal.expand(12, 5, 5)}[mask]
    expected = own(query, query, query, need_weights=False, attn_mask=given)[0]
    assert torch.allclose(other(query, query, query, need_weights=False, attn_mask=given)[0], expected, atol=1e-6)


def jostle(tower: nn.Module) -> None:
    """Give the adapters values as if they had been trained; they begin with an update of zero."""
    generator = torch.Generator().manual_seed(1)
    for name, weight in tower.named_parameters():
        if "lora_B" in name:
            weight.data = 0.05 * torch.randn(weight.shape, generator=generator)


@pytest.mark.parametrize("which", ["image", "text"])
def test_each_adapter_of_three_layers_a_block_has_a_gradient_and_changes_the_output(which: str) -> None:
    encoder = build()
    tower = encoder.backbone.model if which == "image" else encoder.text.model
    given = IMAGES if which == "image" else encoder.text.tokenize(["a river", "two horses"])
    before = tower(given)
    frozen = {name: weight.clone() for name, weight in tower.named_parameters()}
    add_adapters(tower, rank=4, alpha=8, dropout=0.0)
    assert torch.allclose(tower(given), before, atol=1e-6)
    tower(given).square().sum().backward()
    updates = {name: weight for name, weight in tower.named_parameters() if "lora_B" in name}
    names = {name.partition("resblocks.")[2].partition(".lora_B")[0] for name in updates}
    assert names == {f"{block}.{name}" for block in (0, 1) for name in ("attn.out_proj", "mlp.c_fc", "mlp.c_proj")}
    assert all(weight.grad is not None and weight.grad.abs().max() > 0 for weight in updates.values())
    assert all("lora_" in name for name, weight in tower.named_parameters() if weight.requires_grad)
    for name, weight in updates.items():  # one at a time: none is without effect
        weight.data = 0.1 * torch.randn(weight.shape, generator=torch.Generator().manual_seed(1))
        assert not torch.allclose(tower(given), before, atol=1e-4), name
        weight.data.zero_()
    for name, weight in tower.named_parameters():
        if "lora_" not in name:
            assert torch.equal(weight, frozen[name.replace(".base_layer", "")])


@pytest.mark.parametrize("multilingual", [False, True])
def test_the_merged_towers_give_the_same_embeddings_within_1e5(tmp_path: Path, multilingual: bool) -> None:
    options = multilingual_options(tmp_path) if multilingual else TINY
    encoder, plain = build(options), build(options)
    tokens = encoder.text.tokenize(["a river", "two horses"])
    towers = (encoder.backbone.model, IMAGES), (encoder.text.model, tokens)
    for tower, given in towers:
        before = tower(given)
        add_adapters(tower, rank=4, alpha=8, dropout=0.3)
        jostle(tower.eval())
        unmerged = tower(given)
        merge_adapters(tower)
        assert not torch.allclose(unmerged, before, atol=1e-3)
        assert torch.allclose(tower(given), unmerged, atol=1e-5)
    assert encoder.state_dict().keys() == plain.state_dict().keys()
    assert [type(module) for module in encoder.modules()] == [type(module) for module in plain.modules()]


def test_a_tower_without_blocks_is_refused() -> None:
    with pytest.raises(
        UserError, match=r"train.tune lora needs towers of transformer blocks, the backbone has another"
    ):
        add_adapters(nn.Sequential(nn.Conv2d(3, 4, 3)), rank=4, alpha=8, dropout=0.0)
