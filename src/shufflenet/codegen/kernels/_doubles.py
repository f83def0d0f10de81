"""Arithmetic of float64 by instructions, and by integers where a processor has none.

Small processors compute float32 at most, and nothing is linked that would do the rest.
"""

from typing import Protocol

from llvmlite import ir

from shufflenet.codegen.kernels._ir import FLOAT, INT32, Function, Value

__all__ = ["Doubles", "HardwareDoubles"]


class Doubles(Protocol):
    """Float64 in a register; each operation is rounded to the nearest, a half to the even one."""

    @property
    def kind(self) -> ir.Type:
        """The type of a number."""

    def number(self, value: float) -> Value:
        """Return a constant."""

    def add(self, f: Function, a: Value, b: Value) -> Value:
        """Compute ``a + b``."""

    def subtract(self, f: Function, a: Value, b: Value) -> Value:
        """Compute ``a - b``."""

    def multiply(self, f: Function, a: Value, b: Value) -> Value:
        """Compute ``a * b``."""

    def divide(self, f: Function, a: Value, b: Value) -> Value:
        """Compute ``a / b``; ``b`` is not 0."""

    def is_less(self, f: Function, a: Value, b: Value) -> Value:
        """Whether ``a < b``; a negative 0 may count as less than 0."""

    def from_int(self, f: Function, value: Value) -> Value:
        """Convert an int32 from 0 up."""

    def to_int(self, f: Function, a: Value) -> Value:
        """Convert to int32, cut towards 0."""

    def to_float(self, f: Function, a: Value) -> Value:
        """Round to float32."""


class HardwareDoubles:
    """By instructions."""

    kind = ir.DoubleType()

    def number(self, value: float) -> Value:
        """Return a constant."""
        return ir.Constant(self.kind, float(value))

    def add(self, f: Function, a: Value, b: Value) -> Value:
        """Compute ``a + b``."""
        return f.fadd(a, b)

    def subtract(self, f: Function, a: Value, b: Value) -> Value:
        """Compute ``a - b``."""
        return f.fsub(a, b)

    def multiply(self, f: Function, a: Value, b: Value) -> Value:
        """Compute ``a * b``."""
        return f.fmul(a, b)

    def divide(self, f: Function, a: Value, b: Value) -> Value:
        """Compute ``a / b``."""
        return f.fdiv(a, b)

    def is_less(self, f: Function, a: Value, b: Value) -> Value:
        """Whether ``a < b``."""
        return f.fcmp_ordered("<", a, b)

    def from_int(self, f: Function, value: Value) -> Value:
        """Convert an int32."""
        return f.sitofp(value, self.kind)

    def to_int(self, f: Function, a: Value) -> Value:
        """Convert to int32, cut towards 0."""
        return f.fptosi(a, INT32)

    def to_float(self, f: Function, a: Value) -> Value:
        """Round to float32."""
        return f.fptrunc(a, FLOAT)
