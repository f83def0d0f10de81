"""Files of labels and of names: lines, or JSON, as other projects write them."""

import re
from collections.abc import Sequence
from pathlib import Path

from shufflenet.errors import (
    LabelFileUnreadable,
    LabelLineInvalid,
    LabelRepeated,
    LabelTextInvalid,
    NameLineInvalid,
    NotJson,
)
from shufflenet.labels._printable import printable
from shufflenet.outside import read_json, read_regular
from shufflenet.spec import Label

__all__ = ["find_repeated", "read_labels", "read_names"]

_LIMIT_BYTES = 1 << 22  # a thousand labels take 40 kB
_SYNSET = re.compile(r"(n\d{8}) +(\S.*)")  # a line of ImageNet's lists: "n01440764 tench"


def read_names(path: str | Path) -> dict[str, str]:
    """Read the names of classes from ``identifier<TAB>name`` lines, or a JSON object of them.

    Raises:
        LabelFileUnreadable: the file cannot be read.
        LabelRepeated: it has two names for one identifier.
        LabelTextInvalid: a field is empty or has control characters.
        NameLineInvalid: a line does not hold two fields.
    """
    rows = _rows(path)
    for row in rows:
        if len(row) != 2:
            raise NameLineInvalid(path, " ".join(row))
    _check(path, [Label(*row) for row in rows])
    return {row[0]: row[1] for row in rows}


def read_labels(path: str | Path) -> tuple[Label, ...]:
    """Read classes in the order of their indices.

    A file has a line for each class: an identifier, a tab and a name, or either; or, in ImageNet's
    lists, an identifier, a space and a name. Lines without text are passed over. Or it is JSON:

    - a list of names, or of pairs of identifier and name;
    - an object from the classes' numbers to names or such pairs: ``{"0": ["n01440764", "tench"]}``;
    - an object from names to the classes' numbers: ``{"tench": 0}``.

    Raises:
        LabelFileUnreadable: the file cannot be read, or is none of these.
        LabelLineInvalid: a line holds more than two fields.
        LabelRepeated: two classes have one identifier, or one name and no identifiers.
        LabelTextInvalid: a field is empty or has control characters.
    """
    rows = _rows(path, numbered=True)
    if all(len(row) == 1 and _SYNSET.fullmatch(row[0]) for row in rows):
        rows = [row[0].split(maxsplit=1) for row in rows]
    for row in rows:
        if len(row) > 2:
            raise LabelLineInvalid(path, " ".join(row))
    labels = tuple(Label(row[0], row[-1]) for row in rows)
    _check(path, labels)
    return labels


def find_repeated(labels: Sequence[Label]) -> tuple[str, int, int] | None:
    """Return an identifier that two classes have, and their indices, or None.

    >>> find_repeated([Label("a", "ant"), Label("b", "bee"), Label("a", "ape")])
    ('a', 0, 2)
    """
    seen: dict[str, int] = {}
    for index, label in enumerate(labels):
        if (first := seen.setdefault(label.id, index)) != index:
            return label.id, first, index
    return None


def _check(path: str | Path, labels: Sequence[Label]) -> None:
    for label in labels:
        for text in (label.id, label.name):
            if not text or printable(text) != text:
                raise LabelTextInvalid(path, f"{label.id}\t{label.name}")
    if repeated := find_repeated(labels):
        raise LabelRepeated(path, *repeated)


def _rows(path: str | Path, *, numbered: bool = False) -> list[list[str]]:
    """Return the fields of every class.

    Args:
        path: The file.
        numbered: Whether a JSON object is of numbers, not of identifiers.

    Raises:
        LabelFileUnreadable: the file cannot be read, or names no class.
    """
    try:
        text = read_regular(path, _LIMIT_BYTES).decode("utf-8-sig")
        rows = _json_rows(text, numbered) if text.lstrip()[:1] in ("{", "[") else _line_rows(text)
    except OSError as error:
        raise LabelFileUnreadable(path, error.strerror or error) from error
    except UnicodeDecodeError as error:
        raise LabelFileUnreadable(path, "it is not UTF-8") from error
    except (NotJson, ValueError) as error:
        raise LabelFileUnreadable(path, str(error).rstrip(".")) from error
    if not rows:
        raise LabelFileUnreadable(path, "it names no class")
    return rows


def _line_rows(text: str) -> list[list[str]]:
    lines = re.split(r"\r\n|\r|\n", text)
    return [[field.strip(" ") for field in line.split("\t")] for line in lines if line.strip()]


def _json_rows(text: str, numbered: bool) -> list[list[str]]:
    """Return the fields of every class in JSON; see ``read_labels``.

    Raises:
        NotJson: it is no JSON.
        ValueError: it is of another form; the text is a clause.
    """
    value = read_json(text, "its text")
    if isinstance(value, dict) and not numbered:
        value = list(value.items())
    elif isinstance(value, dict):
        classes = len(value)
        if all(type(number) is int for number in value.values()):
            value = {str(number): name for name, number in value.items()}
        if value.keys() != {str(number) for number in range(classes)}:
            raise ValueError(f"its classes do not have the numbers 0 to {classes - 1}")
        value = [value[str(number)] for number in range(classes)]
    rows = [[each] if isinstance(each, str) else each for each in value]
    for row in rows:
        if not (isinstance(row, list | tuple) and all(isinstance(text, str) for text in row)):
            raise ValueError("its JSON is not of names, or of pairs of identifier and name")
    return [[text.strip(" ") for text in row] or [""] for row in rows]
