"""A shuffle-free network of V1's or V2's layers, in float32 or int8, as machine code made by LLVM.

Other runtimes compute an operation after the other, each over its whole map. Here channels are put
beside each other, and depthwise convolutions computed, some pixels at a time, just before the 1x1
convolution that reads them and while they lie in the nearest cache (``docs/performance.md``).
"""

from shufflenet.codegen._compiled import Compiled, check, lacking

__all__ = ["Compiled", "check", "lacking"]
