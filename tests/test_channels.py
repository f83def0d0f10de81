"""Channel order as formulas, against the permutations that they describe."""

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from shufflenet.channels import (
    ZEROS,
    Order,
    count_transfers,
    find_positions,
    interleave,
    route,
    trace_stage,
)
from shufflenet.networks import channel_shuffle
from shufflenet.spec import Split

SPLITS = st.sampled_from(["halves", "even-odd"])


@given(st.integers(1, 9), st.integers(1, 9))
def test_names_are_interleaved_as_channels_are(groups: int, each: int) -> None:
    x = torch.arange(groups * each).reshape(1, -1, 1, 1)
    expected = channel_shuffle(x, groups).flatten().numpy()
    assert np.array_equal(interleave(np.arange(groups * each), groups), expected)


@given(half=st.integers(1, 9), first=st.integers(1, 17), units=st.integers(0, 6), split=SPLITS)
def test_every_channel_of_a_stage_has_one_consumer(
    half: int, first: int, units: int, split: Split
) -> None:
    first = min(first, 2 * half - 1)
    widths = [first, 2 * half - first, *[half] * units]
    output, reads = trace_stage(widths, split)
    assert len(output) == 2 * half
    assert [len(names) for names in reads] == [half] * units
    consumed = np.concatenate([*reads, output])
    assert np.array_equal(np.sort(consumed), np.arange(sum(widths)))


@st.composite
def routings(draw: st.DrawFn) -> tuple[list[int], list[Order], Order]:
    """Draw widths of producers, the names that each consumer reads, and channels of zeros."""
    widths = draw(st.lists(st.integers(1, 6), min_size=1, max_size=4))
    consumers = draw(st.integers(1, 4))
    names = draw(st.permutations(range(sum(widths))))
    owners = [draw(st.integers(0, consumers - 1)) for _ in names]
    reads = [
        np.array([name for name, owner in zip(names, owners, strict=True) if owner == k], np.intp)
        for k in range(consumers)
    ]
    zeros = [[draw(st.integers(0, 2)) for _ in range(consumers)] for _ in widths]
    return widths, reads, np.array(zeros)


@given(routings())
def test_slices_of_reordered_producers_are_what_consumers_read(
    drawn: tuple[list[int], list[Order], Order],
) -> None:
    widths, reads, zeros = drawn
    routing = route(widths, reads, zeros)
    inputs: list[list[int]] = [[] for _ in reads]
    for first, rows, routes in zip(
        np.cumsum([0, *widths[:-1]]), routing.rows, routing.routes, strict=True
    ):
        stored = [ZEROS if row == ZEROS else int(first + row) for row in rows]
        for consumer, size in routes:
            inputs[consumer] += stored[:size]
            stored = stored[size:]
        assert not stored
    for names, arrived, expected in zip(inputs, routing.arrivals, reads, strict=True):
        assert names == arrived.tolist()
        assert sorted(name for name in names if name != ZEROS) == sorted(expected.tolist())
    transfers = count_transfers(widths, reads)
    assert [len(names) for names in inputs] == (transfers + zeros).sum(axis=0).tolist()


@given(st.permutations(range(9)), st.lists(st.integers(ZEROS, 8)))
def test_positions_find_names(names: list[int], arrival: list[int]) -> None:
    found = find_positions(np.array(names), np.array(arrival, np.intp))
    expected = [ZEROS if name == ZEROS else names.index(name) for name in arrival]
    assert found.tolist() == expected
