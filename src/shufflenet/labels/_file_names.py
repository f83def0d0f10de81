"""Names of files and folders that labels give."""

import re
from collections.abc import Iterable

__all__ = ["file_name", "make_distinct"]

# What a name of a file cannot hold on Linux, macOS or Windows, and what terminals do not show.
_REFUSED = re.compile(r'[<>:"/\\|?*\x00-\x1f\x7f-\x9f\u2028\u2029\u061c\u200e\u200f\u202a-\u202e]')
_ISOLATES = re.compile("[\u2066-\u2069\ud800-\udfff]")
# Source: Naming Files, Paths, and Namespaces (learn.microsoft.com/windows/win32/fileio).
_DEVICES = re.compile(r"(?i)(con|prn|aux|nul|(com|lpt)[0-9\u00b9\u00b2\u00b3])(\..*)?")
_MOST_BYTES = 120  # of 255: a number and a suffix are added


def file_name(text: str) -> str:
    """Return a text as the name of a file or folder on any system; several texts may give one.

    Characters that a name cannot hold become ``_``, and so do leading dots, which hide files, and
    trailing dots and spaces, which Windows drops. Nothing that it returns leads to another folder.

    >>> file_name("golden retriever"), file_name("../a/b"), file_name(".."), file_name("nul")
    ('golden retriever', '_._a_b', '__', '_nul')
    """
    name = _ISOLATES.sub("_", _REFUSED.sub("_", text))
    name = re.sub(r"^[.\s]|[.\s]$", "_", name)
    name = f"_{name}" if _DEVICES.fullmatch(name) else name
    encoded = name.encode()[:_MOST_BYTES]
    short = encoded.decode(errors="ignore")
    return re.sub(r"[.\s]$", "_", short) or "_"


def make_distinct(names: Iterable[str], taken: Iterable[str] = ()) -> tuple[str, ...]:
    """Return names of which no two are equal, where upper and lower case count as one.

    >>> make_distinct(["cat", "Cat", "dog"], taken=["dog"])
    ('cat', 'Cat-2', 'dog-2')
    """
    used = {name.casefold() for name in taken}
    result: list[str] = []
    for name in names:
        number, candidate = 1, name
        while candidate.casefold() in used:
            number += 1
            candidate = f"{name}-{number}"
        used.add(candidate.casefold())
        result.append(candidate)
    return tuple(result)
