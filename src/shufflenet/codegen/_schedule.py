"""The steps in order, some two of them by turns; and how long their maps keep their place."""

from collections.abc import Sequence

import numpy as np

from shufflenet.codegen._memory import Buffer
from shufflenet.codegen._sources import DepthwiseSource
from shufflenet.codegen._steps import Gemm, Pooled, Step
from shufflenet.codegen._writer import Writer

__all__ = ["write_steps"]

# A map larger than this is not made as a whole before a window moves over it at a stride of two:
# some rows at a time stay in the second level of the cache.
_STRIP_BYTES = 160 * 1024


def write_steps(w: Writer, steps: Sequence[Step]) -> None:
    """Write all steps."""
    last_reader = {id(output): n for n, step in enumerate(steps) for output in step.inputs}
    at = 0
    while at < len(steps):
        step, following = steps[at], steps[at + 1 : at + 2]
        if following and last_reader[id(step.output)] == at + 1:
            strips = _strips(step, following[0], steps, np.dtype(w.kernels.dtype).itemsize)
        else:
            strips = 1
        if strips > 1:
            _write_in_strips(w, step, following[0], strips)
            done = [*step.inputs, *(m for m in following[0].inputs if m is not step.output)]
            at += 2
        else:
            w.memory.place(step.output)
            step.write(w, 0, 0, step.output.height)
            done = list(step.inputs)
            at += 1
        for output in {id(output): output for output in done}.values():
            if last_reader[id(output)] < at:
                w.memory.release(output)


def _strips(step: Step, following: Step, steps: Sequence[Step], itemsize: int) -> int:
    """Say in how many strips two steps are computed: so many that one's map becomes small enough.

    That is done where a 3x3 window moves at a stride of two over a map with an even number of rows:
    each strip then needs just one row of the strip before.
    """
    output, rows = step.output, following.output.height
    readers = sum(other is output for each in steps for other in each.inputs)
    if not isinstance(step, Gemm) or step.added or readers > 1:
        return 1
    if _slides_over(following) is not output:
        return 1
    if output.border != 1 or output.height != 2 * rows:
        return 1
    least = output.size * itemsize / _STRIP_BYTES
    return next((n for n in range(1, rows + 1) if rows % n == 0 and n >= least), rows)


def _slides_over(step: Step) -> Buffer | None:
    if isinstance(step, Pooled):
        return step.map
    if isinstance(step, Gemm) and isinstance(step.source, DepthwiseSource):
        return step.source.map
    return None


def _write_in_strips(w: Writer, step: Step, following: Step, strips: int) -> None:
    """Write two steps by turns, between them a map of as many rows as a strip needs."""
    rows = following.output.height // strips
    between = step.output
    between.height = 2 * rows
    w.memory.place(between)
    w.memory.place(following.output)
    top, bottom = w.place(between.at), w.place(between.at + between.height * between.row)
    w.call(w.kernels.fill(), top, between.row, float(between.outside))
    for strip in range(strips):
        step.write(w, 2 * rows * strip, 0, 2 * rows)
        following.write(w, 0, rows * strip, rows)
        if strip < strips - 1:
            start = w.table([0])
            w.call(w.kernels.copy(), bottom, start, top, start, 1, between.row)
