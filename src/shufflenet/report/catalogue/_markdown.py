"""Markdown: tables, lists and notes."""

import re
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

__all__ = ["Notes", "bullets", "code", "gather", "link", "paragraph", "table"]

_WIDTH = 100


def table(rows: Sequence[Mapping[str, str]], right: Sequence[str] = ()) -> str:
    """Return rows as a table; columns that are empty in every row are left out.

    >>> print(table([{"a": "1", "b": "", "c": "2"}, {"a": "3", "b": "", "c": ""}], right=["c"]))
    | a | c |
    |---|--:|
    | 1 | 2 |
    | 3 |  |
    """
    names = [name for name in rows[0] if any(row[name] for row in rows)]
    rules = ("--:" if name in right else "---" for name in names)
    lines = [f"| {' | '.join(names)} |", f"|{'|'.join(rules)}|"]
    lines += [f"| {' | '.join(row[name] for name in names)} |" for row in rows]
    return "\n".join(lines)


def paragraph(text: str, *, indent: str = "") -> str:
    """Return a text broken into lines, all but the first indented; addresses stay whole."""
    return textwrap.fill(
        text,
        _WIDTH,
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
    )


def bullets(texts: Iterable[str]) -> str:
    """Return texts as a list."""
    return "\n".join(paragraph(f"- {text}", indent="  ") for text in texts)


def code(text: str) -> str:
    """Return a text formatted as code."""
    return f"`{text}`"


def link(text: str, url: str) -> str:
    """Return a text as a link; as plain text if ``url`` is empty."""
    return f"[{text}]({url})" if url else text


@dataclass(frozen=True, slots=True, kw_only=True)
class Notes:
    """Notes on the rows of a table, each sentence once.

    Attributes:
        common: The sentences on all rows.
        listed: The other notes, each with its mark.
        marks: For each row the marks of its notes.
    """

    common: str
    listed: tuple[tuple[str, str], ...]
    marks: tuple[str, ...]


def gather(texts: Sequence[str], marks: Sequence[str]) -> Notes:
    """Return the notes of a table from one text per row; sentences on the same rows are one note.

    >>> gather(["All. One.", "All. Two. More.", "All."], marks="ab")
    Notes(common='All.', listed=(('a', 'One.'), ('b', 'Two. More.')), marks=('a', 'b', ''))
    """
    rows_of: dict[str, list[int]] = {}
    for row, text in enumerate(texts):
        for sentence in re.split(r"(?<=\.) (?=[A-Z])", text) if text else ():
            rows_of.setdefault(sentence, []).append(row)
    notes: dict[tuple[int, ...], list[str]] = {}
    for sentence, rows in rows_of.items():
        notes.setdefault(tuple(rows), []).append(sentence)
    common = notes.pop(tuple(range(len(texts))), [])
    marked = list(zip(marks, notes.items(), strict=False))
    return Notes(
        common=" ".join(common),
        listed=tuple((mark, " ".join(sentences)) for mark, (_, sentences) in marked),
        marks=tuple(
            ", ".join(mark for mark, (rows, _) in marked if row in rows)
            for row in range(len(texts))
        ),
    )
