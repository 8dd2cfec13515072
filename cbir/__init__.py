"""Finds every appearance of a photograph in an archive: the names to start with, each loaded when it is first used."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cbir.base.errors import UserError
    from cbir.library.archive import Archive
    from cbir.library.comparison import Comparison, compare
    from cbir.library.encoders import load_encoder

__all__ = ["Archive", "Comparison", "UserError", "__version__", "compare", "load_encoder"]

_PLACES = {
    "Archive": "cbir.library.archive",
    "Comparison": "cbir.library.comparison",
    "UserError": "cbir.base.errors",
    "compare": "cbir.library.comparison",
    "load_encoder": "cbir.library.encoders",
}


def __getattr__(name: str) -> Any:
    """Loads a name of the library; raises AttributeError for any other."""
    if name == "__version__":
        return import_module("importlib.metadata").version("cbir")
    if name not in _PLACES:
        raise AttributeError(f"module 'cbir' has no attribute {name!r}")
    return getattr(import_module(_PLACES[name]), name)


def __dir__() -> list[str]:
    """Lists the names, loaded or not."""
    return sorted({*globals(), *__all__})
