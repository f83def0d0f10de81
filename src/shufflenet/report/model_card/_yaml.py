r"""YAML as the front matter of a page: mappings and lists of texts and numbers.

Texts are written in double quotes, in which every character has an escape (YAML 1.2.2, 5.7), unless
they are words that no version of YAML reads as anything else.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import TypeAlias

__all__ = ["Yaml", "to_yaml"]

Yaml: TypeAlias = str | int | float | Mapping[str, "Yaml"] | Sequence["Yaml"]

_PLAIN = re.compile(r"[a-z][a-z0-9]*([-_./][a-z0-9]+)*")
# YAML 1.1's booleans and nulls (yaml.org/type/bool.html, null.html) in lower case.
_WORDS = {"y", "n", "yes", "no", "true", "false", "on", "off", "null"}


def to_yaml(value: Mapping[str, Yaml]) -> str:
    r"""Return a mapping as YAML in block style, of which each line ends.

    >>> value = {"name": "a: \"b\"\n---", "tags": ["no", "int8"], "of": [{"x": 0.5}]}
    >>> print(to_yaml(value).strip())
    name: "a: \"b\"\n---"
    tags:
    - "no"
    - int8
    of:
    - x: 0.5
    """
    return "".join(f"{line}\n" for line in _mapping(value))


def _mapping(value: Mapping[str, Yaml]) -> Iterator[str]:
    for key, item in value.items():
        name = _text(key)
        if isinstance(item, Mapping) and item:
            yield f"{name}:"
            yield from (f"  {line}" for line in _mapping(item))
        elif isinstance(item, Sequence) and not isinstance(item, str) and item:
            yield f"{name}:"
            yield from _sequence(item)
        else:
            yield f"{name}: {_scalar(item)}"


def _sequence(value: Sequence[Yaml]) -> Iterator[str]:
    for item in value:
        if isinstance(item, Mapping) and item:
            first, *others = _mapping(item)
            yield f"- {first}"
            yield from (f"  {line}" for line in others)
        else:
            yield f"- {_scalar(item)}"


def _scalar(value: Yaml) -> str:
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, Mapping):
        return "{}"
    if isinstance(value, Sequence):
        return "[]"
    text = repr(value)
    # YAML 1.1's floats have a point before their exponent, see yaml.org/type/float.html.
    return text.replace("e", ".0e") if "e" in text and "." not in text else text


def _text(text: str) -> str:
    if _PLAIN.fullmatch(text) and text not in _WORDS:
        return text
    return f'"{"".join(map(_escaped, text))}"'


def _escaped(character: str) -> str:
    code = ord(character)
    if character in '"\\':
        return f"\\{character}"
    if character == "\n":
        return "\\n"
    if character.isprintable() and not 0xE000 <= code <= 0xF8FF:
        return character
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
