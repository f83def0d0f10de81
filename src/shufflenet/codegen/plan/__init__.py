"""From a network's layers to the calls of kernels that compute them, and where their maps lie."""

from shufflenet.codegen.plan._arena import Buffer, Memory, Planes
from shufflenet.codegen.plan._bounds import check_bounds
from shufflenet.codegen.plan._planner import plan_steps
from shufflenet.codegen.plan._schedule import Turn, place_steps, write_turns
from shufflenet.codegen.plan._steps import Gemm, Step
from shufflenet.codegen.plan._writer import PIXELS, Writer, dense

__all__ = [
    "PIXELS",
    "Buffer",
    "Gemm",
    "Memory",
    "Planes",
    "Step",
    "Turn",
    "Writer",
    "check_bounds",
    "dense",
    "place_steps",
    "plan_steps",
    "write_turns",
]
