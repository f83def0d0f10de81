"""A module as a relocatable object file, constants included, to be linked elsewhere."""

from dataclasses import dataclass

from shufflenet.codegen._interface import Facts, Interface
from shufflenet.codegen._llvm import address_bits, optimize, target_machine
from shufflenet.codegen._module import Module

__all__ = ["ObjectFile", "object_file"]


@dataclass(frozen=True, slots=True)
class ObjectFile:
    """An object file, and what one has to know of it.

    Attributes:
        content: ELF, Mach-O, COFF or WebAssembly.
        names: The functions that it defines, in the order of the header.
        memory_bytes: The bytes of working memory that each caller gives.
        weights_bytes: The bytes of weights and tables in it.
    """

    content: bytes
    names: tuple[str, ...]
    memory_bytes: int
    weights_bytes: int


def object_file(module: Module, facts: Facts, prefix: str = "shufflenet") -> ObjectFile:
    """Return an object file of the module's target.

    It defines the functions of ``Interface`` and nothing else, and needs nothing: it can be linked
    without a C library. It allocates no memory and has no variables, so that several threads may
    call the functions at once, each with its own working memory.

    Args:
        module: The network.
        facts: What the file states of it.
        prefix: The prefix of all names.
    """
    machine = target_machine(module.target, jit=False)
    interface = Interface(module, facts, prefix, address_bits(machine))
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
        weights_bytes=module.constants.nbytes + module.tables.nbytes,
    )
