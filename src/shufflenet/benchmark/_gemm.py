"""Measure this machine's peak arithmetic rate by multiplying large matrices.

A network cannot run faster than its multiply-adds at that rate, on the same cores and in the same
precision. The share of the rate that a network reaches shows how much could still be gained.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

import numpy as np

from shufflenet.benchmark._interleave import CallTimes
from shufflenet.spec import Precision as FilePrecision

__all__ = ["GEMMS", "Gemm", "Precision", "gemms", "peak_gops", "product_precision"]

Precision: TypeAlias = Literal["float32", "int8"]

_SIDE = 512  # of the constant matrix in both files, which tools/make_gemm.py wrote
_ROWS = (256, 512, 1024)
GEMMS = len(_ROWS)  # of each precision
_FOLDER = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Gemm:
    """A matrix product, ``(rows, 512) @ (512, 512)``, on one thread."""

    precision: Precision
    rows: int
    run: Callable[[], object]

    @property
    def operations(self) -> int:
        """The number of multiplications and additions."""
        return 2 * self.rows * _SIDE * _SIDE


def product_precision(precision: FilePrecision) -> Precision:
    """Return the precision of the matrix products that files of a precision are compared with.

    ONNX Runtime has no product of float16 on most processors; it widens the numbers.

    >>> product_precision("float16")
    'float32'
    """
    return "int8" if precision == "int8" else "float32"


def gemms(precision: Precision) -> list[Gemm]:
    """Load the matrix products that measure the peak, in three sizes.

    They are ONNX Runtime's MatMul in float32, and its MatMulInteger of u8 and s8 in int8. The
    second matrix is a constant, as weights are, so the runtime can lay it out as it likes. On the
    processors tried, the rate was within 2 % of NumPy's OpenBLAS and of torch's oneDNN; unlike
    theirs, the number of threads can be chosen in a running process.
    """
    import onnxruntime  # noqa: PLC0415  # a tenth of a second that `shufflenet show` saves

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(
        str(_FOLDER / f"gemm-{precision}.onnx"), options, providers=["CPUExecutionProvider"]
    )
    dtype = np.float32 if precision == "float32" else np.uint8

    def product(rows: int) -> Callable[[], object]:
        matrix = np.ones((rows, _SIDE), dtype)
        return lambda: session.run(None, {"a": matrix})

    return [Gemm(precision, rows, product(rows)) for rows in _ROWS]


def peak_gops(measured: Sequence[tuple[Gemm, CallTimes]], precision: Precision) -> float:
    """Return the highest rate of the products of a precision, in 1e9 operations a second.

    The rate of a product comes from the median of its rounds, as a network's does, so that
    whatever disturbs the machine slows both.
    """
    rates = [
        gemm.operations / float(np.median(times.round_medians))
        for gemm, times in measured
        if gemm.precision == precision
    ]
    return max(rates) / 1e9
