"""Knows the names of backbones and of their weights without loading a library, so that a typo is refused at once."""

import importlib.util
import pkgutil
import re
from collections.abc import Callable
from functools import cache
from pathlib import Path

from cbir.base.errors import UserError
from cbir.encoders import backbones
from cbir.encoders.backbones.refusals import unknown, unknown_tag

# A library is a module of this folder, LIBRARY_models.py, with a function `build` like that of open_clip_models;
# images alone need no more of its arguments than imagehash_models takes.
ENDING = "_models"
LIBRARIES = sorted(
    module.name.removesuffix(ENDING)
    for module in pkgutil.iter_modules(backbones.__path__)
    if module.name.endswith(ENDING)
)
HASHES = {"phash": 32, "dhash": 256}  # px; phash itself shrinks to 32, so that no image is shrunk twice

_REGISTERED = re.compile(r"^@register_model\b.*\n(?:@.*\n)*def (\w+)", re.MULTILINE)
_DEPRECATED = re.compile(r"^register_model_deprecations\(.*?^\}", re.MULTILINE | re.DOTALL)
_FIRST = re.compile(r"^\s+['\"]([\w.-]+)['\"]:", re.MULTILINE)
_TAGS = {  # as the sources of each library write them
    "torchvision": re.compile(r"^\s+(\w+) = (?:Weights\(|\w+$)", re.MULTILINE),
    "open_clip": re.compile(r"([\w-]+)['\"]?\s*[=:]\s*_\w*cfg\("),
}


def parts(backbone: str) -> tuple[str, str]:
    """Splits a backbone into the name of its library and that of its model.

    Raises:
        UserError: it is not of the form LIBRARY/NAME, or there is no such library.
    """
    library, _, name = backbone.partition("/")
    if not name or library not in LIBRARIES:
        *names, last = (f"{known}/NAME" for known in LIBRARIES)
        raise UserError(f"backbone must be {', '.join(names)} or {last}, is {backbone!r}")
    return library, name


def require_known(backbone: str) -> None:
    """Raises UserError for a backbone that its library does not have, or a tag that none of its weights has.

    The libraries' sources are read, not run; where they cannot be read, nothing is refused.
    """
    library, name = parts(backbone)
    architecture, _, tag = name.partition("." if library == "timm" else ":")
    known = _KNOWN[library]()
    if known and architecture not in known:
        raise unknown(backbone, [f"{library}/{other}" for other in sorted(known)])
    tags = _tags(library, architecture)
    if tag and tags and tag not in tags:
        raise unknown_tag(f"{library}/{architecture}", tag, tags)


@cache
def _timm_names() -> frozenset[str]:
    source = _source("timm/models", "**/*.py")
    deprecated = (name for block in _DEPRECATED.findall(source) for name in _FIRST.findall(block))
    return frozenset({*_REGISTERED.findall(source), *deprecated})


@cache
def _timm_tags() -> frozenset[str]:
    return frozenset(name for name in _FIRST.findall(_source("timm/models", "**/*.py")) if "." in name)


@cache
def _torchvision_names() -> frozenset[str]:
    return frozenset(_REGISTERED.findall(_source("torchvision/models", "*.py")))


@cache
def _open_clip_names() -> frozenset[str]:
    return frozenset(path.stem for path in _files("open_clip/model_configs", "*.json"))


_KNOWN: dict[str, Callable[[], frozenset[str]]] = {
    "imagehash": lambda: frozenset(HASHES),
    "timm": _timm_names,
    "torchvision": _torchvision_names,
    "open_clip": _open_clip_names,
}


def _tags(library: str, architecture: str) -> list[str]:
    """Lists the tags that a model may have; of torchvision and open_clip those of all models."""
    if library == "timm":
        return sorted(name.partition(".")[2] for name in _timm_tags() if name.startswith(f"{architecture}."))
    return sorted(_tags_of_all(library))


@cache
def _tags_of_all(library: str) -> frozenset[str]:
    if library == "torchvision":
        return frozenset({"DEFAULT", *_TAGS[library].findall(_source("torchvision/models", "*.py"))})
    return frozenset(_TAGS[library].findall(_source("open_clip", "pretrained.py")) if library in _TAGS else ())


def _source(folder: str, pattern: str) -> str:
    return "\n".join(path.read_text(encoding="utf-8", errors="replace") for path in _files(folder, pattern))


def _files(folder: str, pattern: str) -> list[Path]:
    package, _, below = folder.partition("/")
    spec = importlib.util.find_spec(package)
    places = spec.submodule_search_locations if spec else None
    return sorted(path for place in places or () for path in Path(place, below).glob(pattern))
