"""The most that this machine's arithmetic gives: multiplications of large matrices.

A network cannot be faster than its multiply-adds at that rate, on the same cores and in the same
numbers, so the share of it that a network reaches says how much there is to gain.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

import numpy as np

from shufflenet.benchmark._turns import Turns

__all__ = ["GEMMS", "Gemm", "Precision", "gemms", "peak_gops"]

Precision: TypeAlias = Literal["float32", "int8"]

_SIDE = 512  # of the constant matrix, in both files; tools/make_gemm.py wrote them
_ROWS = (256, 512, 1024)
GEMMS = len(_ROWS)  # of each precision
_FOLDER = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Gemm:
    """A multiplication of matrices, ``(rows, 512) @ (512, 512)``, on one thread."""

    precision: Precision
    rows: int
    work: Callable[[], object]

    @property
    def operations(self) -> int:
        """Multiplications and additions."""
        return 2 * self.rows * _SIDE * _SIDE


def gemms(precision: Precision) -> list[Gemm]:
    """Make ready what the peak is measured by.

    That is ONNX Runtime's MatMul in float32, and its MatMulInteger of u8 and s8 in int8; the second
    matrix is a constant, as weights are, which the runtime lays out as suits it. On the processors
    tried this was within 2 % of NumPy's OpenBLAS and of torch's oneDNN, and unlike theirs its
    number of threads can be chosen in a running process.
    """
    import onnxruntime  # noqa: PLC0415  # a tenth of a second that `shufflenet show` saves

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(
        str(_FOLDER / f"gemm-{precision}.onnx"), options, providers=["CPUExecutionProvider"]
    )
    kind = np.float32 if precision == "float32" else np.uint8

    def work(rows: int) -> Callable[[], object]:
        matrix = np.ones((rows, _SIDE), kind)
        return lambda: session.run(None, {"a": matrix})

    return [Gemm(precision, rows, work(rows)) for rows in _ROWS]


def peak_gops(measured: Sequence[tuple[Gemm, Turns]], precision: Precision) -> float:
    """Give the best rate of those of a precision, in billions of operations a second.

    A rate is taken from the median of rounds, as a network's is, so that what disturbs the machine
    slows both.
    """
    rates = [
        gemm.operations / float(np.median(turns.rounds))
        for gemm, turns in measured
        if gemm.precision == precision
    ]
    return max(rates) / 1e9
