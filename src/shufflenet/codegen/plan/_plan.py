"""The plan of a network: its turns, and where maps lie, for speed or for the least memory."""

from collections.abc import Sequence
from dataclasses import replace

from shufflenet.codegen.plan._arena import Memory, Planes
from shufflenet.codegen.plan._places import Layouts, least_bytes, place_closely, place_side_by_side
from shufflenet.codegen.plan._planner import plan_steps
from shufflenet.codegen.plan._schedule import STRIP_BYTES, Turn, order_steps, strip_images
from shufflenet.graph import Layer

__all__ = ["plan_turns"]

# Where threads share an image, a map of two strips is computed whole: few rows divide unevenly.
_WHOLE_STRIPS = 2


def plan_turns(
    layers: Sequence[Layer],
    layouts: Layouts,
    images: Planes,
    memory: Memory,
    *,
    least_memory: bool = False,
) -> list[Turn]:
    """Return the turns in which the steps of layers are computed, with places for all maps.

    Args:
        layers: The layers but for the classifier.
        layouts: How channels lie, by the type of a map's elements.
        images: The planes of the images; they become those of a strip if the first turn says so.
        memory: Where they and the maps get places.
        least_memory: Whether maps of any kind share bytes, and strips are as low as that needs.

    Raises:
        MapsDoNotFit: the layers do not fit each other.
        TooLargeToCompile: the arena would be too large.
    """
    if not least_memory:
        whole_bytes = _WHOLE_STRIPS * STRIP_BYTES if memory.threads > 1 else 0
        turns = order_steps(plan_steps(layers, layouts, images), STRIP_BYTES, whole_bytes)
        return place_side_by_side(turns, images, memory, layouts)

    def in_strips(planes: Planes, strip_bytes: int) -> list[Turn]:
        first, *others = order_steps(plan_steps(layers, layouts, planes), strip_bytes)
        return [strip_images(first, planes, strip_bytes), *others]

    def least(strip_bytes: int) -> int:
        planes = replace(images)
        return least_bytes(in_strips(planes, strip_bytes), planes, layouts)

    # Low strips take more time: the highest that need no more than the least memory.
    turns = in_strips(images, min((STRIP_BYTES >> halved for halved in range(12)), key=least))
    return place_closely(turns, images, memory, layouts)
