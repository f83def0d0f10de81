"""What a network costs: counted from its spec, and measured on this machine."""

from shufflenet.benchmark._cost import Cost, cost
from shufflenet.benchmark._timing import Contender, Timing, compare

__all__ = ["Contender", "Cost", "Timing", "compare", "cost"]
