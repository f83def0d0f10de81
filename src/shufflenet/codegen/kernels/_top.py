"""The kernel that finds the largest values."""

import math

from llvmlite import ir

from shufflenet.codegen.kernels._ir import FLOAT, FLOATS, INDEX, INT32, OFFSETS, Function, index
from shufflenet.codegen.kernels._library import Library
from shufflenet.codegen.kernels._signature import Kernel, Signature

__all__ = ["top"]

_SIGNATURE = Signature({"values": FLOATS, "count": INDEX, "k": INDEX, "numbers": OFFSETS})


def top(library: Library) -> Kernel:
    """Return the kernel that writes the numbers of the ``k`` largest values, the largest first.

    Of equal values the first one comes first. A NaN counts as the least value. If ``k`` is more
    than ``count``, which is 1 or more, all are written. Every number takes a search through all
    values: the few that are asked for would not repay sorting, which needs memory.
    """
    return library.kernel("top", _SIGNATURE, _write)


def _write(f: Function) -> None:
    a = f.arguments
    last, place = f.variable(FLOAT), f.variable(INDEX)
    f.store(ir.Constant(FLOAT, math.inf), last)
    f.store(index(-1), place)
    best, best_place = f.variable(FLOAT), f.variable(INDEX)
    least = ir.Constant(FLOAT, -math.inf)
    ranks = f.select(f.icmp_signed("<", a.k, a.count), a.k, a.count)
    with f.loop(ranks) as rank:
        f.store(least, best)
        f.store(index(-1), best_place)
        with f.loop(a.count) as number:
            loaded = f.load(f.at(a.values, number))
            value = f.select(f.fcmp_ordered("==", loaded, loaded), loaded, least)
            # Whether it comes after the one found last, and before the best one so far.
            is_equal = f.fcmp_ordered("==", value, f.load(last))
            is_later = f.and_(is_equal, f.icmp_signed(">", number, f.load(place)))
            is_left = f.or_(f.fcmp_ordered("<", value, f.load(last)), is_later)
            is_first = f.icmp_signed("<", f.load(best_place), index(0))
            is_better = f.or_(f.fcmp_ordered(">", value, f.load(best)), is_first)
            with f.if_then(f.and_(is_left, is_better)):
                f.store(value, best)
                f.store(number, best_place)
        f.store(f.load(best), last)
        f.store(f.load(best_place), place)
        f.store(f.trunc(f.load(place), INT32), f.at(a.numbers, rank))
