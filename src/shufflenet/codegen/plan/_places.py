"""Where maps lie in the arena: each beside the others, or as close as their lifetimes allow."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TypeAlias

import numpy as np

from shufflenet.codegen.kernels import LINE_BYTES, Layout
from shufflenet.codegen.plan._arena import Buffer, Memory, Planes
from shufflenet.codegen.plan._lifetimes import Part, largest_gap, most_live, pack
from shufflenet.codegen.plan._schedule import Turn
from shufflenet.codegen.plan._steps import Gemm
from shufflenet.codegen.plan._writer import PIXELS, Scratch

__all__ = ["Layouts", "least_bytes", "place_closely", "place_side_by_side"]

_FEWEST_PIXELS = 16  # that are put together for a product, where memory is short

Layouts: TypeAlias = Mapping[type[np.generic], Layout]


def place_side_by_side(
    turns: Sequence[Turn], images: Planes, memory: Memory, layouts: Layouts
) -> list[Turn]:
    """Return turns with their scratch, and give all maps places that only their own kind reuses.

    Raises:
        TooLargeToCompile: the arena would be too large.
    """
    memory.allocate_new(images)
    last = _last_readers(turns)
    for number, turn in enumerate(turns):
        for step in turn.steps:
            if step.output is turn.between:
                memory.allocate_own(step.output)
            else:
                memory.allocate(step.output)
        done = {id(source): source for step in turn.steps for source in step.inputs}
        for key, source in done.items():
            # The place of a map in strips has a row above that no other map has.
            if last[key] == number and source is not turn.between:
                memory.release(source)
    widest = max(_scratch_bytes(turn, layouts) for turn in turns)
    scratch = Scratch(memory.reserve_own(max(1, PIXELS * widest)))
    return [replace(turn, scratch=scratch) for turn in turns]


def place_closely(
    turns: Sequence[Turn], images: Planes, memory: Memory, layouts: Layouts
) -> list[Turn]:
    """Return turns with their scratch, and give maps of any kind places that share bytes.

    A product puts together as many pixels at once as there are bytes that nothing else needs.

    Raises:
        TooLargeToCompile: the arena would be too large.
    """
    maps: list[Buffer | Planes] = [images]
    maps += [step.output for turn in turns for step in turn.steps]
    parts, scratches = _parts(turns, images), _least_scratches(turns, layouts)
    places, length = pack([*parts, *scratches])
    start = memory.reserve(length)
    memory.shares_bytes = True
    for each, at in zip(maps, places[: len(maps)], strict=True):
        each.at = start + at
    placed = []
    for scratch, turn in zip(scratches, turns, strict=True):
        taken = [(at, p.size) for at, p in zip(places, parts, strict=False) if p.meets(scratch)]
        at, gap = largest_gap(taken, length)
        pixels = min(PIXELS, gap // max(1, _scratch_bytes(turn, layouts)))
        placed.append(replace(turn, scratch=Scratch(start + at, pixels)))
    first = placed[0].scratch
    memory.while_reading = [
        (start + at, part.size) for at, part in zip(places, parts, strict=False) if part.first <= 0
    ]
    memory.while_reading.append((first.at, first.pixels * _scratch_bytes(turns[0], layouts)))
    return placed


def least_bytes(turns: Sequence[Turn], images: Planes, layouts: Layouts) -> int:
    """Return the most bytes that are needed in one turn: the arena is no smaller."""
    return most_live([*_parts(turns, images), *_least_scratches(turns, layouts)])


def _parts(turns: Sequence[Turn], images: Planes) -> list[Part]:
    """Return the bytes and turns of the images, and of every map in the order of steps."""
    last = _last_readers(turns)
    parts = [Part(_bytes(images), -1, 0)]  # the first step reads the images, and no other does
    for number, turn in enumerate(turns):
        for step in turn.steps:
            end = last.get(id(step.output), len(turns))  # the classifier reads the last one
            parts.append(Part(_bytes(step.output), number, end))
    return parts


def _least_scratches(turns: Sequence[Turn], layouts: Layouts) -> list[Part]:
    sizes = [_whole_lines(_FEWEST_PIXELS * _scratch_bytes(turn, layouts)) for turn in turns]
    return [Part(size, number, number) for number, size in enumerate(sizes)]


def _last_readers(turns: Sequence[Turn]) -> dict[int, int]:
    """Return the number of the last turn that reads each map, by the map's identity."""
    return {
        id(source): number
        for number, turn in enumerate(turns)
        for step in turn.steps
        for source in step.inputs
    }


def _scratch_bytes(turn: Turn, layouts: Layouts) -> int:
    """Return the bytes of a pixel's inputs where they are put together, the most of a turn."""
    products = [step for step in turn.steps if isinstance(step, Gemm)]
    return max(
        (
            step.source.pitch(layouts[step.output.dtype]) * np.dtype(step.output.dtype).itemsize
            for step in products
        ),
        default=0,
    )


def _bytes(of: Buffer | Planes) -> int:
    return _whole_lines(of.size * np.dtype(of.dtype).itemsize)


def _whole_lines(size: int) -> int:
    return -(-size // LINE_BYTES) * LINE_BYTES
