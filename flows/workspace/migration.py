"""Migrates params.yaml to the settings of this program, line by line: a person's values and comments stay."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ruamel.yaml import YAML

from cbir.base.errors import UserError
from flows.workspace.settings import with_values
from tasks.harness.settings import RENAMED

COSINES = ("group.threshold", "evaluate.default_threshold", "arrivals.margin")  # before there was a section match
_SECTION, _KEY, _NOTE = re.compile(r"(\w+):"), re.compile(r"  (\w+):"), re.compile(r"\s*(#.*)?$")
Lines = list[str]


@dataclass
class Section:
    """A section as its lines: its head, and each setting, both with the comments and blank lines before them."""

    head: Lines
    settings: dict[str, Lines] = field(default_factory=dict)


def migrated(text: str, shipped: str) -> tuple[str, list[str]]:
    """Returns the text of params.yaml with the settings of the shipped one, and a line a change.

    A new setting has its shipped value, and stands where the shipped file has it. One that is none any more becomes a
    comment.

    Raises:
        UserError: a section is not written one setting a line.
    """
    given, wanted = (YAML(typ="safe").load(each) for each in (text, shipped))
    sections, model = _split(text), _split(shipped)
    _require_lines(sections, given)
    moved = {new: value for old, new in RENAMED.items() if (value := _value(given, old)) is not None}
    changes = [f"{old} is {new} now" for old, new in RENAMED.items() if new in moved]
    for name in [name for name in model if name not in sections]:
        sections = _inserted(sections, name, model[name], list(model))
        changes.append(f"{name}: a new section")
    for name, described in model.items():
        new = _follow(name, sections[name], described, changes)
        changes += [f"{name}.{key}: new, {wanted[name][key]!r}" for key in new if f"{name}.{key}" not in moved]
    values = moved | ({} if "match" in given else {name: _value(wanted, name) for name in COSINES})
    lines = [
        line for section in sections.values() for part in (section.head, *section.settings.values()) for line in part
    ]
    result, written = with_values("".join(lines), values)
    return result, changes + written


def _split(text: str) -> dict[str, Section]:
    """Returns the sections of params.yaml by name, and under the empty name what stands behind the last."""
    sections: dict[str, Section] = {}
    last: Lines = []
    pending: Lines = []
    for line in text.splitlines(keepends=True):
        if _NOTE.match(line):
            pending.append(line)
            continue
        if match := _SECTION.match(line):
            last = [*pending, line]
            sections[match[1]] = current = Section(last)
        elif match := _KEY.match(line):
            last = current.settings[match[1]] = [*pending, line]
        else:
            last += [*pending, line]
        pending = []
    return {**sections, "": Section(pending)}


def _require_lines(sections: Mapping[str, Section], given: Mapping[str, Any]) -> None:
    for name, section in sections.items():
        if name and isinstance(given.get(name), dict) and given[name].keys() != section.settings.keys():
            raise UserError(f"params.yaml: {name} must have one setting a line, indented by two spaces; write it so")


def _value(params: Mapping[str, Any], name: str) -> Any:
    section, _, key = name.partition(".")
    return (params.get(section) or {}).get(key)


def _inserted(entries: Mapping[str, Any], name: str, entry: Any, order: Sequence[str]) -> dict[str, Any]:
    """Returns entries with one more, behind the nearest that comes before it in this order."""
    before = [other for other in order[: order.index(name)] if other in entries]
    place = list(entries).index(before[-1]) + 1 if before else 0
    items = list(entries.items())
    return dict([*items[:place], (name, entry), *items[place:]])


def _follow(name: str, own: Section, described: Section, changes: list[str]) -> list[str]:
    """Gives a section the settings that are described, returns the new ones, and notes those that are none any more."""
    for key in [key for key in own.settings if key not in described.settings]:
        lines = own.settings.pop(key)
        if f"{name}.{key}" not in RENAMED:
            own.settings[key] = [f"  # {line.strip()}\n" if line.strip() else line for line in lines]
            changes.append(f"{name}.{key}: no setting any more, kept as a comment")
    new = [key for key in described.settings if key not in own.settings]
    for key in new:
        own.settings = _inserted(own.settings, key, described.settings[key], list(described.settings))
    return new
