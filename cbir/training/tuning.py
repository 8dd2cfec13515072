"""Chooses the parts of a CLIP model that are trained."""

from collections.abc import Iterator
from typing import Any

from torch import nn

from cbir.base.errors import UserError
from cbir.encoders.encoder import Encoder, attach_heads
from cbir.encoders.layers import Head
from cbir.encoders.text import TextTower
from cbir.training.lora import add_adapters, merge_adapters
from cbir.training.settings import Settings

PROJECTIONS = ("proj", "text_projection")  # parameters behind the blocks of open_clip's towers, in no module


def prepare_towers(encoder: Encoder, text: TextTower, settings: Settings) -> None:
    """Freezes what ``settings.tune`` does not train and adds what it trains; the temperature is always trained.

    ``full``: nothing is frozen. ``last_blocks``: the last blocks of each tower are trained with what stands behind
    them; of a tower that trains 0 blocks, nothing. ``heads``: a new head on each tower. ``lora``: adapters.

    Raises:
        UserError: a tower is not made of blocks.
    """
    if settings.tune == "full":
        return
    for tower, blocks in zip(_towers(encoder, text), (settings.image_blocks, settings.text_blocks), strict=True):
        tower.requires_grad_(False)
        if settings.tune == "last_blocks" and blocks:
            _train_last(tower, blocks)
        if settings.tune == "lora":
            add_adapters(tower, rank=settings.lora_rank, alpha=settings.lora_alpha, dropout=settings.lora_dropout)
    if settings.tune == "heads":
        attach_heads(encoder, Head(settings.head_width, settings.head_dropout))


def finish_towers(encoder: Encoder, text: TextTower) -> None:
    """Merges what was frozen and what was trained into one model."""
    for tower in _towers(encoder, text):
        merge_adapters(tower)
        tower.requires_grad_(True)


def _towers(encoder: Encoder, text: TextTower) -> tuple[nn.Module, nn.Module]:
    image: Any = encoder.backbone
    return image.model, text.model


def _train_last(tower: nn.Module, blocks: int) -> None:
    rows = list(_rows_of_blocks(tower))
    if len(rows) != 1:
        raise UserError(
            "train.tune last_blocks needs towers that are one row of blocks, the backbone has another; "
            "set train.tune: full or heads, or train.backbone: open_clip/ViT-B-32"
        )
    (name,) = rows
    for block in list(tower.get_submodule(name).children())[-blocks:]:
        block.requires_grad_(True)
    names = [module_name for module_name, _ in tower.named_modules()]
    last = max(at for at, module_name in enumerate(names) if module_name == name or module_name.startswith(f"{name}."))
    for module_name in names[last + 1 :]:
        tower.get_submodule(module_name).requires_grad_(True)
    for module_name, parameter in tower.named_parameters(recurse=False):
        if module_name in PROJECTIONS:
            parameter.requires_grad_(True)


def _rows_of_blocks(tower: nn.Module) -> Iterator[str]:
    """Names of the lists of two and more modules of one class that lie in no other such list."""
    inside: tuple[str, ...] = ()
    for name, module in tower.named_modules():
        children = list(module.children())
        is_list = isinstance(module, nn.ModuleList | nn.Sequential) and len(children) > 1
        if is_list and not name.startswith(inside) and len({type(child) for child in children}) == 1:
            inside = (*inside, f"{name}.")
            yield name
