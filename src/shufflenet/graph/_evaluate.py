"""Operations on shapes, which exporters write where sizes were left open: computed here."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from shufflenet.graph._nodes import Node
from shufflenet.graph._sound import Unsound
from shufflenet.graph._tensors import Array

__all__ = ["evaluate", "sliced"]

_MOST_NUMBERS = 1 << 13  # of an array of sizes or indices


def _add(node: Node, values: Sequence[Array]) -> Array:
    return np.add(*values)


def _cast(node: Node, values: Sequence[Array]) -> Array:
    return values[0].astype(np.int64)


def _concat(node: Node, values: Sequence[Array]) -> Array:
    return np.concatenate([np.atleast_1d(each) for each in values])


def _divide(node: Node, values: Sequence[Array]) -> Array:
    return np.floor_divide(*values)


def _gather(node: Node, values: Sequence[Array]) -> Array:
    return np.take(values[0], values[1], axis=node.attributes.get("axis", 0))


def _multiply(node: Node, values: Sequence[Array]) -> Array:
    return np.multiply(*values)


def _reshape(node: Node, values: Sequence[Array]) -> Array:
    return values[0].reshape([int(each) for each in values[1]])


def _squeeze(node: Node, values: Sequence[Array]) -> Array:
    return values[0].squeeze()


def _unsqueeze(node: Node, values: Sequence[Array]) -> Array:
    return np.expand_dims(values[0], tuple(int(each) for each in values[1]))


def sliced(array: Array, bounds: Sequence[Array], axis: int) -> Array:
    """Return part of an array as ONNX's Slice does it.

    Args:
        array: The array.
        bounds: The first index, the one after the last, and the step, each of one number.
        axis: The axis.
    """
    start, stop, step = (int(each.item()) for each in bounds)
    return array[(slice(None),) * axis + (slice(start, stop, step),)]


def _slice(node: Node, values: Sequence[Array]) -> Array:
    step = values[4] if len(values) > 4 else np.ones(1, np.int64)
    axis = int(values[3].item()) if len(values) > 3 else 0
    return sliced(values[0], (values[1], values[2], step), axis)


_EVALUATORS: Mapping[str, Callable[[Node, Sequence[Array]], Array]] = {
    "Add": _add,
    "Cast": _cast,
    "Concat": _concat,
    "Div": _divide,
    "Gather": _gather,
    "Mul": _multiply,
    "Reshape": _reshape,
    "Slice": _slice,
    "Squeeze": _squeeze,
    "Unsqueeze": _unsqueeze,
}


def evaluate(node: Node, values: Sequence[Array]) -> Array | None:
    """Return what a node computes of integers, or None for an operation on other numbers.

    Raises:
        Unsound: its inputs do not fit each other.
    """
    evaluator = _EVALUATORS.get(node.op)
    if evaluator is None or not all(np.issubdtype(each.dtype, np.integer) for each in values):
        return None
    try:
        result = np.asarray(evaluator(node, values))
    except (ArithmeticError, IndexError, TypeError, ValueError) as error:
        raise Unsound(f"has a {node.op} of numbers that do not fit each other") from error
    if result.size > _MOST_NUMBERS:
        raise Unsound(f"has a {node.op} with more than {_MOST_NUMBERS} numbers")
    return result
