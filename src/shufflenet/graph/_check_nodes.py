"""Whether the numbers of a node are ones that its operation can have."""

from collections.abc import Mapping, Sequence

from shufflenet.graph._attributes import Attributes
from shufflenet.graph._sound import MOST_CHANNELS, Unsound
from shufflenet.graph._tensors import Array

__all__ = ["check_node"]

# The least and the most inputs of operations that are read as layers.
_INPUTS = {
    "Add": (2, 2),
    "AveragePool": (1, 1),
    "Cast": (1, 1),
    "Concat": (1, MOST_CHANNELS),
    "Conv": (2, 3),
    "DequantizeLinear": (2, 3),
    "Gather": (2, 2),
    "Gemm": (2, 3),
    "MaxPool": (1, 1),
    "QuantizeLinear": (2, 3),
    "ReduceMean": (1, 2),
    "Relu": (1, 1),
    "Split": (1, 2),
}
_LARGEST = 1 << 15  # of a kernel, a stride, a padding; 127 is a large one


def check_node(
    op: str, inputs: Sequence[str], attributes: Attributes, constants: Mapping[str, Array]
) -> None:
    """Check the number of a node's inputs, its attributes, and the shapes of its constants.

    Weights of a Conv are ``(out, in / groups, height, width)``, those of a Gemm ``(out, in)``.

    Raises:
        Unsound: no such operation exists.
    """
    least, most = _INPUTS.get(op, (0, len(inputs)))
    if not least <= len(inputs) <= most or (op in _INPUTS and "" in inputs[:least]):
        raise Unsound(f"has a {op[:80]} with {len(inputs)} inputs")
    if op in ("Conv", "MaxPool", "AveragePool"):
        _check_window(op, attributes)
    if op in ("Conv", "Gemm") and inputs[1] in constants:
        bias = constants.get(inputs[2]) if len(inputs) == 3 else None
        _check_weights(op, attributes, constants[inputs[1]], bias)
    needed = {"AveragePool": "kernel_shape", "Cast": "to", "MaxPool": "kernel_shape"}.get(op)
    if needed and needed not in attributes:
        raise Unsound(f"has a {op} without {needed!r}")


def _check_window(op: str, attributes: Attributes) -> None:
    """Check strides, dilations, pads and the kernel of a window.

    Raises:
        Unsound: one is too small or too large.
    """
    for name, least in (("strides", 1), ("dilations", 1), ("pads", 0), ("kernel_shape", 1)):
        values = attributes.get(name, [least])
        if not all(least <= value <= _LARGEST for value in values):
            raise Unsound(f"has a {op} with {name} of {values[:4]}")


def _check_weights(op: str, attributes: Attributes, weight: Array, bias: Array | None) -> None:
    """Check that weights and bias have shapes that fit each other and the attributes.

    Raises:
        Unsound: they do not.
    """
    if op == "Gemm":
        out = weight.shape[0] if attributes["transB"] else weight.shape[-1]
        fits = weight.ndim == 2 and (bias is None or bias.ndim <= 2)
    else:
        out, groups = weight.shape[0] if weight.ndim else 0, attributes["group"]
        kernel = list(weight.shape[2:])
        fits = (
            weight.ndim == 4
            and attributes.get("kernel_shape", kernel) == kernel
            and 1 <= groups <= out
            and out % groups == 0
            and groups * weight.shape[1] <= MOST_CHANNELS
            and (bias is None or bias.shape == (out,))
        )
    if not fits or out > max(MOST_CHANNELS, 1 << 20 if op == "Gemm" else 0):
        raise Unsound(f"has a {op} with weights {weight.shape} that do not fit its other numbers")
