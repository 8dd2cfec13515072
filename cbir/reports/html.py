"""Writes HTML pages that open from disk: no server, no network, pictures inside or in files beside them."""

import base64
import hashlib
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from cbir.base.display import visible, visible_prose
from cbir.base.files import writing

_TEMPLATES = Path(__file__).parent / "templates"


def write_html(path: Path, template: str, *, styles: Sequence[str], script: str | None = None, **values: Any) -> None:
    """Writes the page that :func:`render` makes."""
    page = render(template, styles=styles, script=script, **values)
    with writing(path) as temporary:
        temporary.write_text(page, encoding="utf-8", newline="\n")


def render(template: str, *, styles: Sequence[str], script: str | None = None, **values: Any) -> str:
    """Returns a page; texts among ``values`` are escaped, and control characters in them shown.

    The filter ``prose`` writes a caption: its lines and the marks of its direction of writing stay.

    The template finds the style sheets as ``style`` and the script as ``script``, each with the digest by which the
    page's Content-Security-Policy lets it and no other run (``style_digest``, ``script_digest``).

    Args:
        template, styles, script: names of files in cbir/reports/templates.
    """
    texts = {"style": "".join(map(_read, styles)), "script": _read(script) if script else ""}
    digests = {f"{name}_digest": _digest(text) for name, text in texts.items()}
    as_they_are = {name: Markup(text) for name, text in texts.items()}  # files of this package
    page: str = environment(_TEMPLATES).get_template(template).render(**as_they_are, **digests, **values)
    return page


@cache
def environment(folder: Path) -> Environment:
    """Returns the templates of a folder, and those of reports; each is parsed once, for a report has a page a group.

    Texts are escaped, and control characters in them shown; the filter ``prose`` writes a caption.
    """
    templates = Environment(
        loader=FileSystemLoader(list(dict.fromkeys((folder, _TEMPLATES)))),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_shown,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    templates.filters["prose"] = lambda text: escape(visible_prose(text))
    return templates


def _shown(value: Any) -> Any:
    return visible(value) if type(value) is str else value  # Markup is finished


def picture(content: bytes, kind: str) -> str:
    """Returns the address under which a page holds a picture itself; ``kind`` is png, webp or jpeg."""
    return f"data:image/{kind};base64,{base64.b64encode(content).decode('ascii')}"


@cache
def _read(name: str) -> str:
    return (_TEMPLATES / name).read_text(encoding="utf-8")


def _digest(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode("ascii")
