"""Looks at a page in a browser with axe-core, the accessibility engine of Deque, by all rules that come with it."""

from functools import cache
from importlib.resources import files

from tests.support.browser import Browser

_RULES = """axe.run(document, {resultTypes: ["violations"]}).then((result) => result.violations.map(
  (rule) => `${rule.id} (${rule.help}): ${rule.nodes.map((node) => node.target.join(" ")).join(", ")}`))"""


@cache
def _source() -> str:
    return (files("axe_playwright_python") / "axe.min.js").read_text(encoding="utf-8")


def violations(tab: Browser) -> list[str]:
    """Returns the rules that the page breaks, each with the elements."""
    tab.run(_source() + "; true")
    return tab.run(_RULES)
