"""The order in which steps are written: some two alternate by strips of rows; maps share memory."""

from collections.abc import Sequence

import numpy as np

from shufflenet.codegen.plan._arena import Buffer
from shufflenet.codegen.plan._sources import DepthwiseSource
from shufflenet.codegen.plan._steps import Gemm, Pool, Step
from shufflenet.codegen.plan._writer import Writer

__all__ = ["write_steps"]

# A map larger than this is not computed as a whole before a window moves over it at a stride of
# two: some rows at a time stay in the second level of the cache.
_STRIP_BYTES = 160 * 1024


def write_steps(w: Writer, steps: Sequence[Step]) -> None:
    """Write all steps, and give their maps places in the arena."""
    last_reader = {id(source): n for n, step in enumerate(steps) for source in step.inputs}
    at = 0
    while at < len(steps):
        step, following = steps[at], steps[at + 1 : at + 2]
        if following and last_reader[id(step.output)] == at + 1:
            strips = _strips(step, following[0], steps, np.dtype(w.layout.dtype).itemsize)
        else:
            strips = 1
        if strips > 1:
            _write_in_strips(w, step, following[0], strips)
            done = [*step.inputs, *(m for m in following[0].inputs if m is not step.output)]
            at += 2
        else:
            w.memory.allocate(step.output)
            step.write(w, 0, 0, step.output.height)
            done = list(step.inputs)
            at += 1
        for source in {id(source): source for source in done}.values():
            if last_reader[id(source)] < at:
                w.memory.release(source)


def _strips(step: Step, following: Step, steps: Sequence[Step], itemsize: int) -> int:
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
    least = between.size * itemsize / _STRIP_BYTES
    return next((n for n in range(1, rows + 1) if rows % n == 0 and n >= least), rows)


def _window_input(step: Step) -> Buffer | None:
    """Return the map that a step moves a window over, if it does."""
    if isinstance(step, Pool):
        return step.source
    if isinstance(step, Gemm) and isinstance(step.source, DepthwiseSource):
        return step.source.buffer
    return None


def _write_in_strips(w: Writer, step: Step, following: Step, strips: int) -> None:
    """Write two steps that alternate, between them a map of as many rows as a strip needs."""
    rows = following.output.height // strips
    between = step.output
    between.height = 2 * rows
    w.memory.allocate(between)
    w.memory.allocate(following.output)
    top, bottom = w.place(between.at), w.place(between.at + between.height * between.row)
    moves = w.kernels.moves
    moves.fill().call(w.f, output=top, elements=between.row, value=between.outside)
    for strip in range(strips):
        step.write(w, 2 * rows * strip, 0, 2 * rows)
        following.write(w, 0, rows * strip, rows)
        if strip < strips - 1:
            zero = w.table([0])
            moves.copy().call(
                w.f,
                source=bottom,
                source_offsets=zero,
                output=top,
                output_offsets=zero,
                rows=1,
                elements=between.row,
            )
