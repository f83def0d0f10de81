"""Texts and other constants in a module, to which its functions return pointers."""

from collections.abc import Sequence
from itertools import accumulate

import numpy as np
from llvmlite import ir

from shufflenet.codegen.kernels import BYTE, BYTES, LINE_BYTES, OFFSETS, Array, Function, Value

__all__ = ["data", "texts"]


def data(module: ir.Module, name: str, values: Array) -> Value:
    """Define constant bytes of an array of any shape, and return a pointer to them."""
    kind = ir.ArrayType(BYTE, values.nbytes)
    constant = ir.GlobalVariable(module, kind, name)
    # Formatted here, for llvmlite formats byte by byte.
    text = values.astype(values.dtype.newbyteorder("<")).tobytes().hex("\\")
    constant.initializer = ir.FormattedConstant(kind, f'c"\\{text}"')
    constant.global_constant, constant.linkage, constant.align = True, "internal", LINE_BYTES
    return constant.bitcast(BYTES)


def texts(f: Function, name: str, each: Sequence[str], number: Value) -> Value:
    """Write what returns a pointer to one of several texts, UTF-8 that ends in a zero byte.

    Offsets are stored rather than pointers, so that whoever loads the file has nothing to adjust.

    Args:
        f: The function that returns the text.
        name: The name of the constants.
        each: The texts.
        number: The number of the text, 0 to ``len(each) - 1``.
    """
    distinct = {text: text.encode() + b"\0" for text in each}
    starts = [0, *accumulate(map(len, distinct.values()))]
    place = dict(zip(distinct, starts, strict=False))
    content = np.frombuffer(b"".join(distinct.values()), np.uint8)
    offsets = np.array([place[text] for text in each], np.int32)
    block, table = data(f.module, name, content), data(f.module, f"{name}_offsets", offsets)
    return f.at(block, f.load_offset(f.bitcast(table, OFFSETS), number))
