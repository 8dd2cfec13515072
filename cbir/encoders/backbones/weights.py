"""Loads weights from safetensors files only; every tensor must have its place in the network."""

from collections.abc import Iterable, Mapping
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from cbir.base.errors import UserError
from cbir.encoders.backbones.refusals import one_line

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
    """Loads a state whose tensors match the model's one to one.

    Raises:
        UserError: it is another architecture's, with its first fault.
    """
    if misfits := faults(model, state):
        raise misfit(backbone, weights, misfits)
    model.load_state_dict(state)


def faults(model: nn.Module, state: Mapping[str, Tensor]) -> list[str]:
    """Lists the differences between a state and the model's own: names that are missing or unknown, and other
    shapes.
    """
    wanted = model.state_dict()
    differences = [f"{name} is missing" for name in wanted if name not in state]
    differences += [f"{name} is unknown" for name in state if name not in wanted]
    return differences + [
        f"{name} has shape {tuple(state[name].shape)}, not {tuple(wanted[name].shape)}"
        for name in wanted
        if name in state and state[name].shape != wanted[name].shape
    ]


def misfit(backbone: str, weights: str, faults: list[str]) -> UserError:
    """Returns the error for weights with these faults."""
    more = f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""
    return UserError(
        f"weights {weights} do not fit backbone {backbone}: {faults[0]}{more}; "
        "give those of the same architecture with the same backbone_options"
    )


def without(state: Mapping[str, Tensor], dropped: Iterable[str], *, kept: Iterable[str]) -> dict[str, Tensor]:
    """Returns a state without the modules named ``dropped``, except what the model itself has (``kept``)."""
    prefixes, names = tuple(f"{name}." for name in dropped), set(kept)
    return {name: value for name, value in state.items() if name in names or not name.startswith(prefixes)}
