"""Reading pickles as data: an interpreter for dictionaries, numbers and arrays that calls nothing.

``pickle`` calls whatever a file names, and allocates as much memory as it asks for. This reads the
same opcodes, builds arrays only from bytes in the file, and puts an inert placeholder where a file
names a class of the libraries that training scripts use. It refuses every other name.
"""

import pickletools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

__all__ = ["INERT", "Global", "Unsafe", "array_from", "read_pickle"]

# Packages whose objects training scripts store beside weights: dates, paths, configurations.
_HARMLESS = frozenset((
    "addict", "argparse", "collections", "datetime", "mmcls", "mmcv", "mmengine", "mmpretrain",
    "numpy", "pathlib", "torch",
))  # fmt: skip


class Unsafe(ValueError):
    """The file names something that is neither data nor known to be harmless."""


@dataclass(frozen=True, slots=True)
class Global:
    """A class or function that a pickle names."""

    module: str
    name: str

    def __str__(self) -> str:
        return f"{self.module}.{self.name}"


class _Inert:
    """A placeholder for an object of a harmless class, which is not built."""


INERT = _Inert()


class _Array:
    """An array whose bytes have not been read yet."""


@dataclass(slots=True)
class _Dtype:
    code: str
    order: str = "="

    def numpy(self) -> np.dtype[np.generic]:
        """Return the NumPy type.

        Raises:
            Unsafe: the type is of objects, or of several fields.
        """
        if self.code[:1] not in "biuf" or not self.code[1:].isdigit():
            raise Unsafe(f"arrays of {self.code!r}")
        return np.dtype(self.order.replace("|", "=") + self.code)


Calls = dict[tuple[str, str], Callable[..., object]]


def read_pickle(
    stream: BinaryIO,
    calls: Calls | None = None,
    persistent: Callable[[object], object] = lambda key: key,
) -> object:
    """Read one pickle and leave the stream right behind it.

    Args:
        stream: Read from its current position.
        calls: Further functions that may be called, by module and name.
        persistent: Returns the value for a persistent id, an object outside the pickle.

    Raises:
        Unsafe: the pickle names anything else.
        ValueError: it is damaged; IndexError, KeyError, TypeError and EOFError mean the same.
    """
    machine = _Machine(_CALLS | (calls or {}), persistent)
    for opcode, argument, _ in pickletools.genops(stream):
        if opcode.name == "STOP":
            return machine.stack.pop()
        machine.step(opcode.name, argument)
    raise ValueError("it ends early")


class _Machine:
    """The stack, the marks on it, and the memo of a pickle."""

    def __init__(self, calls: Calls, persistent: Callable[[object], object]) -> None:
        self.stack: list[Any] = []
        self.marks: list[int] = []
        self.memo: dict[int, object] = {}
        self.calls, self.persistent = calls, persistent

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
        item = self.stack.pop()
        self.stack[-1].append(item)

    def _appends(self, _: object) -> None:
        items = self._since_mark()
        self.stack[-1].extend(items)

    def _additems(self, _: object) -> None:
        self._since_mark()  # sets hold no weights

    def _setitem(self, _: object) -> None:
        value, key = self.stack.pop(), self.stack.pop()
        self._set([key, value])

    def _setitems(self, _: object) -> None:
        self._set(self._since_mark())

    def _set(self, items: Sequence[Any]) -> None:
        target = self.stack[-1]
        if isinstance(target, dict):  # and not a placeholder
            for key, value in zip(items[::2], items[1::2], strict=True):
                if isinstance(key, str | int):  # hashing a nested tuple may never end
                    target[key] = value

    def _global(self, argument: str) -> None:
        self.stack.append(Global(*argument.split(" ", 1)))

    def _stack_global(self, _: object) -> None:
        name, module = self.stack.pop(), self.stack.pop()
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
            return allowed(*arguments)
        if function.module.split(".")[0] in _HARMLESS:
            return INERT
        raise Unsafe(str(function))

    def _build(self, _: object) -> None:
        state = self.stack.pop()
        empty = self.stack[-1]
        if isinstance(empty, _Array):
            _, shape, dtype, fortran, content = state
            self.stack[-1] = array_from(content, dtype, shape, "F" if fortran else "C")
            memoized = [key for key, value in self.memo.items() if value is empty]
            self.memo.update(dict.fromkeys(memoized, self.stack[-1]))
        elif isinstance(self.stack[-1], _Dtype):
            self.stack[-1].order = state[1]

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


def array_from(
    content: object,
    dtype: object,
    shape: Sequence[int],
    order: Any = "C",  # noqa: ANN401  # NumPy's letters
) -> npt.NDArray[np.generic]:
    """Build an array, ``(*shape,)``, from bytes in the file.

    Raises:
        Unsafe: the content is not bytes, or the type is not one of numbers.
    """
    if isinstance(content, str):  # bytes, written by Python 2
        content = content.encode("latin1")
    if not isinstance(content, bytes | bytearray) or not isinstance(dtype, _Dtype):
        raise Unsafe("arrays without bytes")
    return np.frombuffer(content, dtype.numpy()).reshape(shape, order=order)


def _encode(text: str, encoding: str) -> bytes:
    if encoding not in ("latin1", "latin-1"):  # others may take unlimited memory or time
        raise Unsafe(f"text in {encoding!r}")
    return text.encode("latin1")


def _ordered_dict(pairs: Sequence[Sequence[Any]] = ()) -> dict[object, object]:
    return {key: value for key, value in pairs if isinstance(key, str | int)}


def _dtype(code: str, *_: object) -> _Dtype:
    return _Dtype(code)


_BUILTINS = (
    "builtins",
    "__builtin__",
)  # in Python 3, and in Python 2, whose names protocol 2 writes
_VALUES = ("bytearray", "complex", "frozenset", "range", "set", "slice")  # hold no weights

_CALLS: Calls = {
    ("collections", "OrderedDict"): _ordered_dict,
    ("_codecs", "encode"): _encode,
    **{(built, "tuple"): lambda items=(): tuple(items) for built in _BUILTINS},
    **{(built, name): lambda *_: None for built in _BUILTINS for name in _VALUES},
    ("numpy", "dtype"): _dtype,
    **{
        (f"numpy.{core}.multiarray", "_reconstruct"): lambda *_: _Array()
        for core in ("core", "_core")
    },
    **{(f"numpy.{core}.numeric", "_frombuffer"): array_from for core in ("core", "_core")},
}
