"""Depthwise convolutions of bytes by instructions that add four products to each int32 sum."""

from collections.abc import Callable, Sequence
from typing import TypeAlias

from llvmlite import ir

from shufflenet.codegen.kernels._byte_vectors import interleave
from shufflenet.codegen.kernels._ir import INT16, Function, Value
from shufflenet.codegen.kernels._word_steps import STEP

__all__ = ["AddDots", "dot_filter_sums"]

# Writes a vector of sums, to each of which four products are added: of sums, of bytes of values and
# of weights, both as vectors of as many int32.
AddDots: TypeAlias = Callable[[Function, Value, Value, Value], Value]


def dot_filter_sums(
    f: Function, values: Sequence[Value], weights: Value, sums: Sequence[Value], add_dots: AddDots
) -> list[Value]:
    """Add the products of all taps to four vectors of sums, whose order is that of channels.

    Args:
        f: The function that is written.
        values: The bytes of each tap, a vector of all channels.
        weights: Pointer to the weights, four taps of each channel as an int32.
        sums: What sums begin with.
        add_dots: Adds products of four taps.
    """
    of_bytes, of_sums, totals = values[0].type, sums[0].type, list(sums)
    shorts = ir.VectorType(INT16, of_bytes.count // 2)
    whole = [*values, *[f.splat(0, of_bytes)] * (-len(values) % STEP)]
    for start in range(0, len(whole), STEP):
        twos = (interleave(f, *whole[at : at + 2]) for at in (start, start + 2))
        pairs = zip(*([f.bitcast(two, shorts) for two in both] for both in twos), strict=True)
        fours = [four for pair in pairs for four in interleave(f, *pair)]
        for number, four in enumerate(fours):
            at = start // STEP * of_bytes.count + number * of_sums.count
            four_weights = f.load_vector(f.at(weights, at), of_sums)
            totals[number] = add_dots(f, totals[number], f.bitcast(four, of_sums), four_weights)
    return totals
