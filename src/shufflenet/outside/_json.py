"""JSON from outside: parsed within bounds of size, depth and digits, and refused when ambiguous."""

import json
import math
import re
from typing import Any, NoReturn

from shufflenet.errors import NotJson

__all__ = ["read_json"]

_LIMIT_BYTES = 1 << 22  # a card of 20,000 labels takes 1 MB
_MAX_DEPTH = 32  # of lists and objects in each other; a card has 4
_MAX_DIGITS = 64  # of a number, its sign, point and exponent included; a float has at most 24

# A whole text in quotes, which may lack its end, or a bracket outside of quotes. No character is
# tried twice, so that no text takes more than linear time.
_TOKENS = re.compile(r'"(?:[^"\\]|\\.)*+"?|[\[\]{}]', re.DOTALL)
_HALF_CHARACTER = re.compile(r"\\ud[89a-f]", re.IGNORECASE)


def read_json(text: str | bytes, what: str = "the JSON", *, limit_bytes: int = _LIMIT_BYTES) -> Any:  # noqa: ANN401  # a JSON value: ``typed`` makes it one of a type
    """Parse JSON that a stranger may have written, in time and memory bounded by its size.

    Refused beside what is no JSON: nesting of more than 32, numbers of more than 64 digits, numbers
    that are not finite, a key that comes twice, text that is no UTF-8.

    Args:
        text: The JSON; bytes are UTF-8, with or without a byte order mark.
        what: What the JSON is, as an error names it.
        limit_bytes: More than this is refused before it is parsed.

    Raises:
        NotJson: it is refused; the sentence says why.

    >>> read_json('{"a": [1, 2.5, null]}')
    {'a': [1, 2.5, None]}
    """
    if len(text) > limit_bytes:
        raise NotJson(what, f"it is larger than {limit_bytes / 1e6:.3g} MB")
    try:
        plain = text.decode("utf-8-sig") if isinstance(text, bytes) else text
        plain.encode()  # a str may hold half characters
        return _parse(plain)
    except UnicodeError as error:
        raise NotJson(what, "it is not UTF-8") from error
    except ValueError as error:
        raise NotJson(what, error) from error


def _parse(text: str) -> Any:  # noqa: ANN401  # a JSON value
    """Parse JSON of a bounded size.

    Raises:
        ValueError: it is no JSON or is refused; a ``UnicodeError`` for half characters.
    """
    if _depth(text) > _MAX_DEPTH:
        raise ValueError(f"it is nested more than {_MAX_DEPTH} deep")
    value = json.loads(
        text,
        object_pairs_hook=_object,
        parse_int=_integer,
        parse_float=_finite,
        parse_constant=_refuse_constant,
    )
    if _HALF_CHARACTER.search(text):
        json.dumps(value, ensure_ascii=False).encode()
    return value


def _depth(text: str) -> int:
    """Return how deep lists and objects lie in each other, without parsing them."""
    deepest = depth = 0
    for token in _TOKENS.finditer(text):
        first = text[token.start()]
        depth += (first in "[{") - (first in "]}")
        deepest = max(deepest, depth)
    return deepest


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    for key, value in pairs:
        if key in fields:
            raise ValueError(f"the key {key[:40]!r} comes twice")
        fields[key] = value
    return fields


def _integer(digits: str) -> int:
    _require_short(digits)
    return int(digits)


def _finite(digits: str) -> float:
    _require_short(digits)
    if not math.isfinite(value := float(digits)):
        raise ValueError(f"the number {digits} is too large")
    return value


def _require_short(digits: str) -> None:
    if len(digits) > _MAX_DIGITS:
        raise ValueError(f"a number has more than {_MAX_DIGITS} digits")


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number")
