"""Kernels between maps of bytes and maps of float32, where a network has layers of both kinds."""

from collections.abc import Callable

from llvmlite import ir

from shufflenet.codegen.kernels._byte_vectors import cut_to_bytes, round_to_int
from shufflenet.codegen.kernels._ir import (
    BYTE,
    BYTES,
    FLOAT,
    FLOATS,
    INDEX,
    INT32,
    OFFSETS,
    Function,
    Value,
    index,
)
from shufflenet.codegen.kernels._library import Library
from shufflenet.codegen.kernels._signature import Kernel, Signature

__all__ = ["Conversions"]

_LANES = 8  # of vectors: such layers are few
_FLOATS, _INTS, _BYTES = (ir.VectorType(kind, _LANES) for kind in (FLOAT, INT32, BYTE))


class Conversions:
    """Quantize and dequantize ``channels`` of ``pixels``, exactly as ONNX defines them.

    ``source_offsets`` and ``output_offsets`` are tables of the pixels' offsets; ``scale`` and
    ``zero`` are the quantization parameters of the bytes. Nothing beyond the channels is read or
    written.
    """

    def __init__(self, library: Library) -> None:
        self._library = library

    def quantize(self) -> Kernel:
        """Return the kernel of ``round(value / scale) + zero``, a half rounded to the even one.

        ``floor`` and ``ceiling`` limit values before ``zero`` is added; they are integers.
        """

        def convert(f: Function, values: Value) -> Value:
            a = f.arguments
            scaled = f.fdiv(values, f.splat(a.scale, _FLOATS))
            # What is rounded must not be too large for it.
            limits = (f.splat(end, _FLOATS) for end in (a.floor, a.ceiling))
            rounded = round_to_int(f, f.clamp(scaled, *limits))
            return cut_to_bytes(f, f.add(rounded, f.splat(a.zero, _INTS)))

        limits = Signature({"floor": FLOAT, "ceiling": FLOAT})
        signature = _signature(FLOATS, BYTES) | limits
        return self._kernel("quantize", signature, _FLOATS, convert)

    def dequantize(self) -> Kernel:
        """Return the kernel of ``(byte - zero) * scale``."""

        def convert(f: Function, values: Value) -> Value:
            a = f.arguments
            numbers = f.sub(f.zext(values, _INTS), f.splat(a.zero, _INTS))
            return f.fmul(f.sitofp(numbers, _FLOATS), f.splat(a.scale, _FLOATS))

        return self._kernel("dequantize", _signature(BYTES, FLOATS), _BYTES, convert)

    def _kernel(
        self,
        name: str,
        signature: Signature,
        source: ir.VectorType,
        convert: Callable[[Function, Value], Value],
    ) -> Kernel:
        """Return the kernel that converts vectors of channels, then channels one by one."""

        def write(f: Function) -> None:
            a = f.arguments
            whole = f.and_(a.channels, index(-_LANES))
            with f.loop(a.pixels) as pixel:
                here = f.at(a.source, f.load_offset(a.source_offsets, pixel))
                there = f.at(a.output, f.load_offset(a.output_offsets, pixel))
                with f.loop(whole, step=_LANES) as channel:
                    values = f.load_vector(f.at(here, channel), source)
                    f.store_vector(convert(f, values), f.at(there, channel))
                with f.loop(a.channels, whole) as channel:
                    one = convert(f, f.splat(f.load(f.at(here, channel)), source))
                    f.store(f.extract_element(one, ir.Constant(INT32, 0)), f.at(there, channel))

        return self._library.kernel(name, signature, write)


def _signature(source: ir.Type, output: ir.Type) -> Signature:
    return Signature(
        {"source": source, "source_offsets": OFFSETS, "output": output, "output_offsets": OFFSETS}
        | {"pixels": INDEX, "channels": INDEX, "scale": FLOAT, "zero": INT32}
    )
