"""The builder that every kernel is written with: functions, loops, vectors and addresses."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import SimpleNamespace
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

_WITHOUT_PREFETCH = ("wasm", "riscv")  # architectures, as LLVM's triples begin

BYTE, INT16, INT32, INDEX = (ir.IntType(bits) for bits in (8, 16, 32, 64))
FLOAT = ir.FloatType()
BYTES, OFFSETS, FLOATS = (kind.as_pointer() for kind in (BYTE, INT32, FLOAT))


def index(value: int) -> Value:
    """Return a constant number of pixels, channels or elements."""
    return ir.Constant(INDEX, value)


class Function(ir.IRBuilder):  # type: ignore[misc]  # llvmlite has no types
    """A function under construction.

    Args:
        module: The module that it belongs to.
        name: Its name there.
        types: Names and types of its arguments, in order.
        vector: The vectors that it loads and stores where no other type is given.
        returns: The type of what it returns; by default nothing.

    Attributes:
        arguments: Its arguments by name.
    """

    def __init__(
        self,
        module: ir.Module,
        name: str,
        types: Mapping[str, ir.Type],
        vector: ir.VectorType,
        returns: ir.Type | None = None,
    ) -> None:
        kind = ir.FunctionType(returns or ir.VoidType(), list(types.values()))
        function = ir.Function(module, kind, name)
        # A kernel inlined at every call would be compiled as often.
        function.attributes.add("noinline")
        for argument, argument_name in zip(function.args, types, strict=True):
            argument.name = argument_name
        super().__init__(function.append_basic_block())
        self.arguments = SimpleNamespace(**dict(zip(types, function.args, strict=True)))
        self._vector = vector

    @contextmanager
    def loop(self, end: Value, start: Value | None = None, step: int = 1) -> Iterator[Value]:
        """Repeat what is written within the block, from ``start`` (or 0) to before ``end``."""
        before = self.block
        head, body, after = (self.append_basic_block() for _ in range(3))
        self.branch(head)
        self.position_at_end(head)
        count = self.phi(end.type)
        count.add_incoming(ir.Constant(end.type, 0) if start is None else start, before)
        self.cbranch(self.icmp_signed("<", count, end), body, after)
        self.position_at_end(body)
        yield count
        count.add_incoming(self.add(count, ir.Constant(end.type, step)), self.block)
        self.branch(head)
        self.position_at_end(after)

    @contextmanager
    def walk(self, rounds: Value, moves: Sequence[tuple[Value, int]]) -> Iterator[list[Value]]:
        """Repeat what is written within the block, with pointers that move on from round to round.

        LLVM is told nothing of where they point, or it would compute each address of a round from
        others: so constants that are added to them (``within``) stay in loads, where they cost
        nothing.

        Args:
            rounds: How often.
            moves: Pointers, and by how many elements each moves on.
        """
        variables = [self.variable(pointer.type) for pointer, _ in moves]
        for variable, (pointer, _) in zip(variables, moves, strict=True):
            self.store(pointer, variable)
        with self.loop(rounds):
            here = [self._unknown(self.load(variable)) for variable in variables]
            yield here
            for variable, pointer, (_, elements) in zip(variables, here, moves, strict=True):
                self.store(self.at(pointer, elements), variable)

    def _unknown(self, pointer: Value) -> Value:
        kind = ir.FunctionType(pointer.type, [pointer.type])
        return self.call(ir.InlineAsm(kind, "", "=r,0"), [pointer])  # no instruction

    def within(self, pointer: Value, elements: int) -> Value:
        """Return a pointer moved on by a constant, within what it points into."""
        return self.gep(pointer, [index(elements)], inbounds=True)

    def at(self, pointer: Value, *offsets: Value | int) -> Value:
        """Return a pointer moved on by the sum of the offsets, in elements."""
        for offset in offsets:
            pointer = self.gep(pointer, [index(offset) if isinstance(offset, int) else offset])
        return pointer

    def load_offset(self, table: Value, number: Value | int) -> Value:
        """Load one offset of a table of 32-bit offsets."""
        return self.sext(self.load(self.at(table, number)), INDEX)

    def load_unaligned(self, pointer: Value, kind: ir.Type) -> Value:
        """Load a value from any address, since a channel slice may begin at any channel."""
        return self.load(self.bitcast(pointer, kind.as_pointer()), align=1)

    def load_vector(self, pointer: Value, kind: ir.VectorType | None = None) -> Value:
        """Load a vector: float32 from a multiple of four bytes, others from any address."""
        kind = kind or self._vector
        return self.load(self.bitcast(pointer, kind.as_pointer()), align=_alignment(kind))

    def store_vector(self, vector: Value, pointer: Value) -> None:
        """Store a vector where ``load_vector`` would load it."""
        address = self.bitcast(pointer, vector.type.as_pointer())
        self.store(vector, address, align=_alignment(vector.type))

    def variable(self, kind: ir.Type | None = None) -> Value:
        """Return a variable, by default for a vector, which LLVM turns into a register."""
        with self.goto_entry_block():  # only there does LLVM know that it is needed once
            return self.alloca(kind or self._vector)

    def splat(self, number: Value | float, kind: ir.VectorType | None = None) -> Value:
        """Return a vector whose lanes all hold one number."""
        kind = kind or self._vector
        if isinstance(number, float | int):
            return ir.Constant(kind, [number] * kind.count)
        undefined = ir.Constant(kind, ir.Undefined)
        first = self.insert_element(undefined, number, ir.Constant(INT32, 0))
        return self.shuffle(first, undefined, [0] * kind.count)

    def shuffle(self, a: Value, b: Value, lanes: Sequence[int]) -> Value:
        """Return a vector of lanes of two; the second's lanes are numbered after the first's."""
        order = ir.Constant(ir.VectorType(INT32, len(lanes)), list(lanes))
        return self.shuffle_vector(a, b, order)

    def multiply_add(self, a: Value, b: Value, c: Value) -> Value:
        """Compute ``a * b + c`` of float32 vectors, rounded once where the processor can."""
        declared = self._intrinsic(f"fmuladd.v{a.type.count}f32", a.type, [a, b, c])
        # Allowed by its name; the flag reminds LLVM of it where it splits vectors.
        return self.call(declared, [a, b, c], fastmath=("contract",))

    def maximum(self, a: Value, b: Value) -> Value:
        """Compute the larger of two vectors, lane by lane; a NaN in ``a`` stays one, as in ReLU.

        Integers are compared as unsigned ones.
        """
        is_float = a.type.element == FLOAT
        smaller = self.fcmp_ordered("<", a, b) if is_float else self.icmp_unsigned("<", a, b)
        return self.select(smaller, b, a)

    def clamp(self, values: Value, low: Value, high: Value) -> Value:
        """Limit a vector to ``low`` and ``high``, compared as ``maximum`` does."""
        values = self.maximum(values, low)
        is_float = values.type.element == FLOAT
        compare = self.fcmp_ordered if is_float else self.icmp_unsigned
        return self.select(compare(">", values, high), high, values)

    def divide(self, a: Value, b: Value) -> Value:
        """Divide whole numbers of less than 2**24, rounding down.

        In float32, which is exact for these: some processors have no instruction for integers of 64
        bits, and would call a function that is not there.
        """
        numbers = (self.sitofp(self.trunc(each, INT32), FLOAT) for each in (a, b))
        return self.sext(self.fptosi(self.fdiv(*numbers), INT32), INDEX)

    def prefetch(self, pointer: Value, *, to_write: bool = False) -> None:
        """Prefetch a cache line: to the first level if it will be written, else to the second.

        Nothing is written for processors without such an instruction, where addresses would take
        registers.
        """
        if self.module.triple.startswith(_WITHOUT_PREFETCH):
            return
        numbers = (ir.Constant(INT32, number) for number in ((1, 3, 1) if to_write else (0, 2, 1)))
        self.intrinsic("prefetch.p0", ir.VoidType(), self.bitcast(pointer, BYTES), *numbers)

    def intrinsic(self, name: str, result: ir.Type, *arguments: Value) -> Value:
        """Call the LLVM intrinsic ``llvm.<name>``, an instruction of some processors."""
        return self.call(self._intrinsic(name, result, arguments), arguments)

    def _intrinsic(self, name: str, result: ir.Type, arguments: Sequence[Value]) -> Value:
        kind = ir.FunctionType(result, [argument.type for argument in arguments])
        declared = self.module.globals.get(f"llvm.{name}")
        return declared or ir.Function(self.module, kind, f"llvm.{name}")


def _alignment(kind: ir.VectorType) -> int:
    # Processors without vectors load bytes one by one where they know no more of an address.
    return 4 if kind.element == FLOAT else 1
