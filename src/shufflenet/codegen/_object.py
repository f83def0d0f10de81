"""A module as a relocatable object file, constants included, to be linked elsewhere."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal, TypeAlias

from llvmlite import binding

from shufflenet.codegen._halves import Halves
from shufflenet.codegen._interface import Facts, Interface
from shufflenet.codegen._llvm import optimize, prepare_to_join, target_machine
from shufflenet.codegen._module import Module
from shufflenet.codegen.kernels import LINE_BYTES

__all__ = ["ObjectFile", "WeightType", "object_file"]

# How float32 weights are stored.
WeightType: TypeAlias = Literal["float32", "float16"]


@dataclass(frozen=True, slots=True)
class ObjectFile:
    """An object file, and what one has to know of it.

    Attributes:
        content: ELF, Mach-O, COFF or WebAssembly.
        names: The functions that it defines, in the order of the header.
        memory_bytes: The bytes of working memory that each caller gives.
        alignment: What the address of that memory must be a multiple of.
        weights_bytes: The bytes of weights and tables in it.
    """

    content: bytes
    names: tuple[str, ...]
    memory_bytes: int
    alignment: int
    weights_bytes: int


def object_file(
    module: Module,
    facts: Facts,
    prefix: str = "shufflenet",
    *,
    weights: WeightType = "float32",
) -> ObjectFile:
    """Return an object file of the module's target.

    It defines the functions of ``Interface`` and nothing else, and needs nothing: it can be linked
    without a C library. It allocates no memory and has no variables, so that several threads may
    call the functions at once, each with its own working memory.

    Args:
        module: The network.
        facts: What the file states of it.
        prefix: The prefix of all names.
        weights: How float32 weights are stored: as they are, and read in place; or as float16 where
            that is exact, for half the bytes, and expanded by ``prepare`` into the working memory,
            which grows by all of them. Logits are the same. If it saves less than a tenth, as with
            int8 weights, they are stored as they are.
    """
    interface = interface_of(module, facts, prefix, weights)
    interface.write()
    code = linked(module, interface)
    code.verify()
    return ObjectFile(
        content=target_machine(module.target, jit=False).emit_object(code),
        names=tuple(interface.names),
        memory_bytes=interface.memory.end,
        alignment=LINE_BYTES,
        weights_bytes=interface.weights_bytes,
    )


def interface_of(module: Module, facts: Facts, prefix: str, weights: WeightType) -> Interface:
    """Return the interface of a module, of which nothing is written yet; see ``object_file``."""
    halves = Halves.where_smaller(module.constants) if weights == "float16" else None
    return Interface(module, facts, prefix, target_machine(module.target, jit=False), halves)


def linked(
    module: Module, interface: Interface, *, beside_others: bool = False
) -> binding.ModuleRef:
    """Return the optimized code of a module and of its interface, which alone is visible.

    Args:
        module: The module.
        interface: Its interface, written.
        beside_others: Whether the code will lie beside that of other processors.
    """
    target = module.target
    machine = target_machine(target, jit=False)
    for each in (module.code, interface.code):
        if beside_others:
            prepare_to_join(each, target)
    code = optimize(module.code, target, machine, freestanding=True)
    code.link_in(optimize(interface.code, target, machine, freestanding=True))
    hide_others(code, interface.names)
    return code


def hide_others(code: binding.ModuleRef, names: Collection[str]) -> None:
    """Hide all functions but those of some names."""
    for function in code.functions:
        if not function.is_declaration and function.name not in names:
            function.linkage = "internal"
