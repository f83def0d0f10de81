"""Reading pickles as data: an interpreter for dictionaries, numbers and arrays that calls nothing.

``pickle`` calls whatever a file names, and allocates as much memory as it asks for. This reads the
same opcodes, builds arrays only from bytes in the file, and puts an inert placeholder where a file
names a class of the libraries that training scripts use. It refuses every other name.
"""

import os
import pickletools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, BinaryIO

from shufflenet.convert._pickled_values import (
    Dtype,
    Global,
    Inert,
    Stored,
    Unsafe,
    array_from,
    is_name,
)

__all__ = ["read_pickle"]

_MAX_OPCODES = 1_000_000  # the largest network of the catalogue takes 70,000
_COPIES = 4  # how often its own size a pickle may have copied


Calls = dict[tuple[str, str], Callable[..., object]]


def read_pickle(
    stream: BinaryIO,
    calls: Calls | None = None,
    persistent: Callable[[object], object] = lambda key: key,
) -> object:
    """Read one pickle and leave the stream right behind it, in time and memory bounded by its size.

    Args:
        stream: Read from its current position.
        calls: Further functions that may be called, by module and name.
        persistent: Returns the value for a persistent id, an object outside the pickle.

    Raises:
        Unsafe: the pickle names anything else, or asks for more work than its size explains.
        ValueError: it is damaged; IndexError, KeyError, TypeError and EOFError mean the same.
    """
    rest = _Rest(stream)
    machine = _Machine(_CALLS | (calls or {}), persistent, _COPIES * rest.length())
    operations = pickletools.genops(rest)  # type: ignore[arg-type]  # it reads lines and bytes
    for number, (opcode, argument, _) in enumerate(operations):
        if opcode.name == "STOP":
            return machine.stack.pop()
        if number >= _MAX_OPCODES:
            raise Unsafe(f"more than {_MAX_OPCODES:,} instructions")
        machine.step(opcode.name, argument)
    raise ValueError("it ends early")


@dataclass(frozen=True, slots=True)
class _Rest:
    """A stream of which never more is asked than it has: a read allocates what it is asked for."""

    stream: BinaryIO

    def length(self) -> int:
        """Return how many bytes follow."""
        at = self.stream.tell()
        end = self.stream.seek(0, os.SEEK_END)
        self.stream.seek(at)
        return end - at

    def tell(self) -> int:
        """Return the position."""
        return self.stream.tell()

    def read(self, count: int) -> bytes:
        """Read bytes, fewer at the end."""
        return self.stream.read(count if count < _SMALL_BYTES else min(count, self.length()))

    def readline(self) -> bytes:
        """Read a line with its end."""
        return self.stream.readline()


_SMALL_BYTES = 1 << 16  # read without asking how many follow


class _Machine:
    """The stack, the marks on it, and the memo of a pickle."""

    def __init__(
        self, calls: Calls, persistent: Callable[[object], object], copied_limit: int
    ) -> None:
        self.stack: list[Any] = []
        self.marks: list[int] = []
        self.memo: dict[int, object] = {}
        self.calls, self.persistent, self.copied_limit = calls, persistent, copied_limit

    def step(self, name: str, argument: Any) -> None:  # noqa: ANN401  # as pickletools gives it
        """Execute one opcode.

        Raises:
            Unsafe: data do not need this opcode.
        """
        if name in _PUSHED:
            self.stack.append(argument if name not in _CONSTANTS else _CONSTANTS[name]())
        elif name in _MEMORY:
            self._remember(name, argument)
        elif name in ("PROTO", "FRAME"):
            pass
        elif handler := getattr(self, f"_{name.lower()}", None):
            handler(argument)
        else:
            raise Unsafe(f"the opcode {name}")

    def _remember(self, name: str, argument: int) -> None:
        if name == "MEMOIZE":
            self.memo[len(self.memo)] = self.stack[-1]
        elif name.endswith("PUT"):
            if not 0 <= int(argument) < 1 << 32:  # longer numbers can be made to collide
                raise ValueError("a place that no pickle has")
            self.memo[int(argument)] = self.stack[-1]
        else:
            self.stack.append(self.memo[int(argument)])

    def _since_mark(self) -> list[Any]:
        start = self.marks.pop()
        items = self.stack[start:]
        del self.stack[start:]
        return items

    def _mark(self, _: object) -> None:
        self.marks.append(len(self.stack))

    def _pop(self, _: object) -> None:
        self.stack.pop()

    def _pop_mark(self, _: object) -> None:
        self._since_mark()

    def _dup(self, _: object) -> None:
        self.stack.append(self.stack[-1])

    def _tuple(self, _: object) -> None:
        self.stack.append(tuple(self._since_mark()))

    def _tuple1(self, _: object) -> None:
        self._last(1)

    def _tuple2(self, _: object) -> None:
        self._last(2)

    def _tuple3(self, _: object) -> None:
        self._last(3)

    def _last(self, count: int) -> None:
        if count > len(self.stack):
            raise IndexError("the stack is empty")
        items = tuple(self.stack[-count:])
        del self.stack[-count:]
        self.stack.append(items)

    def _list(self, _: object) -> None:
        self.stack.append(self._since_mark())

    def _dict(self, _: object) -> None:
        items = self._since_mark()
        self.stack.append({})
        self._set(items)

    def _append(self, _: object) -> None:
        self._extend([self.stack.pop()])

    def _appends(self, _: object) -> None:
        self._extend(self._since_mark())

    def _extend(self, items: list[Any]) -> None:
        target = self.stack[-1]
        if isinstance(target, list):  # and not a placeholder
            target.extend(items)

    def _additems(self, _: object) -> None:
        self._since_mark()  # sets hold no weights

    def _frozenset(self, _: object) -> None:
        self._since_mark()
        self.stack.append(None)

    def _setitem(self, _: object) -> None:
        value, key = self.stack.pop(), self.stack.pop()
        self._set([key, value])

    def _setitems(self, _: object) -> None:
        self._set(self._since_mark())

    def _set(self, items: Sequence[Any]) -> None:
        target = self.stack[-1]
        if isinstance(target, dict):  # and not a placeholder
            for key, value in zip(items[::2], items[1::2], strict=True):
                if is_name(key):
                    target[key] = value

    def _global(self, argument: str) -> None:
        self._name(*argument.split(" ", 1))

    def _stack_global(self, _: object) -> None:
        name, module = self.stack.pop(), self.stack.pop()
        self._name(module, name)

    def _name(self, module: object, name: object) -> None:
        if not (is_name(module) and is_name(name)):
            raise Unsafe("a class without a name")
        self.stack.append(Global(str(module), str(name)))

    def _reduce(self, _: object) -> None:
        arguments, function = self.stack.pop(), self.stack.pop()
        self.stack.append(self._call(function, arguments))

    _newobj = _reduce

    def _newobj_ex(self, _: object) -> None:
        self.stack.pop()
        self._reduce(None)

    def _call(self, function: object, arguments: tuple[Any, ...]) -> object:
        if not isinstance(function, Global):
            raise Unsafe("a call of something other than a function")
        if allowed := self.calls.get((function.module, function.name)):
            self._charge(arguments)
            return allowed(*arguments)
        if function.harmless:
            return Inert(str(function))
        raise Unsafe(str(function))

    def _charge(self, arguments: Sequence[object]) -> None:
        """Count what a call may copy: one object, named again and again, could be copied each time.

        Raises:
            Unsafe: more was copied than the file's size explains.
        """
        lengths = (len(a) for a in arguments if isinstance(a, str | bytes | list | tuple))
        self.copied_limit -= sum(lengths) + len(arguments)
        if self.copied_limit < 0:
            raise Unsafe("the same values again and again, more than its size explains")

    def _build(self, _: object) -> None:
        state = self.stack.pop()
        target = self.stack[-1]
        if isinstance(target, Stored):
            _, shape, dtype, fortran, content = state
            self._charge([content] if isinstance(content, str) else [])
            target.read = partial(array_from, content, dtype, shape, "F" if fortran else "C")
        elif isinstance(target, Dtype):
            target.order = state[1]

    def _binpersid(self, _: object) -> None:
        self.stack.append(self.persistent(self.stack.pop()))


