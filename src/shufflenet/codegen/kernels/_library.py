"""The functions of one module, each written when a kernel first needs it."""

from collections.abc import Callable

from llvmlite import ir

from shufflenet.codegen.kernels._ir import Function
from shufflenet.codegen.kernels._signature import Kernel, Signature

__all__ = ["Library"]


class Library:
    """The functions of one module for maps of one type; another type has a library of its own.

    Args:
        module: The module that they are written to.
        element: The type of a map's elements.
        lanes: Elements of the vectors that are loaded and stored where no other type is given.
    """

    def __init__(self, module: ir.Module, element: ir.Type, lanes: int) -> None:
        self.module = module
        self.vector = ir.VectorType(element, lanes)
        self._kernels: dict[str, Kernel] = {}

    def kernel(
        self,
        name: str,
        signature: Signature,
        write: Callable[[Function], None],
        *,
        alone: bool = True,
    ) -> Kernel:
        """Return the kernel of a name; ``write`` writes its body if it does not exist yet.

        No argument of a kernel points to memory that another argument points to or, if ``alone``,
        that another thread writes.
        """
        if name not in self._kernels:
            f = self.function(self.module.get_unique_name(name), signature)
            f.function.linkage = "internal"
            for argument in f.function.args:
                if alone and isinstance(argument.type, ir.PointerType):
                    argument.add_attribute("noalias")
            self._kernels[name] = Kernel(f.function, signature)
            write(f)
            f.ret_void()
        return self._kernels[name]

    def function(self, name: str, signature: Signature) -> Function:
        """Begin a function that is called from outside the module."""
        return Function(self.module, name, signature.types, self.vector)
