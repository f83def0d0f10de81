"""A shuffle-free network of V1's or V2's layers, float32 or int8 each, as machine code by LLVM.

Other runtimes compute one operation after the other, each over its whole map. Here channels are
concatenated, and depthwise convolutions computed, some pixels at a time, just before the 1x1
convolution that reads them and while they lie in the nearest cache (``docs/performance.md``).

``build`` turns a network and a ``Target`` into a ``Module``; ``compile_module`` and ``jit`` compile
it for this machine, ``object_file`` writes it for any processor that LLVM knows.
"""

from shufflenet.codegen._codes import MESSAGES, Code
from shufflenet.codegen._interface import Facts
from shufflenet.codegen._jit import compile_module, jit
from shufflenet.codegen._levels import object_of_levels
from shufflenet.codegen._module import Module, build, check
from shufflenet.codegen._object import ObjectFile, WeightType, object_file
from shufflenet.codegen.kernels import photo_bytes

__all__ = [
    "MESSAGES",
    "Code",
    "Facts",
    "Module",
    "ObjectFile",
    "WeightType",
    "build",
    "check",
    "compile_module",
    "jit",
    "object_file",
    "object_of_levels",
    "photo_bytes",
]
