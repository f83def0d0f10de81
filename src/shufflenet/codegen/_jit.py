"""A module compiled for this machine, to be run."""

import numpy as np

from shufflenet.codegen._llvm import optimize, target_machine
from shufflenet.codegen._module import Module
from shufflenet.codegen.plan import PIXELS
from shufflenet.native import Compiled, NativeCode, Sizes

__all__ = ["compile_module", "jit"]


def compile_module(module: Module) -> NativeCode:
    """Compile a module for this machine, which must be its target; this takes about a second."""
    machine = target_machine(module.target, jit=True)
    return NativeCode(
        triple=module.target.triple,
        functions=machine.emit_object(optimize(module.code, module.target, machine)),
        constants=module.constants,
        tables=module.tables,
        sizes=Sizes(
            shape=module.shape,
            arena_bytes=module.arena_bytes,
            dtype="uint8" if module.dtype is np.uint8 else "float32",
            features_at=module.features_at,
            features_pitch=module.features_pitch,
            classes=module.classes,
            logits_pitch=module.logits_pitch,
            takes_pixels=module.takes_pixels,
            images=PIXELS,
            threads=module.threads,
        ),
    )


def jit(module: Module) -> Compiled:
    """Compile a module for this machine, and return what runs it."""
    return Compiled(compile_module(module))
