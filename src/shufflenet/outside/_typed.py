"""Values from outside, made ones of a type: every field there, known, and of its type."""

import dataclasses
import math
import types
from collections.abc import Callable, Mapping
from typing import Any, Literal, TypeVar, Union, cast, get_args, get_origin, get_type_hints

from shufflenet.errors import SpecError

__all__ = ["typed"]

T = TypeVar("T")


def typed(value: object, kind: type[T], what: str, *, ignore_unknown: bool = False) -> T:
    """Return a value as read from JSON as one of a type; nothing is guessed or converted.

    A whole number is taken as a float, a list as a tuple, an object as a dataclass, whose own
    checks bound its fields.

    Args:
        value: A value as ``read_json`` returns it.
        kind: ``str``, ``int``, ``float``, ``bool``, a ``Literal``, ``object`` for any, a ``tuple``
            of these, a ``dict`` from ``str``, ``X | None``, ``X | tuple``, or a dataclass of these.
        what: What the value is, as an error names it.
        ignore_unknown: Whether fields that a dataclass lacks are passed over: a newer version may
            have written them, and they may not change what the others mean.

    Raises:
        SpecError: it is of another type, a field is missing or unknown, or a dataclass refuses it.

    >>> typed([1, 2.5], tuple[float, ...], "mean")
    (1.0, 2.5)
    """
    return cast(T, _Reader(ignore_unknown).read(value, kind, what))


@dataclasses.dataclass(frozen=True, slots=True)
class _Reader:
    ignore_unknown: bool

    def read(self, value: object, kind: Any, what: str) -> object:  # noqa: ANN401  # any annotation
        """Read a value; see ``typed``.

        Raises:
            SpecError: it is of another type.
            TypeError: the type is none that JSON can hold.
        """
        if dataclasses.is_dataclass(kind):
            return self._dataclass(value, cast(type, kind), what)
        if kind in _PLAIN:
            return _PLAIN[kind](value, what)
        origin, parts = get_origin(kind), get_args(kind)
        if origin is tuple:
            return self._tuple(value, parts, what)
        if origin is dict:
            fields = _require(isinstance(value, dict), value, what, "an object")
            return {k: self.read(v, parts[1], f"{what}[{k[:40]!r}]") for k, v in fields.items()}
        if origin is Literal:
            allowed = any(value == each and type(value) is type(each) for each in parts)
            return _require(allowed, value, what, " or ".join(map(repr, parts)))
        if origin in (Union, types.UnionType):
            return self._either(value, parts, what)
        raise TypeError(f"{kind} cannot be read from JSON")

    def _either(self, value: object, parts: tuple[Any, ...], what: str) -> object:
        """Read a value of one type or another.

        They are None; a tuple and what is no list; or dataclasses, of which the first is meant that
        has all of its fields.
        """
        inner = [part for part in parts if part is not types.NoneType]
        if value is None and len(inner) < len(parts):
            return None
        if all(map(dataclasses.is_dataclass, inner)):
            given = value.keys() if isinstance(value, dict) else set[str]()
            fitting = (each for each in inner if _names(each) <= given)
            return self.read(value, next(fitting, inner[0]), what)
        if len(inner) == 1:
            return self.read(value, inner[0], what)
        kinds = {get_origin(part) is tuple: part for part in parts}
        return self.read(value, kinds[isinstance(value, list)], what)

    def _dataclass(self, value: object, kind: type, what: str) -> object:
        fields: Mapping[str, object] = _require(isinstance(value, dict), value, what, "an object")
        known = {each.name: each for each in dataclasses.fields(kind)}
        if not self.ignore_unknown and (unknown := next((k for k in fields if k not in known), "")):
            raise SpecError(what, {unknown: fields[unknown]}, f"without the field {unknown!r}")
        kinds = get_type_hints(kind)
        read = {}
        for name, field in known.items():
            if name in fields:
                read[name] = self.read(fields[name], kinds[name], f"{what}.{name}")
            elif dataclasses.MISSING is field.default is field.default_factory:
                raise SpecError(f"{what}.{name}", "missing", "there")
        return kind(**read)

    def _tuple(self, value: object, parts: tuple[object, ...], what: str) -> tuple[object, ...]:
        values = _require(isinstance(value, list), value, what, "a list")
        if parts[-1] is Ellipsis:
            parts = parts[:1] * len(values)
        _require(len(values) == len(parts), value, what, f"a list of {len(parts)}")
        pairs = enumerate(zip(values, parts, strict=True))
        return tuple(self.read(each, part, f"{what}[{i}]") for i, (each, part) in pairs)


def _names(kind: Any) -> set[str]:  # noqa: ANN401  # a dataclass
    return {field.name for field in dataclasses.fields(kind)}


def _require(is_so: bool, value: Any, what: str, expected: str) -> Any:  # noqa: ANN401  # as given
    """Return the value if it is as expected.

    Raises:
        SpecError: it is not.
    """
    if not is_so:
        raise SpecError(what, value, expected)
    return value


def _whole(value: object, what: str) -> object:
    return _require(type(value) is int, value, what, "a whole number")


def _number(value: object, what: str) -> object:
    is_number = type(value) in (int, float) and math.isfinite(cast(float, value))
    return float(_require(is_number, value, what, "a number"))


_PLAIN: dict[object, Callable[[object, str], object]] = {
    object: lambda value, what: value,
    str: lambda value, what: _require(isinstance(value, str), value, what, "text"),
    bool: lambda value, what: _require(isinstance(value, bool), value, what, "true or false"),
    int: _whole,
    float: _number,
}
