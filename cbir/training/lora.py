"""Low-rank adapters on the towers of a CLIP model: adds them, and merges them into its weights.

Source: Hu et al., LoRA: Low-Rank Adaptation of Large Language Models, ICLR 2022; the adapters are peft's.
"""

from typing import Any

from torch import Tensor, nn
from torch.nn import functional

from cbir.base.errors import UserError

TARGETS = (  # the output of attention and the two layers behind it in each block, by their names in
    r".*\.\d+\.(.*\.)?("
    r"attn\.(out_)?proj|mlp\.(c_fc|c_proj|fc1|fc2)"  # open_clip and timm,
    r"|(intermediate|output)\.dense|SelfAttention\.o|DenseReluDense\.w[io](_\d)?)"  # BERT's and T5's kin
)


class CallingAttention(nn.MultiheadAttention):
    """Self-attention that calls its output projection.

    nn.MultiheadAttention reads that layer's weight without calling the layer, so that an adapter around it has no
    effect. peft's adapter for the whole module adapts the input projection too, has no dropout, and adds its update to
    the frozen weight and takes it away again at each step, which leaves rounding errors in the weight. Waits for
    https://github.com/huggingface/peft/issues/761.
    """

    def forward(self, query: Tensor, *_: Any, attn_mask: Tensor | None = None, **__: Any) -> Any:
        """Attends (B, N, d) to (B, N, d) and None; ``attn_mask``, (N, N) or (B·heads, N, N), is added to the scores."""
        batch, tokens, width = query.shape
        projected = functional.linear(query, self.in_proj_weight, self.in_proj_bias)
        heads = projected.view(batch, tokens, 3, self.num_heads, width // self.num_heads).permute(2, 0, 3, 1, 4)
        queries, keys, values = heads.unbind()
        if attn_mask is not None:
            attn_mask = attn_mask.to(queries.dtype)
            attn_mask = attn_mask.view(batch, self.num_heads, tokens, tokens) if attn_mask.ndim == 3 else attn_mask
        attended = functional.scaled_dot_product_attention(queries, keys, values, attn_mask=attn_mask)
        return self.out_proj(attended.transpose(1, 2).reshape(batch, tokens, width)), None


def add_adapters(tower: nn.Module, *, rank: int, alpha: int, dropout: float) -> None:
    """Freezes a tower and put adapters beside its layers, with torch's global generator; what it computes stays.

    Raises:
        UserError: it has no transformer blocks.
    """
    from peft import LoraConfig, inject_adapter_in_model

    config = LoraConfig(r=rank, lora_alpha=alpha, lora_dropout=dropout, target_modules=TARGETS)
    try:
        inject_adapter_in_model(config, tower)
    except ValueError as error:  # no layer of these names
        raise UserError(
            "train.tune lora needs towers of transformer blocks, the backbone has another; "
            "set train.tune: full or heads, or train.backbone: open_clip/ViT-B-32"
        ) from error
    for module in tower.modules():
        if type(module) is nn.MultiheadAttention and hasattr(module.out_proj, "lora_A"):
            _become(module, CallingAttention)


def merge_adapters(tower: nn.Module) -> None:
    """Adds the adapters' updates to the weights and take the adapters away; what the tower computes stays."""
    from peft.tuners.lora import LoraLayer

    for name, module in list(tower.named_modules()):
        if isinstance(module, LoraLayer):
            module.merge()
            tower.set_submodule(name, module.get_base_layer())
    for module in tower.modules():
        if isinstance(module, CallingAttention):
            _become(module, nn.MultiheadAttention)


def _become(module: Any, kind: type[nn.Module]) -> None:
    """Makes the same module with the same weights compute as another class does."""
    module.__class__ = kind
