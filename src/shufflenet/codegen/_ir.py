"""What every kernel is written with: a function, its loops, and vectors."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TypeAlias

from llvmlite import ir

__all__ = [
    "BYTE",
    "BYTES",
    "FLOAT",
    "FLOATS",
    "INDEX",
    "INT16",
    "INT32",
    "OFFSETS",
    "Function",
    "Value",
    "index",
]

Value: TypeAlias = ir.Value

BYTE, INT16, INT32, INDEX = (ir.IntType(bits) for bits in (8, 16, 32, 64))
FLOAT = ir.FloatType()
BYTES, OFFSETS, FLOATS = (kind.as_pointer() for kind in (BYTE, INT32, FLOAT))


def index(value: int) -> Value:
    """Make a number of pixels, channels or elements."""
    return ir.Constant(INDEX, value)


class Function(ir.IRBuilder):  # type: ignore[misc]  # llvmlite has no types
    """A function under construction, which loads vectors of one kind where none is named."""

    def __init__(
        self, module: ir.Module, name: str, takes: Sequence[ir.Type], vector: ir.VectorType
    ) -> None:
        function = ir.Function(module, ir.FunctionType(ir.VoidType(), takes), name)
        # A kernel inlined wherever it is called would be compiled as often.
        function.attributes.add("noinline")
        super().__init__(function.append_basic_block())
        self.arguments = function.args
        self._vector = vector

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

    def word(self, pointer: Value, kind: ir.Type) -> Value:
        """Load what may lie anywhere, since a piece of a map may begin at any channel."""
        return self.load(self.bitcast(pointer, kind.as_pointer()), align=1)

    def vector(self, pointer: Value, kind: ir.VectorType | None = None) -> Value:
        """Load a vector."""
        return self.word(pointer, kind or self._vector)

    def store_vector(self, vector: Value, pointer: Value) -> None:
        """Store a vector."""
        self.store(vector, self.bitcast(pointer, vector.type.as_pointer()), align=1)

    def variable(self, kind: ir.VectorType | None = None) -> Value:
        """Make a variable for a vector, which ends up in a register."""
        with self.goto_entry_block():  # only there is it known to be needed once
            return self.alloca(kind or self._vector)

    def splat(self, number: Value | float, kind: ir.VectorType | None = None) -> Value:
        """Make a vector of one number."""
        kind = kind or self._vector
        if isinstance(number, float | int):
            return ir.Constant(kind, [number] * kind.count)
        nothing = ir.Constant(kind, ir.Undefined)
        first = self.insert_element(nothing, number, ir.Constant(INT32, 0))
        return self.shuffle(first, nothing, [0] * kind.count)

    def shuffle(self, a: Value, b: Value, lanes: Sequence[int]) -> Value:
        """Make a vector of lanes of two, those of the second counted on from the first's."""
        order = ir.Constant(ir.VectorType(INT32, len(lanes)), list(lanes))
        return self.shuffle_vector(a, b, order)

    def multiply_add(self, a: Value, b: Value, c: Value) -> Value:
        """Compute ``a * b + c`` of float32 vectors, rounded once where the processor can."""
        return self.intrinsic(f"fmuladd.v{a.type.count}f32", a.type, a, b, c)

    def maximum(self, a: Value, b: Value) -> Value:
        """Compute the larger of two vectors, lane by lane; a NaN in ``a`` stays one, as in ReLU.

        Whole numbers are compared without a sign.
        """
        is_float = a.type.element == FLOAT
        smaller = self.fcmp_ordered("<", a, b) if is_float else self.icmp_unsigned("<", a, b)
        return self.select(smaller, b, a)

    def fetch(self, pointer: Value, *, to_write: bool = False) -> None:
        """Bring a cache line nearer, ahead of its use: to the first level if to be written."""
        numbers = (ir.Constant(INT32, number) for number in ((1, 3, 1) if to_write else (0, 2, 1)))
        self.intrinsic("prefetch.p0", ir.VoidType(), self.bitcast(pointer, BYTES), *numbers)

    def intrinsic(self, name: str, gives: ir.Type, *arguments: Value) -> Value:
        """Call what LLVM knows as ``llvm.`` and a name, an instruction of some processors."""
        kind = ir.FunctionType(gives, [argument.type for argument in arguments])
        found = self.module.globals.get(f"llvm.{name}")
        return self.call(found or ir.Function(self.module, kind, f"llvm.{name}"), arguments)
