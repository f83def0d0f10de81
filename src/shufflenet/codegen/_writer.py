"""What steps write their code with."""

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from llvmlite import ir

from shufflenet.codegen._ir import FLOAT, FLOATS, OFFSETS, Function, Value, index
from shufflenet.codegen._kernels import Kernels
from shufflenet.codegen._memory import Array, Buffer, Memory, Planes

__all__ = ["PIXELS", "Writer", "dense"]

PIXELS = 196  # of a product computed at once: what it reads then stays in the nearest caches


@dataclass(slots=True)
class Writer:
    """What a step needs to write its code."""

    f: Function
    kernels: Kernels
    memory: Memory
    arena: Value
    constants: Value
    tables: Value
    scratch: int
    _places: dict[tuple[object, ...], int] = field(default_factory=dict)
    _made: dict[Hashable, list[tuple[int, ir.Type]]] = field(default_factory=dict)

    def place(self, at: int) -> Value:
        """Point into the arena."""
        return self.f.at(self.arena, at)

    def constant(self, values: Array) -> Value:
        """Point at constants: float32, or words of whatever they are."""
        return self._pointer(*self._keep(values))

    def made_once(self, key: Hashable, make: Callable[[], Sequence[Array]]) -> list[Value]:
        """Point at constants that are laid out when a key is first named, for that takes long."""
        if key not in self._made:
            self._made[key] = [self._keep(values) for values in make()]
        return [self._pointer(*kept) for kept in self._made[key]]

    def _keep(self, values: Array) -> tuple[int, ir.Type]:
        kind = FLOATS if values.dtype == np.float32 else OFFSETS
        return self.memory.constant(values), kind

    def _pointer(self, at: int, kind: ir.Type) -> Value:
        return self.f.bitcast(self.f.at(self.constants, at), kind)

    def table(self, values: npt.ArrayLike) -> Value:
        """Point at a table."""
        return self.f.at(self.tables, self.memory.table(values))

    def pixels(self, of: Buffer, first: Value) -> Value:
        """Point at where a pixel of a map lies, and those after it."""
        return self._table((of, of.height), of.pixels, first)

    def windows(self, of: Buffer, kernel: int, stride: int, first: Value) -> Value:
        """Point at where a window of a map begins, and those after it."""
        key = of, of.height, kernel, stride
        return self._table(key, lambda: of.windows(kernel, stride), first)

    def corners(self, of: Planes, stride: int, first: Value) -> Value:
        """Point at where a window of the images begins, and those after it."""
        return self._table((of, stride), lambda: of.corners(stride), first)

    def _table(
        self, key: tuple[object, ...], make: Callable[[], npt.NDArray[np.int32]], first: Value
    ) -> Value:
        """Point at an entry of a table that is made once, for it is as long as a map."""
        if key not in self._places:
            self._places[key] = self.memory.table(make())
        return self.f.at(self.tables, self._places[key], first)

    def call(self, kernel: ir.Function, *arguments: Value | int | float) -> None:
        """Call a kernel; whole numbers are sizes."""
        self.f.call(kernel, [_constant(argument) for argument in arguments])


def _constant(argument: Value | int | float) -> Value:
    if isinstance(argument, int):
        return index(argument)
    return ir.Constant(FLOAT, argument) if isinstance(argument, float) else argument


def dense(pitch: int) -> npt.NDArray[np.int32]:
    """Make the table of pixels that lie beside each other."""
    return np.arange(PIXELS, dtype=np.int32) * np.int32(pitch)
