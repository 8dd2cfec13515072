"""Gathers how a workspace stands, for `cbir status`: quick to read, and nothing is loaded that computes."""

import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from cbir.base.errors import UserError
from tasks.harness.settings import Paths

LEADING = ("map@10", "recall@10", "threshold_precision", "threshold_recall")


def standing(paths: Paths, *, plan: bool = True) -> dict[str, Any]:
    """Returns the facts by their kind; what is not there yet is None."""
    return {
        "archive": _archive(paths),
        "encoder": _encoder(paths),
        "groups": _json(paths.reports / "group.json"),
        "promise": (_json(paths.reports / "promise.json") or {}).get("sentence"),
        "landed": _landed(paths),
        "decisions": _decisions(paths),
        "would_run": _plan() if plan else None,
    }


def _json(path: Path) -> dict[str, Any] | None:
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError):
        return None


def _archive(paths: Paths) -> dict[str, Any]:
    names = sorted(path.name for path in paths.raw.glob("[!.]*") if path.is_dir())
    return {"accessions": names, "counts": _json(paths.reports / "clean.json")}


def _encoder(paths: Paths) -> dict[str, Any] | None:
    config = _json(paths.encoder / "config.json")
    if config is None:
        return None
    metrics = _json(paths.reports / "metrics.json") or {}
    facts = {name: config.get(name) for name in ("backbone", "image_size", "dimension", "whitening")}
    figures = {name: metrics[name] for name in LEADING if metrics.get(name) is not None}
    return {**facts, "method": (config.get("training") or {}).get("method"), "figures": figures}


def _landed(paths: Paths) -> int:
    from cbir.archive.listing import left_out, walk

    return sum(not left_out(path.name) for path in walk(paths.landing)) if paths.landing.is_dir() else 0


def _decisions(paths: Paths) -> dict[str, Any]:
    from cbir.groups.decisions.journal import read_decisions

    decisions = read_decisions(paths.decisions)
    audits = sorted(path.stem for path in paths.audits.glob("*.json")) if paths.audits.is_dir() else []
    return {"count": len(decisions), "last": decisions[-1].time if decisions else None, "audits": audits}


def _plan() -> dict[str, Any]:
    from flows.pipeline.forecast import foresee, in_all

    with suppress(UserError):
        steps = foresee()
        return {"stages": [step.name for step in steps], "why": [step.reason for step in steps], "time": in_all(steps)}
    return {"stages": [], "why": [], "time": ""}


def standing_in_words(facts: Mapping[str, Any]) -> str:
    """Renders the facts as lines for a person."""
    rows = [(name, words(facts[name])) for name, words in _WORDS.items() if facts.get(name) is not None]
    return "\n".join(f"{name.replace('_', ' '):10} {line}" for name, line in rows)


def _archive_in_words(archive: Mapping[str, Any]) -> str:
    names, counts = archive["accessions"], archive["counts"]
    if not names:
        return "empty: bring images in with `cbir import DIR`, or try `cbir sample`"
    many = f"{len(names)} accession{'s' * (len(names) != 1)}"
    if counts is None:
        return f"{many}, not looked at yet"
    return f"{many}, {counts['usable']} images, {counts['exact_copies']} exact copies, {counts['rejected']} rejected"


def _encoder_in_words(encoder: Mapping[str, Any]) -> str:
    figures = ", ".join(f"{name} {value:.3f}" for name, value in encoder["figures"].items())
    way = "as it comes" if encoder["method"] == "none" else f"trained by {encoder['method']}"
    return f"{encoder['backbone']} {way}, {encoder['image_size']} px; {figures or 'not measured: no ground truth'}"


def _groups_in_words(groups: Mapping[str, Any]) -> str:
    from cbir.groups.rows import in_words

    return in_words(groups)


def _decisions_in_words(decisions: Mapping[str, Any]) -> str:
    last = f", the last of {decisions['last'][:10]}" if decisions["last"] else ""
    return f"{decisions['count']}{last}; audits: {', '.join(decisions['audits'][-3:]) or 'none'}"


def _plan_in_words(plan: Mapping[str, Any]) -> str:
    if not plan["stages"]:
        return "nothing: all is up to date"
    time = f"; {plan['time']}" if plan["time"] else ""
    return f"{', '.join(plan['stages'])} ({plan['why'][0]}){time}"


_WORDS: dict[str, Callable[[Any], str]] = {
    "archive": _archive_in_words,
    "encoder": _encoder_in_words,
    "groups": _groups_in_words,
    "promise": str,
    "landed": lambda count: f"{count} files wait in the landing folder: `cbir refresh`" if count else "nothing waits",
    "decisions": _decisions_in_words,
    "would_run": _plan_in_words,
}
