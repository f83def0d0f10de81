"""From a network's layers to the calls of kernels that compute them, and where their maps lie."""

from shufflenet.codegen.plan._arena import Buffer, Memory, Planes
from shufflenet.codegen.plan._bounds import check_bounds
from shufflenet.codegen.plan._lifetimes import lowest_place
from shufflenet.codegen.plan._plan import plan_turns
from shufflenet.codegen.plan._planner import plan_steps
from shufflenet.codegen.plan._schedule import Turn
from shufflenet.codegen.plan._steps import Step
from shufflenet.codegen.plan._team import TEAM, Team, parts_of
from shufflenet.codegen.plan._turns import ReadImages, write_turn_of_images, write_turns
from shufflenet.codegen.plan._writer import PIXELS, Row, Writer, dense

__all__ = [
    "PIXELS",
    "TEAM",
    "Buffer",
    "Memory",
    "Planes",
    "ReadImages",
    "Row",
    "Step",
    "Team",
    "Turn",
    "Writer",
    "check_bounds",
    "dense",
    "lowest_place",
    "parts_of",
    "plan_steps",
    "plan_turns",
    "write_turn_of_images",
    "write_turns",
]
