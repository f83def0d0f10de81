"""The integers and scales of a layer in int8, and the sums that 32 bits hold."""

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

__all__ = ["Int8Weights", "fit_sums", "to_float32"]

Floats: TypeAlias = npt.NDArray[np.float64]

_SUM_LIMIT = 2**30  # half of what int32 holds; the other half is for what rounding adds
_BYTES = 255  # the largest difference of a byte and its zero point
_TINY = float(np.finfo(np.float32).tiny)  # the smallest number that float32 holds exactly
_LARGEST = float(np.finfo(np.float32).max)


@dataclass(frozen=True, slots=True)
class Int8Weights:
    """The weights of a layer in int8, which stand for ``codes * scale``.

    Attributes:
        codes: ``(out, in / groups, kh, kw)``, -127 to 127, or -128 in files of other projects.
        scale: ``(out,)``, one scale an output channel.
    """

    codes: npt.NDArray[np.int8]
    scale: npt.NDArray[np.float32]


def to_float32(values: Floats) -> npt.NDArray[np.float32]:
    """Convert numbers of any shape to float32; those that it does not hold become infinite."""
    return np.where(np.abs(values) <= _LARGEST, values, np.inf).astype(np.float32)


def fit_sums(weights: Int8Weights, bias: Floats, input_scale: float) -> Int8Weights:
    """Return weights whose scales are raised where the bias or a sum would not fit int32.

    A bias is stored in steps of ``input_scale * scale``. The filters of a channel that died in
    training are so small (1e-11) that its bias has more than 2**31 of these steps. With a larger
    scale such a channel keeps its bias, and its weights lose what no output can show: less than a
    millionth of the bias.

    Args:
        weights: ``(out, in / groups, kh, kw)``, with a scale for each output.
        bias: ``(out,)``.
        input_scale: The scale of the layer's input bytes, above 0.

    Returns:
        Weights of which every sum of products plus its bias is below 2**31 for all input bytes, and
        scales that are normal numbers of float32 when multiplied by ``input_scale``; a scale that
        float32 does not hold is infinite.
    """
    rows = np.abs(weights.codes.reshape(len(weights.codes), -1).astype(np.float64))
    scale = weights.scale.astype(np.float64)
    steps = _BYTES * rows.sum(1) * scale + np.abs(bias) / input_scale
    least = np.maximum(steps / _SUM_LIMIT, _TINY / min(input_scale, 1.0))
    raised = np.where(scale < least, to_float32(1.0000002 * least), weights.scale)
    codes = np.rint(weights.codes * np.minimum(scale / raised, 1.0)[:, None, None, None])
    return Int8Weights(codes.astype(np.int8), raised.astype(np.float32))
