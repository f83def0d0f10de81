"""A module as a relocatable object file, constants included, to be linked elsewhere."""

from dataclasses import dataclass
from typing import Literal, TypeAlias

from shufflenet.codegen._halves import Halves
from shufflenet.codegen._interface import Facts, Interface
from shufflenet.codegen._llvm import optimize, target_machine
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
    machine = target_machine(module.target, jit=False)
    halves = Halves.where_smaller(module.constants) if weights == "float16" else None
    stored_bytes = halves.nbytes if halves else module.constants.nbytes
    interface = Interface(module, facts, prefix, machine, halves)
    interface.write()
    code = optimize(module.code, module.target, machine, freestanding=True)
    code.link_in(optimize(interface.code, module.target, machine, freestanding=True))
    for function in code.functions:
        if not function.is_declaration and function.name not in interface.names:
            function.linkage = "internal"
    code.verify()
    return ObjectFile(
        content=machine.emit_object(code),
        names=tuple(interface.names),
        memory_bytes=interface.memory.end,
        alignment=LINE_BYTES,
        weights_bytes=stored_bytes + module.tables.nbytes,
    )
