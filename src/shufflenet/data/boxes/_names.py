"""The names of classes in YOLO's data.yaml: the one field of it that is read.

Of YAML 1.2 only what such files are written in: lists and mappings of plain or quoted names, in
brackets or a line each. Anything else is refused, not guessed.
"""

import re
from collections.abc import Iterable, Iterator

__all__ = ["read_names"]

_KEY = re.compile(r"names[ \t]*:(?=\s|$)(.*)")
_LINE_END = re.compile(r"\r\n?|\n")
_NUMBER = re.compile(r"[0-9]{1,6}")
_ESCAPE = re.compile(r"\\(x[0-9A-Fa-f]{2}|u[0-9A-Fa-f]{4}|U[0-9A-Fa-f]{8}|.)", re.DOTALL)
_HALVES = range(0xD800, 0xE000)  # of characters in UTF-16
# YAML 1.2.2, 5.7
_PLAIN_ESCAPES = dict(
    zip('0abtnvfre "/\\N_LP', '\0\a\b\t\n\v\f\r\x1b "/\\\x85\xa0\u2028\u2029', strict=True)
)
_KEY_BEFORE = r"""(?:[0-9]+|'[0-9]+'|"[0-9]+")\s*:\s+"""
# A bracket or a comma; or a name, in quotes or up to the next of these, perhaps after a number.
_TOKEN = re.compile(
    rf"""\s*([\[\]{{}},]|(?:{_KEY_BEFORE})?+"""
    r"""('(?:[^']|'')*+'|"(?:[^"\\]|\\.)*+"|[^\s\[\]{},'"](?:[^,\[\]{}]*[^\s,\[\]{}])?))""",
    re.DOTALL,
)
# A name in quotes, which may lack their end, where one can begin; or a comment.
# No character is tried twice, so that no text takes more than linear time.
_COMMENT = re.compile(r"""((?<![^\s\[{,:])(?:'(?:[^']|'')*+'?|"(?:[^"\\]|\\.)*+"?))|(?:^|\s)#.*""")


def read_names(text: str) -> list[str]:
    r"""Return the names of the classes, in order of their numbers.

    Raises:
        ValueError: there is no such field, or it is none of the forms that are read.

    >>> read_names("nc: 2\nnames: [cat, 'small dog']\n")
    ['cat', 'small dog']
    >>> read_names("names:\n  1: dog\n  0: cat\n")
    ['cat', 'dog']
    """
    lines = [_COMMENT.sub(lambda match: match[1] or "", line) for line in _LINE_END.split(text)]
    starts = [i for i, line in enumerate(lines) if _KEY.match(line)]
    if len(starts) != 1:
        raise ValueError("it has no field 'names'" if not starts else "'names' comes twice")
    match = _KEY.match(lines[starts[0]])
    first = match[1].strip() if match else ""
    rest = list(_below(lines[starts[0] + 1 :]))
    if first.startswith(("[", "{")):
        return _in_brackets(_joined((first, *rest)))
    if first:
        raise ValueError("'names' is neither a list nor a mapping")
    return _a_line_each([line for line in rest if line])


def _below(lines: list[str]) -> Iterator[str]:
    """Yield the lines that belong to a key before them: indented ones, or entries of a list."""
    for line in lines:
        if line.strip() and not line.startswith((" ", "\t", "- ", "]", "}")) and line != "-":
            return
        yield line.strip()


def _joined(lines: Iterable[str]) -> str:
    """Return lines as one: a space is between two, but where a backslash ends the first."""
    parts: list[str] = []
    for line in lines:
        goes_on = parts and (len(parts[-1]) - len(parts[-1].rstrip("\\"))) % 2
        if goes_on:
            parts[-1] = parts[-1][:-1]
        parts += [line] if goes_on or not parts else [" ", line]
    return "".join(parts)


def _in_brackets(text: str) -> list[str]:
    tokens, end = [], 0
    while token := _TOKEN.match(text, end):
        tokens.append(token[1])
        end = token.end()
    opening, closing = ("[", "]") if text.startswith("[") else ("{", "}")
    if text[end:].strip() or len(tokens) < 2 or tokens[-1] != closing:
        raise ValueError(f"'names' has no {closing!r} at its end")
    entries = tokens[1:-1]
    if entries[-1:] == [","]:
        entries.pop()
    names, commas = entries[::2], entries[1::2]
    if any(each in "[]{}," for each in names) or any(each != "," for each in commas):
        raise ValueError("'names' is no list of names between commas")
    if names and len(entries) % 2 == 0:
        raise ValueError("'names' is no list of names between commas")
    return [_name(each) for each in names] if opening == "[" else _numbered(names)


def _a_line_each(lines: list[str]) -> list[str]:
    entries: list[list[str]] = []
    dashes = lines[:1] != [] and lines[0].startswith("-")
    for line in lines or [""]:
        if dashes and (line == "-" or line.startswith("- ")):
            entries.append([line[1:].strip()])
        elif not dashes and re.match(_KEY_BEFORE, f"{line} "):
            entries.append([line])
        elif entries:  # a long name goes on
            entries[-1].append(line)
        else:
            raise ValueError("'names' is neither a list nor a mapping from numbers")
    whole = [_joined(each) for each in entries]
    return [_name(each) for each in whole] if dashes else _numbered(whole)


def _numbered(entries: list[str]) -> list[str]:
    """Return names in the order of the numbers before them, which are all from 0.

    Raises:
        ValueError: they are not.
    """
    found = dict[int, str]()
    for entry in entries:
        number, colon, name = entry.partition(":")
        number = number.strip().strip("'\"")
        if not colon or not _NUMBER.fullmatch(number) or int(number) in found:
            raise ValueError("'names' is no mapping from numbers, each once")
        found[int(number)] = _name(name.strip())
    if sorted(found) != list(range(len(found))):
        raise ValueError("'names' does not have all numbers from 0")
    return [found[number] for number in range(len(found))]


def _name(text: str) -> str:
    """Return a name without its quotes.

    Raises:
        ValueError: it is more than a name.
    """
    if text[:1] == text[-1:] == "'" and len(text) > 1:
        return text[1:-1].replace("''", "'")
    if text[:1] == text[-1:] == '"' and len(text) > 1:
        return _ESCAPE.sub(_unescape, text[1:-1])
    marked = text[:1] in "?:-" and text[1:2] in ("", " ")
    if not text or marked or text[0] in "&*!|>%@`'\"[]{}#," or ": " in text or text.endswith(":"):
        raise ValueError(f"{text[:40]!r} in 'names' is no plain or quoted name")
    return text


def _unescape(match: re.Match[str]) -> str:
    code = match[1]
    if code[0] in "xuU" and len(code) > 1:
        number = int(code[1:], 16)
        if number in _HALVES or number > 0x10FFFF:
            raise ValueError(f"'names' has the escape \\{code}, which is no character")
        return chr(number)
    if code in _PLAIN_ESCAPES:
        return _PLAIN_ESCAPES[code]
    raise ValueError(f"'names' has the escape \\{code}")
