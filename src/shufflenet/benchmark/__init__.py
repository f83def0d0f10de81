"""Costs of networks counted from their specs, and latency and memory measured on this machine."""

from shufflenet.benchmark._cost import Cost, cost
from shufflenet.benchmark._gemm import Gemm, Precision, gemms, peak_gops, product_precision
from shufflenet.benchmark._interleave import (
    ROUNDS,
    CallTimes,
    Clock,
    quietest_rounds,
    time_interleaved,
)
from shufflenet.benchmark._layer_times import LayerTimes, time_layers
from shufflenet.benchmark._memory import peak_memory_bytes
from shufflenet.benchmark._timing import Contender, Timing, compare, count_blocks
from shufflenet.benchmark._verdict import Speedup, speedup, verdict

__all__ = [
    "ROUNDS",
    "CallTimes",
    "Clock",
    "Contender",
    "Cost",
    "Gemm",
    "LayerTimes",
    "Precision",
    "Speedup",
    "Timing",
    "compare",
    "cost",
    "count_blocks",
    "gemms",
    "peak_gops",
    "peak_memory_bytes",
    "product_precision",
    "quietest_rounds",
    "speedup",
    "time_interleaved",
    "time_layers",
    "verdict",
]
