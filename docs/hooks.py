"""Adds the pages of the site that are written elsewhere: README, CONTRIBUTING, CHANGELOG, settings, the library."""

import json
import re
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parents[1]
COPIED = {"index.md": "README.md", "contributing.md": "CONTRIBUTING.md", "changelog.md": "CHANGELOG.md"}
PAGE_OF = {ROOT / source: name for name, source in COPIED.items()}
SCHEMA = ROOT / "flows/workspace/params.schema.json"
API = ("Archive", "compare", "Comparison", "load_encoder", "UserError")
LINK = re.compile(r"\[([^\]]+)\]\(([^)\s]+)\)")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Adds the pages that do not lie in docs/."""
    pages = {name: (ROOT / source).read_text(encoding="utf-8") for name, source in COPIED.items()}
    pages["settings.md"] = settings_page(json.loads(SCHEMA.read_text(encoding="utf-8")))
    pages["api.md"] = "# The library's names\n\n" + "\n".join(f"::: cbir.{name}\n" for name in API)
    for name, content in pages.items():
        files.append(File.generated(config, name, content=content))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Turns links between files of the repository into links between pages; a file that is no page keeps its name."""
    folder = ROOT if page.file.src_uri in COPIED else ROOT / "docs"
    return LINK.sub(lambda link: _linked(link, folder), markdown)


def _linked(link: re.Match[str], folder: Path) -> str:
    text, target = link.groups()
    path, _, anchor = target.partition("#")
    if not path or "://" in target:
        return link.group()
    file = (folder / path).resolve()
    name = file.name if file.parent == ROOT / "docs" else PAGE_OF.get(file)
    if name is None:
        return f"{text} (`{file.relative_to(ROOT).as_posix()}`)"
    return f"[{text}]({name}#{anchor})" if anchor else f"[{text}]({name})"


def settings_page(schema: dict[str, Any]) -> str:
    """Returns the reference of params.yaml, a table a section, from its schema."""
    lines = [
        "# Settings", "",
        "All settings of `params.yaml`, with the values that a new workspace has. `cbir config list` shows those of a",
        "workspace, `cbir run --set section.key=value` changes one, and `cbir config diff` names what differs.", "",
    ]  # fmt: skip
    for section, rules in schema["properties"].items():
        lines += [f"## {section}", "", "| setting | default | values | meaning |", "|---|---|---|---|"]
        properties = rules.get("properties", {section: rules})
        lines += [
            f"| `{key}` | {_code(rule.get('default'))} | {_values(rule)} | {_text(rule.get('description', ''))} |"
            for key, rule in properties.items()
        ]
        lines.append("")
    return "\n".join(lines)


def _code(value: Any) -> str:
    return f"`{_text(json.dumps(value, ensure_ascii=False))}`"


def _text(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def _values(rule: dict[str, Any]) -> str:
    """Words what a setting may be."""
    return " or ".join(dict.fromkeys(_kind(kind) for kind in rule.get("anyOf", [rule])))


def _kind(rule: dict[str, Any]) -> str:
    words = {"minimum": "at least", "exclusiveMinimum": "above", "maximum": "at most", "exclusiveMaximum": "below"}
    if "enum" in rule:
        return ", ".join(_code(value) for value in rule["enum"])
    limits = [f"{word} {rule[name]:g}" for name, word in words.items() if name in rule]
    return ", ".join([rule.get("type", "any"), *limits])
