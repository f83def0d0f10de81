"""The order in which steps are computed: some two alternate by strips of rows."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from shufflenet.codegen.plan._arena import Buffer, Planes
from shufflenet.codegen.plan._sources import DepthwiseSource, WindowSource
from shufflenet.codegen.plan._steps import Gemm, Pool, Step
from shufflenet.codegen.plan._writer import Scratch

__all__ = ["STRIP_BYTES", "Turn", "order_steps", "strip_images"]

STRIP_BYTES = 160 * 1024  # some rows at a time stay in the second level of the cache


@dataclass(frozen=True, slots=True)
class Turn:
    """A step, or two that alternate by strips of rows.

    Attributes:
        steps: The step, or both.
        strips: How many strips there are.
        of_images: Whether the images are brought into their planes by as many strips.
        scratch: Where products put their inputs together.
    """

    steps: Sequence[Step]
    strips: int = 1
    of_images: bool = False
    scratch: Scratch = field(default_factory=Scratch)

    @property
    def between(self) -> Buffer | None:
        """The map that is computed in strips, if there is one."""
        return self.steps[0].output if len(self.steps) > 1 else None

    @property
    def calls(self) -> int:
        """Calls of kernels, or a few times as many."""
        return self.strips * sum(step.calls for step in self.steps)


def order_steps(
    steps: Sequence[Step], strip_bytes: int = STRIP_BYTES, whole_bytes: int = 0
) -> list[Turn]:
    """Return the turns in which steps are written.

    Args:
        steps: The steps.
        strip_bytes: The largest part of a map that is computed before a window moves over it at a
            stride of two.
        whole_bytes: The largest map that is computed as a whole all the same.
    """
    last_reader = {id(source): n for n, step in enumerate(steps) for source in step.inputs}
    turns: list[Turn] = []
    at = 0
    while at < len(steps):
        step, following = steps[at], steps[at + 1 : at + 2]
        strips = 1
        if following and last_reader[id(step.output)] == at + 1:
            strips = _strips(step, following[0], steps, strip_bytes, whole_bytes)
        if strips > 1:  # the map between holds as many rows as a strip needs
            step.output.height = 2 * following[0].output.height // strips
            turns.append(Turn([step, following[0]], strips))
        else:
            turns.append(Turn([step]))
        at += len(turns[-1].steps)
    return turns


def strip_images(turn: Turn, images: Planes, strip_bytes: int) -> Turn:
    """Return the first turn in strips for which the images are read, if that is possible.

    Then the planes hold as many rows as a strip needs.

    Args:
        turn: The turn that reads the images.
        images: Their planes.
        strip_bytes: The largest planes that are not read in strips.
    """
    stem, *following = turn.steps
    if not isinstance(stem, Gemm) or not isinstance(stem.source, WindowSource):
        return turn
    # As between two steps: each strip needs one row of the strip before.
    if (stem.source.kernel, stem.source.stride, images.border, images.height % 2) != (3, 2, 1, 0):
        return turn
    strips = turn.strips
    if not following:
        strips = _fewest_strips(images.height // 2, _bytes(images), strip_bytes)
    if strips == 1:
        return turn
    images.height //= strips
    return replace(turn, strips=strips, of_images=True)


def _strips(
    step: Step, following: Step, steps: Sequence[Step], most_bytes: int, whole_bytes: int
) -> int:
    """Return in how many strips two steps alternate: as many as make the map between small enough.

    That is possible where a 3x3 window moves at a stride of two over a map with an even number of
    rows: each strip then needs just one row of the strip before.
    """
    between, rows = step.output, following.output.height
    readers = sum(source is between for each in steps for source in each.inputs)
    if not isinstance(step, Gemm) or step.added or readers > 1:
        return 1
    if _window_input(following) is not between:
        return 1
    if between.border != 1 or between.height != 2 * rows:
        return 1
    size = _bytes(between)
    return 1 if size <= whole_bytes else _fewest_strips(rows, size, most_bytes)


def _window_input(step: Step) -> Buffer | None:
    """Return the map that a step moves a window over, if it does."""
    if isinstance(step, Pool):
        return step.source
    if isinstance(step, Gemm) and isinstance(step.source, DepthwiseSource):
        return step.source.buffer
    return None


def _fewest_strips(rows: int, size: int, most_bytes: int) -> int:
    """Return the fewest strips of equal rows that make a map of a size small enough."""
    strips = (n for n in range(1, rows + 1) if rows % n == 0 and n * most_bytes >= size)
    return next(strips, rows)


def _bytes(of: Buffer | Planes) -> int:
    return of.size * np.dtype(of.dtype).itemsize