_CONSTANTS: dict[str, Callable[[], object]] = {
    "NONE": lambda: None,
    "NEWTRUE": lambda: True,
    "NEWFALSE": lambda: False,
    "EMPTY_DICT": dict,
    "EMPTY_LIST": list,
    "EMPTY_TUPLE": tuple,
    "EMPTY_SET": list,  # sets hold no weights
}
_PUSHED = frozenset(_CONSTANTS) | {
    "INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT",
    "STRING", "BINSTRING", "SHORT_BINSTRING", "UNICODE", "SHORT_BINUNICODE", "BINUNICODE",
    "BINUNICODE8", "SHORT_BINBYTES", "BINBYTES", "BINBYTES8", "BYTEARRAY8",
}  # fmt: skip
_MEMORY = frozenset(["PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE", "GET", "BINGET", "LONG_BINGET"])


def _encode(text: str, encoding: str) -> bytes:
    if encoding not in ("latin1", "latin-1"):  # others may take unlimited memory or time
        raise Unsafe("text in another encoding than latin1")
    return text.encode("latin1")


def _ordered_dict(pairs: Sequence[Sequence[Any]] = ()) -> dict[str, object]:
    return {key: value for key, value in pairs if is_name(key)}


def _dtype(code: str, *_: object) -> Dtype:
    return Dtype(code)


def _from_buffer(*arguments: Any) -> Stored:  # noqa: ANN401  # as NumPy pickles them
    return Stored(partial(array_from, *arguments))


def _reconstructor(kind: object, *_: object) -> Inert:
    """Stand in for what protocols 0 and 1 make objects with.

    Raises:
        Unsafe: they are of a class not known to be harmless.
    """
    if isinstance(kind, Global) and kind.harmless:
        return Inert(str(kind))
    raise Unsafe(str(kind) if isinstance(kind, Global) else "an object without a class")


def _copy(items: Sequence[object] = ()) -> tuple[object, ...]:
    return tuple(items)


_BUILTINS = (
    "builtins",
    "__builtin__",
)  # in Python 3, and in Python 2, whose names protocol 2 writes
_VALUES = ("bytearray", "complex", "frozenset", "range", "set", "slice")  # hold no weights

_CALLS: Calls = {
    ("collections", "OrderedDict"): _ordered_dict,
    ("_codecs", "encode"): _encode,
    **{(built, "tuple"): _copy for built in _BUILTINS},
    **{(built, name): lambda *_: None for built in _BUILTINS for name in _VALUES},
    **{(copyreg, "_reconstructor"): _reconstructor for copyreg in ("copyreg", "copy_reg")},
    ("numpy", "dtype"): _dtype,
    **{
        (f"numpy.{core}.multiarray", "_reconstruct"): lambda *_: Stored()
        for core in ("core", "_core")
    },
    **{(f"numpy.{core}.numeric", "_frombuffer"): _from_buffer for core in ("core", "_core")},
}
