"""The loops that a network's time goes into, each written once for every size and processor.

``Layout`` says what products, panels, tiles and steps are. ``Gemm`` writes products of any numbers
(``Numbers``: float32 or bytes) by any instruction set (``Multiplier``: float32, AVX2, VNNI, AMX,
what every processor has); each of these is one file.
"""

from shufflenet.codegen.kernels._claims import Claims
from shufflenet.codegen.kernels._halves import expand_halves
from shufflenet.codegen.kernels._ir import (
    BYTE,
    BYTES,
    FLOAT,
    FLOATS,
    INDEX,
    INT32,
    OFFSETS,
    Function,
    Value,
    index,
)
from shufflenet.codegen.kernels._kernels import Kernels, float_multiplier, int8_multiplier
from shufflenet.codegen.kernels._layout import (
    CLASS_VECTORS,
    LINE_BYTES,
    Array,
    Layout,
    aligned,
    class_panels,
    panel_counts,
    panel_widths,
)
from shufflenet.codegen.kernels._library import Library
from shufflenet.codegen.kernels._multiplier import Multiplier
from shufflenet.codegen.kernels._pairs import all_fit_pairs, least_weight
from shufflenet.codegen.kernels._probabilities import sigmoid, softmax
from shufflenet.codegen.kernels._resize import Resize, photo_bytes
from shufflenet.codegen.kernels._signature import Kernel, Signature
from shufflenet.codegen.kernels._top import top
from shufflenet.codegen.kernels._wasm_dots import multiplies_wrongly, uses_relaxed_dots

__all__ = [
    "BYTE",
    "BYTES",
    "CLASS_VECTORS",
    "FLOAT",
    "FLOATS",
    "INDEX",
    "INT32",
    "LINE_BYTES",
    "OFFSETS",
    "Array",
    "Claims",
    "Function",
    "Kernel",
    "Kernels",
    "Layout",
    "Library",
    "Multiplier",
    "Resize",
    "Signature",
    "Value",
    "aligned",
    "all_fit_pairs",
    "class_panels",
    "expand_halves",
    "float_multiplier",
    "index",
    "int8_multiplier",
    "least_weight",
    "multiplies_wrongly",
    "panel_counts",
    "panel_widths",
    "photo_bytes",
    "sigmoid",
    "softmax",
    "top",
    "uses_relaxed_dots",
]
