"""Makes texts safe for the cells of tables that other programs show: spreadsheets, and pages made of Markdown."""

_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def as_text(value: str) -> str:
    """Returns the value, with an apostrophe before it where a spreadsheet program would take it for a formula.

    See OWASP, "CSV Injection": a file name such as ``=HYPERLINK(…)`` would be run by whoever opens the report.
    """
    return f"'{value}" if value.startswith(_FORMULA) else value


def as_markdown(value: str) -> str:
    """Escapes the value for a cell of a Markdown table, which it cannot break out of; names of files are untrusted."""
    return value.replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;").replace("\n", " ").replace("`", "'")
