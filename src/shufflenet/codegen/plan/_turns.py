"""Turns are written: steps by the writer of their numbers, strip by strip where they alternate."""

from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

import numpy as np

from shufflenet.codegen.kernels import index
from shufflenet.codegen.plan._arena import Buffer, Planes
from shufflenet.codegen.plan._schedule import Turn
from shufflenet.codegen.plan._steps import Step
from shufflenet.codegen.plan._writer import Row, Writer
from shufflenet.errors import MapsDoNotFit

__all__ = ["ReadImages", "write_turn_of_images", "write_turns"]

# Writes what brings some rows of the images into their planes: the first row, and how many.
ReadImages: TypeAlias = Callable[[Row, int], None]

Writers: TypeAlias = Mapping[type[np.generic], Writer]


def write_turns(writers: Writers, turns: Sequence[Turn]) -> None:
    """Write all steps, each by the writer for the type of its output's elements.

    Raises:
        MapsDoNotFit: an address lies outside of a map.
    """
    for turn in turns:
        w = _begin(writers, turn)
        if turn.strips > 1 and w.memory.shares_bytes:
            _write_loop(w, turn)
        elif turn.strips > 1:
            step, following = turn.steps
            _write_in_strips(w, step, following, turn.strips)
        else:
            _write(w, turn.steps[0], rows=turn.steps[0].output.height)


def write_turn_of_images(writers: Writers, turn: Turn, images: Planes, read: ReadImages) -> None:
    """Write the turn that reads the images in strips, with what brings them into their planes.

    Raises:
        MapsDoNotFit: an address lies outside of a map.
    """
    w = _begin(writers, turn)
    fill = w.kernels.moves.fill()
    fill.call(w.f, output=w.place(images), elements=images.size, value=images.outside)
    _write_loop(w, turn, images, read)


def _begin(writers: Writers, turn: Turn) -> Writer:
    """Return the writer of a turn, and write what fills the borders of maps that share bytes."""
    w = writers[turn.steps[0].output.dtype]
    w.scratch = turn.scratch
    if w.memory.shares_bytes:
        for step in turn.steps:
            _surround(w, step.output)
    return w


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


def _write(
    w: Writer, step: Step, *, rows: int, source_row: Row = 0, output_row: Row = 0, strips: int = 1
) -> None:
    """Write some rows of a step, which its inputs make and its output holds.

    Args:
        w: The function that is written.
        step: The step.
        rows: How many.
        source_row: The first, counted in the output of the whole input.
        output_row: Where it goes in the output.
        strips: How many times they are computed, where rows are computed numbers.

    Raises:
        MapsDoNotFit: inputs or output have fewer rows.
    """
    height, width = step.size
    ends = [
        row + rows if isinstance(row, int) else strips * rows for row in (source_row, output_row)
    ]
    if width != step.output.width or ends[0] > height or ends[1] > step.output.height:
        raise MapsDoNotFit("a layer computes rows that no map holds")
    step.write(w, source_row, output_row, rows)


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
        _write(w, step, rows=1, source_row=2 * rows.start - 1)
        _carry(w, between, 1)
    else:
        fill, top = w.kernels.moves.fill(), w.place(between)
        fill.call(w.f, output=top, elements=between.row, value=between.outside)
    for start in range(rows.start, rows.stop, most):
        count = min(most, rows.stop - start)
        _write(w, step, rows=2 * count, source_row=2 * start)
        _write(w, following, rows=count, output_row=start)
        if start + count < rows.stop:
            _carry(w, between, 2 * count)


def _write_loop(
    w: Writer, turn: Turn, images: Planes | None = None, read: ReadImages | None = None
) -> None:
    """Write a turn strip by strip; between two steps is a map of as many rows as a strip needs."""
    last, between = turn.steps[-1], turn.between
    rows, strips = last.output.height // turn.strips, turn.strips
    if between:  # above the first strip
        fill = w.kernels.moves.fill()
        fill.call(w.f, output=w.place(between), elements=between.row, value=between.outside)
    with w.f.loop(index(strips)) as strip:
        if images and read:
            read(w.times(strip, images.height), images.height)
        if between:
            of_images = 0 if images else w.times(strip, 2 * rows)
            _write(w, turn.steps[0], rows=2 * rows, source_row=of_images, strips=strips)
        source = 0 if between or images else w.times(strip, rows)
        output = w.times(strip, rows)
        _write(w, last, rows=rows, source_row=source, output_row=output, strips=strips)
        if between:
            _carry(w, between, between.height)
        if images:
            planes = [channel * images.plane for channel in range(images.channels)]
            _carry(w, images, images.height, planes)


def _carry(w: Writer, of: Buffer | Planes, number: int, planes: Sequence[int] = (0,)) -> None:
    """Write the copy of a map's last row, the ``number``-th, to the row above its first."""
    offsets = w.table(planes)
    w.kernels.moves.copy().call(
        w.f,
        source=w.place(of, number * of.row),
        source_offsets=offsets,
        output=w.place(of),
        output_offsets=offsets,
        rows=len(planes),
        elements=of.row,
    )
