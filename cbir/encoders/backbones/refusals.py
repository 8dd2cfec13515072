"""What is said of a backbone that cannot be had: one sentence each, with the way out."""

import difflib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from cbir.errors import UserError

NEAR = 0.5  # similarity (of difflib) from which a name is worth offering


def unknown(name: str, known: Iterable[str]) -> UserError:
    """A name, or a name with a tag, that no library has."""
    near = difflib.get_close_matches(name, list(known), n=3, cutoff=NEAR)
    return UserError(
        f"backbone {name} is unknown; " + (f"the nearest are {', '.join(near)}" if near else "see the library's list")
    )


def unknown_tag(name: str, tag: str, known: Iterable[str]) -> UserError:
    """Pretrained weights that a library does not have of a model that it has."""
    there = list(known)
    near = difflib.get_close_matches(tag, there, n=3, cutoff=0)
    hint = f"the nearest are {', '.join(near)}" if near else "it has none; give its name without a tag"
    return UserError(f"backbone {name} has no pretrained tag {tag!r}; {hint}")


def no_download(backbone: str, error: Exception) -> UserError:
    """Weights that are elsewhere, and no way there."""
    return UserError(
        f"the pretrained weights of {backbone} could not be had ({one_line(error)}); "
        "connect once, or set weights to a .safetensors file or to none"
    )


@contextmanager
def refusing_options(backbone: str, options: Mapping[str, Any]) -> Iterator[None]:
    """Within it, what a model's constructor objects to is the user's options."""
    try:
        yield
    except (TypeError, AssertionError, ValueError, KeyError, ArithmeticError) as error:
        raise UserError(
            f"backbone {backbone} cannot be built with backbone_options {dict(options)}: {one_line(error)}"
        ) from error


def one_line(error: Exception) -> str:
    """An error's message, shortened to what fits into a sentence."""
    return " ".join(str(error).split())[:300] or type(error).__name__
