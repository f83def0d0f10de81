"""What steps write their code with, and how constants are laid out for the kernels."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from llvmlite import ir

from shufflenet.native._ir import FLOAT, Function, Value, index
from shufflenet.native._kernels import Kernels
from shufflenet.native._memory import Memory

__all__ = ["PIXELS", "Writer", "dense", "filled", "in_panels"]

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

    def place(self, at: int) -> Value:
        """Point into the arena."""
        return self.f.at(self.arena, at)

    def constant(self, values: npt.NDArray[np.float32]) -> Value:
        """Point at constants."""
        return self.f.at(self.constants, self.memory.constant(values))

    def table(self, values: npt.ArrayLike, first: int = 0) -> Value:
        """Point at an entry of a table."""
        return self.f.at(self.tables, self.memory.table(values) + first)

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


def filled(values: npt.NDArray[np.float32], length: int) -> npt.NDArray[np.float32]:
    """Fill up with zeros."""
    return np.pad(values, [(0, length - len(values)), *[(0, 0)] * (values.ndim - 1)])


def in_panels(weight: npt.NDArray[np.float32], widths: list[int]) -> npt.NDArray[np.float32]:
    """Cut ``(in, out)`` weights into panels, each of which lies in one piece."""
    filled = np.pad(weight, [(0, 0), (0, sum(widths) - weight.shape[1])])
    return np.concatenate([p.ravel() for p in np.split(filled, np.cumsum(widths)[:-1], axis=1)])
