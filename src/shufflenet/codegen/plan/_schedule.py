"""The order in which steps are written: some two alternate by strips of rows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from shufflenet.codegen.plan._arena import Buffer
from shufflenet.codegen.plan._sources import DepthwiseSource
from shufflenet.codegen.plan._steps import Gemm, Pool, Step
from shufflenet.codegen.plan._writer import Scratch, Writer
from shufflenet.errors import MapsDoNotFit

__all__ = ["STRIP_BYTES", "Turn", "order_steps", "write_turns"]

STRIP_BYTES = 160 * 1024  # some rows at a time stay in the second level of the cache


@dataclass(frozen=True, slots=True)
class Turn:
    """A step, or two that alternate by strips of rows, and what products put together."""

    steps: Sequence[Step]
    strips: int = 1
    scratch: Scratch = field(default_factory=Scratch)

    @property
    def between(self) -> Buffer | None:
        """The map that is computed in strips, if there is one."""
        return self.steps[0].output if self.strips > 1 else None

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


def write_turns(writers: Mapping[type[np.generic], Writer], turns: Sequence[Turn]) -> None:
    """Write all steps, each by the writer for the type of its output's elements.

    Raises:
        MapsDoNotFit: an address lies outside of a map.
    """
    for turn in turns:
        w = writers[turn.steps[0].output.dtype]
        w.scratch = turn.scratch
        if w.memory.shares_bytes:
            for step in turn.steps:
                _surround(w, step.output)
        if turn.strips > 1:
            step, following = turn.steps
            _write_in_strips(w, step, following, turn.strips)
        else:
            _write(w, turn.steps[0], 0, 0, turn.steps[0].output.height)


def _surround(w: Writer, of: Buffer) -> None:
    """Write what fills the border of a map whose bytes were those of others before."""
    if of.border:
        w.kernels.moves.surround().call(
            w.f,
            output=w.place(of),
            rows=of.height,
            row=of.row,
            side=of.border * of.pitch,
            above=of.border * of.row,
            value=of.outside,
        )


def _write(w: Writer, step: Step, source_row: int, output_row: int, rows: int) -> None:
    """Write some rows of a step, which its inputs make and its output holds.

    Raises:
        MapsDoNotFit: they do not.
    """
    height, width = step.size
    fits = 0 <= source_row < source_row + rows <= height and width == step.output.width
    if not fits or not 0 <= output_row < output_row + rows <= step.output.height:
        raise MapsDoNotFit("a layer computes rows that no map holds")
    step.write(w, source_row, output_row, rows)


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
    size = between.size * np.dtype(between.dtype).itemsize
    least = 1 if size <= whole_bytes else size / most_bytes
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
    rows, most = following.output.height, following.output.height // strips
    if not w.team:
        _write_rows(w, step, following, range(rows), most)
        return
    for portion in w.team.choose(rows, min(strips, w.threads)):
        _write_rows(w.alone(), step, following, portion, most)


def _write_rows(w: Writer, step: Step, following: Step, rows: range, most: int) -> None:
    """Write some rows of the second step's output, in strips of ``most`` rows.

    What a thread claims begins with the last row before it of the map between, computed again.

    Raises:
        MapsDoNotFit: a step computes rows that no map holds.
    """
    between = step.output
    if rows.start:
        _write(w, step, 2 * rows.start - 1, 0, 1)
        _copy_to_top(w, between, 1)
    else:
        fill, top = w.kernels.moves.fill(), w.place(between)
        fill.call(w.f, output=top, elements=between.row, value=between.outside)
    for start in range(rows.start, rows.stop, most):
        count = min(most, rows.stop - start)
        _write(w, step, 2 * start, 0, 2 * count)
        _write(w, following, 0, start, count)
        if start + count < rows.stop:
            _copy_to_top(w, between, 2 * count)


def _copy_to_top(w: Writer, between: Buffer, number: int) -> None:
    """Write the copy of a map's last row, the ``number``-th, to the row above its first."""
    zero = w.table([0])
    w.kernels.moves.copy().call(
        w.f,
        source=w.place(between, number * between.row),
        source_offsets=zero,
        output=w.place(between),
        output_offsets=zero,
        rows=1,
        elements=between.row,
    )
