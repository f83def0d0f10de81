"""What a network costs: counted from its spec, and measured on this machine."""

from shufflenet.benchmark._cost import Cost, cost
from shufflenet.benchmark._layers import LayerTimes, time_layers
from shufflenet.benchmark._memory import peak_memory_bytes
from shufflenet.benchmark._peak import Gemm, Precision, gemms, peak_gops
from shufflenet.benchmark._timing import Contender, Timing, compare, turns
from shufflenet.benchmark._turns import ROUNDS, Turns, quietest, take_turns
from shufflenet.benchmark._verdict import RUNTIMES, Ratio, times_as_fast, verdict

__all__ = [
    "ROUNDS",
    "RUNTIMES",
    "Contender",
    "Cost",
    "Gemm",
    "LayerTimes",
    "Precision",
    "Ratio",
    "Timing",
    "Turns",
    "compare",
    "cost",
    "gemms",
    "peak_gops",
    "peak_memory_bytes",
    "quietest",
    "take_turns",
    "time_layers",
    "times_as_fast",
    "turns",
    "verdict",
]
