"""Texts of others in markdown: shown as they are, on one line, whatever they hold."""

import re

from shufflenet.labels import printable

__all__ = ["plain", "table"]

# ASCII punctuation that means something inside a line of CommonMark or of GitHub's extension (its
# addresses and mentions, and formulas between dollars), which a backslash takes away (CommonMark
# 0.31, 2.4).
_SPECIAL = re.compile(r"[\\`*_\[\]<>#|~!&$@{}^=]|:(?=//)|(?<=www)\.", re.IGNORECASE)


def plain(text: str) -> str:
    r"""Return a text of others such that markdown shows its characters, on one line.

    >>> print(plain("a *b* <i>\n---\nhttps://a.b"))
    a \*b\* \<i\>\\n---\\nhttps\://a.b
    """
    return _SPECIAL.sub(lambda found: f"\\{found[0]}", printable(text)).strip()


def table(rows: dict[str, str]) -> str:
    """Return names and what is said of each as a table of two columns."""
    lines = (f"| {name} | {text} |" for name, text in rows.items())
    return "\n".join(["| | |", "|---|---|", *lines])
