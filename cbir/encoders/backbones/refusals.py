"""Errors for backbones that cannot be loaded: a sentence each, with the way out."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from cbir.base.errors import UserError, nearest


def unknown(name: str, known: Iterable[str]) -> UserError:
    """Returns the error for a name, or a name with a tag, that no library has."""
    return UserError(f"backbone {name} is unknown; {nearest(name, known, most=3)}")


def unknown_tag(name: str, tag: str, known: Iterable[str]) -> UserError:
    """Returns the error for pretrained weights that a library does not have of a model that it has."""
    tags = list(known)
    hint = nearest(tag, tags, most=3) if tags else "it has none; give its name without a tag"
    return UserError(f"backbone {name} has no pretrained tag {tag!r}; {hint}")


def no_download(backbone: str, error: Exception) -> UserError:
    """Weights that are elsewhere, and no way there."""
    return UserError(
        f"the pretrained weights of {backbone} could not be downloaded ({one_line(error)}); "
        "connect once, or set weights to a .safetensors file or to none"
    )


@contextmanager
def refusing_options(backbone: str, options: Mapping[str, Any]) -> Iterator[None]:
    """Turns the objections of a model's constructor into an error about the user's options."""
    try:
        yield
    except (TypeError, AssertionError, ValueError, KeyError, ArithmeticError) as error:
        raise UserError(
            f"backbone {backbone} cannot be built with backbone_options {dict(options)}: {one_line(error)}"
        ) from error


def one_line(error: Exception) -> str:
    """Returns an error's message, shortened to what fits into a sentence."""
    return " ".join(str(error).split())[:300] or type(error).__name__
