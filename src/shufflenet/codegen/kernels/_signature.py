"""A kernel's arguments, named once: they declare the function, and every call goes by the names."""

from collections.abc import Mapping
from dataclasses import dataclass

from llvmlite import ir

from shufflenet.codegen.kernels._ir import Function, Value

__all__ = ["Kernel", "Signature"]


@dataclass(frozen=True, slots=True)
class Signature:
    """Names and types of a kernel's arguments, in the order of the call."""

    types: Mapping[str, ir.Type]

    def __or__(self, other: "Signature") -> "Signature":
        return Signature({**self.types, **other.types})


@dataclass(frozen=True, slots=True)
class Kernel:
    """A function of the module, called with its arguments by name."""

    function: ir.Function
    signature: Signature

    def call(self, f: Function, **arguments: Value | float) -> None:
        """Write a call into ``f``; Python numbers become constants of the argument's type.

        Raises:
            TypeError: an argument is missing, or the kernel has none of that name.
        """
        types = self.signature.types
        if arguments.keys() != types.keys():
            names = ", ".join(sorted(arguments.keys() ^ types.keys()))
            raise TypeError(f"{self.function.name} is called with other arguments: {names}")
        f.call(self.function, [_value(arguments[name], types[name]) for name in types])

    def forward(self, f: Function, **changes: Value | float) -> None:
        """Write a call that passes the arguments of ``f`` on under the same names, but for some."""
        passed = {n: v for n, v in vars(f.arguments).items() if n in self.signature.types}
        self.call(f, **{**passed, **changes})


def _value(argument: Value | float, kind: ir.Type) -> Value:
    return ir.Constant(kind, argument) if isinstance(argument, int | float) else argument
