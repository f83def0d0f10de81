"""What every kernel is written with: a function, its loops, and vectors of float32."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TypeAlias

from llvmlite import ir

__all__ = ["FLOAT", "FLOATS", "INDEX", "OFFSETS", "Function", "Value", "index"]

Value: TypeAlias = ir.Value

FLOAT, INDEX = ir.FloatType(), ir.IntType(64)
FLOATS, OFFSETS = FLOAT.as_pointer(), ir.IntType(32).as_pointer()
_BYTES, _INT32 = ir.IntType(8).as_pointer(), ir.IntType(32)
_ALIGNMENT = 4  # bytes: of any float32, since a piece of a map may begin at any channel


def index(value: int) -> Value:
    """Make a number of pixels, channels or floats."""
    return ir.Constant(INDEX, value)


class Function(ir.IRBuilder):  # type: ignore[misc]  # llvmlite has no types
    """A function under construction, whose vectors hold ``lanes`` float32."""

    def __init__(self, module: ir.Module, name: str, takes: Sequence[ir.Type], lanes: int) -> None:
        self.made = ir.Function(module, ir.FunctionType(ir.VoidType(), takes), name)
        # A kernel inlined wherever it is called would be compiled as often.
        self.made.attributes.add("noinline")
        self.arguments = self.made.args
        self.lanes = lanes
        self._vector = ir.VectorType(FLOAT, lanes)
        super().__init__(self.made.append_basic_block())

    @contextmanager
    def counting(self, end: Value, start: Value | None = None, step: int = 1) -> Iterator[Value]:
        """Repeat what is written within from ``start``, or 0, to before ``end``."""
        before = self.block
        head, body, after = (self.append_basic_block() for _ in range(3))
        self.branch(head)
        self.position_at_end(head)
        count = self.phi(INDEX)
        count.add_incoming(index(0) if start is None else start, before)
        self.cbranch(self.icmp_signed("<", count, end), body, after)
        self.position_at_end(body)
        yield count
        count.add_incoming(self.add(count, index(step)), self.block)
        self.branch(head)
        self.position_at_end(after)

    def at(self, pointer: Value, *offsets: Value | int) -> Value:
        """Go on from a pointer by so many elements."""
        for offset in offsets:
            pointer = self.gep(pointer, [index(offset) if isinstance(offset, int) else offset])
        return pointer

    def offset(self, table: Value, number: Value | int) -> Value:
        """Look up an offset in a table."""
        return self.sext(self.load(self.at(table, number)), INDEX)

    def vector(self, pointer: Value) -> Value:
        """Load a vector."""
        return self.load(self.bitcast(pointer, self._vector.as_pointer()), align=_ALIGNMENT)

    def keep(self, vector: Value, pointer: Value) -> None:
        """Store a vector."""
        self.store(vector, self.bitcast(pointer, self._vector.as_pointer()), align=_ALIGNMENT)

    def room(self) -> Value:
        """Make a variable for a vector, which ends up in a register."""
        with self.goto_entry_block():  # only there is it known to be needed once
            return self.alloca(self._vector)

    def all_of(self, number: Value | float) -> Value:
        """Make a vector of one number."""
        if isinstance(number, float):
            return ir.Constant(self._vector, [number] * self.lanes)
        nothing = ir.Constant(self._vector, ir.Undefined)
        first = self.insert_element(nothing, number, ir.Constant(_INT32, 0))
        zeros = ir.Constant(ir.VectorType(_INT32, self.lanes), [0] * self.lanes)
        return self.shuffle_vector(first, nothing, zeros)

    def multiply_add(self, a: Value, b: Value, c: Value) -> Value:
        """Compute ``a * b + c`` of vectors, rounded once where the processor can."""
        return self.call(
            self._intrinsic(f"fmuladd.v{self.lanes}f32", [self._vector] * 3), [a, b, c]
        )

    def largest(self, a: Value, b: Value) -> Value:
        """Compute the larger of two vectors, lane by lane; a NaN in ``a`` stays one, as in ReLU."""
        return self.select(self.fcmp_ordered("<", a, b), b, a)

    def fetch(self, pointer: Value, *, to_write: bool = False) -> None:
        """Bring a cache line nearer, ahead of its use: to the first level if to be written."""
        settings = (1, 3, 1) if to_write else (0, 2, 1)
        prefetch = self._intrinsic("prefetch.p0", [_BYTES, _INT32, _INT32, _INT32], ir.VoidType())
        numbers = [ir.Constant(_INT32, number) for number in settings]
        self.call(prefetch, [self.bitcast(pointer, _BYTES), *numbers])

    def _intrinsic(
        self, name: str, takes: list[ir.Type], gives: ir.Type | None = None
    ) -> ir.Function:
        found = self.module.globals.get(f"llvm.{name}")
        kind = ir.FunctionType(gives or self._vector, takes)
        return found or ir.Function(self.module, kind, f"llvm.{name}")
