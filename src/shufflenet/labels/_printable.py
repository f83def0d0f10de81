"""Names as terminals and pictures can show them: control characters written as escapes."""

import re

__all__ = ["printable"]

# C0 and C1 controls, separators of lines and paragraphs, and lone surrogates, by which Python holds
# the bytes of a file name that is not UTF-8; and the controls of Unicode's annex 9, table of
# section 2, that make text on a terminal read in another order than it is stored.
_CONTROLS = re.compile(
    "[\x00-\x1f\x7f-\x9f\u2028\u2029\u061c\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)


def printable(text: str) -> str:
    r"""Return a text with control characters as escapes, so that it fills one line as it reads.

    Labels, cards and file names come from others. Printed as they are, they could clear a
    terminal, set its title or add lines that look like results.

    >>> print(printable("caf\u00e9 \x1b[2J\n100 % cat"))
    café \x1b[2J\n100 % cat
    """
    return _CONTROLS.sub(lambda found: found[0].encode("unicode_escape").decode(), text)
