"""Text for the cells of a CSV or Excel file that a person opens in a spreadsheet program."""

_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def as_text(value: str) -> str:
    """The value, with an apostrophe before it where a spreadsheet program would take it for a formula.

    See OWASP, "CSV Injection": a file name such as ``=HYPERLINK(…)`` would be run by whoever opens the report.
    """
    return f"'{value}" if value.startswith(_FORMULA) else value
