"""A network's machine code for this processor: run, and kept in the cache folder.

``codegen`` makes such code. What runs it here needs neither ``onnx`` nor what generates code.
"""

from shufflenet.native._code import NativeCode, Sizes
from shufflenet.native._keep import KeptCode
from shufflenet.native._memory import LINE_BYTES, aligned
from shufflenet.native._run import Compiled

__all__ = [
    "LINE_BYTES",
    "Compiled",
    "KeptCode",
    "NativeCode",
    "Sizes",
    "aligned",
]
