"""The arguments of the kernels of depthwise convolutions."""

from llvmlite import ir

from shufflenet.codegen.kernels._ir import FLOAT, FLOATS, INDEX, OFFSETS
from shufflenet.codegen.kernels._multiplier import Numbers
from shufflenet.codegen.kernels._signature import Signature

__all__ = ["depthwise_signature"]


def depthwise_signature(numbers: Numbers) -> Signature:
    """Return the arguments of a depthwise convolution.

    ``windows`` and ``output_offsets`` are tables of the pixels' offsets; ``row`` and ``pitch`` are
    elements from one row and one pixel of the input to the next; weights and epilogue are packed by
    ``Layout.pack_filters``; ``channels`` are whole vectors.
    """
    elements: ir.Type = numbers.element.as_pointer()
    return Signature(
        {
            "source": elements,
            "windows": OFFSETS,
            "pixels": INDEX,
            "channels": INDEX,
            "row": INDEX,
            "pitch": INDEX,
            "weights": numbers.word.as_pointer(),
            "epilogue": FLOATS,
            "output": elements,
            "output_offsets": OFFSETS,
            "floor": FLOAT,
            "ceiling": FLOAT,
        }
    )
