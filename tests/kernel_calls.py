"""A kernel compiled alone, to be called by its arguments' names, with arrays and numbers."""

import ctypes
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from llvmlite import binding, ir

from shufflenet.codegen import _llvm
from shufflenet.codegen.kernels import Kernel, Kernels, float_multiplier, int8_multiplier
from shufflenet.spec import Target

Call = Callable[..., None]


def float_kernels(target: Target) -> Kernels:
    return Kernels.create(ir.Module(), float_multiplier(target))


def int8_kernels(target: Target) -> Kernels:
    return Kernels.create(ir.Module(), int8_multiplier(target))


def compiled(kernels: Kernels, kernel: Kernel, target: Target) -> Call:
    """Compile a kernel; every argument of the call must be named."""
    f = kernels.library.function("entry", kernel.signature)
    kernels.begin(f)
    kernel.forward(f)
    kernels.end(f)
    f.ret_void()
    machine = _llvm.target_machine(target, jit=True)
    code = _llvm.optimize(kernels.library.module, target, machine)
    engine = binding.create_mcjit_compiler(code, machine)
    engine.finalize_object()
    types = kernel.signature.types
    entry = ctypes.CFUNCTYPE(None, *map(_ctype, types.values()))
    function = entry(engine.get_function_address("entry"))

    def call(**arguments: object) -> None:
        assert arguments.keys() == types.keys(), arguments.keys() ^ types.keys()
        function(*(_address(arguments[name]) for name in types))
        assert engine  # the code lives as long as it may be called

    return call


def offsets(pitch: int, count: int, first: int = 0) -> npt.NDArray[np.int32]:
    return (first + np.arange(count) * pitch).astype(np.int32)


def rows_of(values: npt.NDArray[np.generic], pitch: int, count: int) -> npt.NDArray[np.generic]:
    """The first rows of a block, ``(count, pitch)``."""
    return values[: count * pitch].reshape(count, pitch)


def _ctype(kind: ir.Type) -> type:
    if isinstance(kind, ir.PointerType):
        return ctypes.c_void_p
    return ctypes.c_float if kind == ir.FloatType() else ctypes.c_int64


def _address(argument: object) -> object:
    return argument.ctypes.data if isinstance(argument, np.ndarray) else argument
