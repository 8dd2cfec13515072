"""Weights from a file: safetensors only, and every one of them has its place in the network."""

from collections.abc import Iterable, Mapping
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from cbir.encoders.backbones.refusals import one_line
from cbir.errors import UserError

PICKLES = (".pt", ".pth", ".bin", ".ckpt", ".pkl")


def read_safetensors(path: Path) -> dict[str, Tensor]:
    """Tensors by name.

    Raises:
        UserError: no such file, another format, or a damaged file.
    """
    if path.suffix in PICKLES:
        raise UserError(f"weights {path} is a pickle, which can run any code when read; convert it to .safetensors")
    if path.suffix != ".safetensors":
        raise UserError(f"weights must be none, pretrained or a .safetensors file, is {str(path)!r}")
    try:
        return load_file(path)
    except FileNotFoundError as error:
        raise UserError(f"weights {path} does not exist; give the path of a .safetensors file") from error
    except (SafetensorError, OSError) as error:
        raise UserError(f"weights {path} is no readable .safetensors file: {one_line(error)}") from error


def load_strictly(model: nn.Module, state: Mapping[str, Tensor], *, backbone: str, weights: str) -> None:
    """Load a state of which every tensor has its place, and which has one for every place.

    Raises:
        UserError: it is another architecture's, with its first fault.
    """
    if found := faults(model, state):
        raise misfit(backbone, weights, found)
    model.load_state_dict(state)


def faults(model: nn.Module, state: Mapping[str, Tensor]) -> list[str]:
    """In what a state differs from the model's own: names that are missing or unknown, and other shapes."""
    wanted = model.state_dict()
    found = [f"{name} is missing" for name in wanted if name not in state]
    found += [f"{name} is unknown" for name in state if name not in wanted]
    return found + [
        f"{name} has shape {tuple(state[name].shape)}, not {tuple(wanted[name].shape)}"
        for name in wanted
        if name in state and state[name].shape != wanted[name].shape
    ]


def misfit(backbone: str, weights: str, found: list[str]) -> UserError:
    """Weights with these faults."""
    more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
    return UserError(
        f"weights {weights} do not fit backbone {backbone}: {found[0]}{more}; "
        "give those of the same architecture with the same backbone_options"
    )


def without(state: Mapping[str, Tensor], dropped: Iterable[str], *, kept: Iterable[str]) -> dict[str, Tensor]:
    """A state without the modules named ``dropped``, except what the model itself has (``kept``)."""
    prefixes, names = tuple(f"{name}." for name in dropped), set(kept)
    return {name: value for name, value in state.items() if name in names or not name.startswith(prefixes)}
