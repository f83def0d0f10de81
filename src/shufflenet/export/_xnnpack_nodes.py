"""A program as an XNNPACK graph, in float32 and in int8."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np

from shufflenet.errors import SpecError
from shufflenet.export._xnnpack import ANY_RANGE, NO_VALUE, XnnGraph
from shufflenet.graph import Array, Node, Program

__all__ = ["xnnpack_graph"]

Fields: TypeAlias = Sequence[int | Sequence[int]]

# The kinds of nodes, as ``XNodeUnion`` numbers them.
_ADD, _LINEAR, _SIGMOID, _TRANSPOSE, _CLAMP, _CONV = 1, 2, 4, 5, 6, 7
_DEPTHWISE, _MAX_POOL, _MULTIPLY, _CONVERT, _MEAN, _RESHAPE = 13, 14, 15, 18, 19, 20
_HARD_SWISH, _SLICE = 24, 35
_CONCATENATE = {2: 32, 3: 33, 4: 34, 5: 38}  # by the number of inputs
_MOST_INPUTS = 5
_KEEP_AXES = 0x40  # XNN_FLAG_KEEP_DIMS
_OUTPUT = -1  # stands for the number of the value that a node writes
_NHWC = (0, 2, 3, 1)


def xnnpack_graph(program: Program) -> bytes:
    """Return a program as the graph of XNNPACK's delegate in ExecuTorch.

    Images and logits are float32, images ``(n, c, h, w)``. Between them, maps are ``(n, h, w, c)``,
    and int8 wherever the program says so: its codes, scales and zero points, all minus 128. Where
    XNNPACK has no int8 operator, what bytes mean is computed in float32 and rounded to bytes again.
    The classifier in int8 reads each image's features as int8 with a range of their own, since its
    output, the logits, has no range.

    Raises:
        SpecError: the program has a node that XNNPACK cannot express.
    """
    writer = _Writer(program)
    writer.begin()
    for node in program.nodes:
        if node.op not in _WRITERS:
            raise SpecError("a node", node.op, f"one of {', '.join(_WRITERS)} in a .pte file")
        _WRITERS[node.op](writer, node)
    return writer.graph.to_bytes()


@dataclass
class _Writer:
    """The graph so far, and the numbers of its values by name, as float32 and as bytes."""

    program: Program
    graph: XnnGraph = field(default_factory=XnnGraph)
    floats: dict[str, int] = field(default_factory=dict)
    bytes: dict[str, int] = field(default_factory=dict)

    def begin(self) -> None:
        """Add the images, transposed, and the logits."""
        name = self.program.images
        images = self.graph.external(self.program.shapes[name], 0)
        self.floats[self.program.logits] = self.graph.external(self.shape(self.program.logits), 1)
        transposed = self.graph.tensor(self.shape(name))
        self.graph.node(_TRANSPOSE, (4, _NHWC, images, transposed, 0), ANY_RANGE)
        self._keep(name, self._meant(transposed) if self.program.takes_bytes else transposed)

    def _meant(self, pixels: int) -> int:
        """Add what the bytes of images mean, ``(byte - zero_point) * scale``."""
        params, shape = self.program.params[self.program.images], self.shape(self.program.images)
        channels = shape[-1]
        weight = self.graph.constant(np.full((1, 1, 1, channels), params.scale))
        bias = self.graph.constant(np.full(channels, params.range[0]))
        meant = self.graph.tensor(shape)
        window = (0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1, channels, 0, 0)
        self.graph.node(_DEPTHWISE, (*window, pixels, weight, bias, meant, 0), ANY_RANGE)
        return meant

    def shape(self, name: str) -> tuple[int, ...]:
        """Return a tensor's shape in the graph."""
        shape = self.program.shapes[name]
        return tuple(shape[axis] for axis in _NHWC) if len(shape) == len(_NHWC) else shape

    def in_int8(self, node: Node) -> bool:
        """Return whether all that a node reads and writes is held as bytes."""
        read = [name for name in node.inputs if name and name not in self.program.constants]
        return all(name in self.program.params for name in (*read, *node.outputs))

    def same_params(self, node: Node) -> bool:
        """Return whether a node computes in int8 on values of one scale and zero point."""
        read = [name for name in node.inputs if name and name not in self.program.constants]
        return self.in_int8(node) and (
            len({self.program.params[name] for name in (*read, *node.outputs)}) == 1
        )

    def read(self, name: str, *, as_bytes: bool) -> int:
        """Return a value's number as float32 or as bytes, converted from the other if need be."""
        have, other = (self.bytes, self.floats) if as_bytes else (self.floats, self.bytes)
        if name not in have:
            params = self.program.params[name] if as_bytes else None
            have[name] = self.graph.tensor(self.shape(name), params)
            self.graph.node(_CONVERT, (other[name], have[name], 0), ANY_RANGE)
        return have[name]

    def write(
        self,
        name: str,
        kind: int,
        fields: Fields,
        *,
        as_bytes: bool,
        limits: tuple[float, float] = ANY_RANGE,
    ) -> None:
        """Add a node that writes a tensor, in place of ``_OUTPUT``; limits clip it."""
        if name == self.program.logits:
            output = self.floats[name]
        else:
            params = self.program.params[name] if as_bytes else None
            output = self.graph.tensor(self.shape(name), params)
        self.graph.node(kind, [output if each == _OUTPUT else each for each in fields], limits)
        if as_bytes:
            self.bytes[name] = output
        else:
            self._keep(name, output)

    def _keep(self, name: str, value: int) -> None:
        """Note a float32 value, rounded to bytes at once if the program holds it as bytes."""
        if name in self.program.params:
            params = self.program.params[name]
            self.bytes[name] = self.graph.tensor(self.shape(name), params)
            self.graph.node(_CONVERT, (value, self.bytes[name], 0), ANY_RANGE)
        else:
            self.floats[name] = value

    def real(self, name: str) -> Array:
        """Return a constant as float32: codes times their scales."""
        codes = self.program.constants[name]
        if name not in self.program.scales:
            return codes
        scales = self.program.scales[name].reshape(-1, *[1] * (codes.ndim - 1))
        return (codes * scales).astype(np.float32)

    def weights(self, node: Node, layout: tuple[int, ...], *, as_bytes: bool) -> tuple[int, int]:
        """Add a layer's weights, their axes in that order, and its bias."""
        _, name, bias = node.inputs
        if not as_bytes:
            weight = self.graph.constant(self.real(name).transpose(layout))
            return weight, self.graph.constant(self.real(bias))
        constants, scales = self.program.constants, self.program.scales
        weight = self.graph.codes(constants[name].transpose(layout), scales[name], layout.index(0))
        return weight, self.graph.codes(constants[bias], scales[bias], 0)


def _convolution(writer: _Writer, node: Node) -> None:
    weight = writer.program.constants[node.inputs[1]]
    as_bytes = weight.dtype == np.int8 and writer.in_int8(node)
    groups = node.attributes["group"]
    depthwise = weight.shape[1] == 1 and groups > 1
    layout = (1, 2, 3, 0) if depthwise else (0, 2, 3, 1)
    filters = writer.weights(node, layout, as_bytes=as_bytes)
    window = (*_padding(node), *weight.shape[2:], *node.attributes["strides"])
    channels = (weight.shape[1], len(weight) // groups, groups)
    read = writer.read(node.inputs[0], as_bytes=as_bytes)
    fields = (*window, *node.attributes["dilations"], *channels, 0, 0, read, *filters, _OUTPUT, 0)
    writer.write(node.output, _DEPTHWISE if depthwise else _CONV, fields, as_bytes=as_bytes)


def _padding(node: Node) -> tuple[int, int, int, int]:
    """Return the padding above, right, below and left."""
    top, left, bottom, right = node.attributes["pads"]
    return top, right, bottom, left


def _per_channel(
    writer: _Writer,
    node: Node,
    weight: Array,
    bias: float = 0.0,
    *,
    window: Sequence[int] = (0, 0, 0, 0, 1, 1, 1, 1),
    limits: tuple[float, float] = ANY_RANGE,
) -> None:
    """Add a depthwise convolution that treats all channels alike, by weights ``(h, w)``.

    XNNPACK packs its weights when a file is loaded; other operators would keep pointers into the
    file, whose memory ExecuTorch frees.
    """
    channels = writer.program.shapes[node.output][1]
    as_bytes = writer.in_int8(node) and limits == ANY_RANGE and not bias
    filters = np.broadcast_to(weight[None, :, :, None], (1, *weight.shape, channels))
    if as_bytes:  # equal weights are one code times a scale
        codes, scales = np.ones_like(filters, np.int8), np.full(channels, weight.flat[0])
        numbers = (writer.graph.codes(codes, scales, 3), NO_VALUE)
    else:
        added = writer.graph.constant(np.full(channels, bias)) if bias else NO_VALUE
        numbers = (writer.graph.constant(filters), added)
    read = writer.read(node.inputs[0], as_bytes=as_bytes)
    fields = (*window, 1, 1, 1, 1, channels, 0, 0, read, *numbers, _OUTPUT, 0)
    writer.write(node.output, _DEPTHWISE, fields, as_bytes=as_bytes, limits=limits)


def _average(writer: _Writer, node: Node) -> None:
    height, width = node.attributes["kernel_shape"]
    if any(node.attributes["pads"]) and not node.attributes["count_include_pad"]:
        raise SpecError("an AveragePool", "padded and without it", "one that counts its padding")
    weight = np.full((height, width), 1 / (height * width), np.float32)
    window = (*_padding(node), height, width, *node.attributes["strides"])
    _per_channel(writer, node, weight, window=window)


def _hard_sigmoid(writer: _Writer, node: Node) -> None:
    weight = np.full((1, 1), 1 / 6, np.float32)
    _per_channel(writer, node, weight, 0.5, limits=(0.0, 1.0))


def _max_pool(writer: _Writer, node: Node) -> None:
    as_bytes = writer.same_params(node)
    window = (*_padding(node), *node.attributes["kernel_shape"], *node.attributes["strides"])
    read = writer.read(node.inputs[0], as_bytes=as_bytes)
    writer.write(node.output, _MAX_POOL, (*window, 1, 1, read, _OUTPUT, 0), as_bytes=as_bytes)


def _linear(writer: _Writer, node: Node) -> None:
    name = node.inputs[1]
    weight = writer.program.constants[name]
    read = writer.read(node.inputs[0], as_bytes=False)
    if name in writer.program.scales:
        rows = writer.graph.dynamic(writer.program.shapes[node.inputs[0]])
        writer.graph.node(_CONVERT, (read, rows, 0), ANY_RANGE)
        bias = writer.graph.constant(writer.real(node.inputs[2]))
        read, filters = rows, (writer.graph.codes(weight, writer.program.scales[name], 0), bias)
    else:
        filters = writer.weights(node, (0, 1), as_bytes=False)
    writer.write(node.output, _LINEAR, (read, *filters, _OUTPUT, 0), as_bytes=False)


def _mean(writer: _Writer, node: Node) -> None:
    as_bytes = writer.in_int8(node)
    read = writer.read(node.inputs[0], as_bytes=as_bytes)
    writer.write(node.output, _MEAN, (read, _OUTPUT, _KEEP_AXES), as_bytes=as_bytes)


def _split(writer: _Writer, node: Node) -> None:
    first = 0
    for name in node.outputs:
        _slice(writer, node, name, first)
        first += writer.shape(name)[-1]


def _slice(writer: _Writer, node: Node, name: str, first: int) -> None:
    """Add the channels from the first on that an output takes."""
    as_bytes = writer.same_params(node)
    read = writer.read(node.inputs[0], as_bytes=as_bytes)
    shape = writer.shape(name)
    fields = (len(shape), (*[0] * (len(shape) - 1), first), shape, read, _OUTPUT, 0)
    writer.write(name, _SLICE, fields, as_bytes=as_bytes)


def _concatenate(writer: _Writer, node: Node) -> None:
    """Add a concatenation; XNNPACK's take five inputs, so more are joined one after another."""
    as_bytes = writer.same_params(node)
    read = [writer.read(name, as_bytes=as_bytes) for name in node.inputs]
    shape = writer.shape(node.output)
    sizes = [writer.shape(name)[-1] for name in node.inputs]
    while len(read) > _MOST_INPUTS:
        joined = (*shape[:-1], sum(sizes[:_MOST_INPUTS]))
        params = writer.program.params[node.output] if as_bytes else None
        value = writer.graph.tensor(joined, params)
        fields = _joining(read[:_MOST_INPUTS], len(shape) - 1, value)
        writer.graph.node(_CONCATENATE[_MOST_INPUTS], fields, ANY_RANGE)
        read, sizes = [value, *read[_MOST_INPUTS:]], [joined[-1], *sizes[_MOST_INPUTS:]]
    fields = _joining(read, len(shape) - 1, _OUTPUT)
    writer.write(node.output, _CONCATENATE[len(read)], fields, as_bytes=as_bytes)


def _joining(read: Sequence[int], axis: int, output: int) -> Fields:
    """Return the fields of a concatenation: its fifth input stands behind its output."""
    inputs = [*read, *[NO_VALUE] * (_MOST_INPUTS - len(read))]
    return (axis, *inputs[:4], output, 0, inputs[4])


def _gather(writer: _Writer, node: Node) -> None:
    """Add a choice of channels: neighbors, blocks transposed, or any, by weights of 0 and 1."""
    chosen = np.array(node.attributes["indices"])
    channels = writer.program.shapes[node.inputs[0]][1]
    if (np.diff(chosen) == 1).all():
        _slice(writer, node, node.output, int(chosen[0]))
        return
    every = np.arange(channels)
    for blocks in range(2, channels):
        if channels % blocks == 0 and np.array_equal(every.reshape(blocks, -1).T.ravel(), chosen):
            _transpose_blocks(writer, node, blocks)
            return
    as_bytes = writer.same_params(node)
    read = writer.read(node.inputs[0], as_bytes=as_bytes)
    weight = (chosen[:, None] == every)[:, None, None].astype(np.int8)
    if as_bytes:
        filters = writer.graph.codes(weight, np.ones(len(chosen)), 0)
    else:
        filters = writer.graph.constant(weight)
    window = (0, 0, 0, 0, 1, 1, 1, 1, 1, 1)
    fields = (*window, channels, len(chosen), 1, 0, 0, read, filters, NO_VALUE, _OUTPUT, 0)
    writer.write(node.output, _CONV, fields, as_bytes=as_bytes)


def _shuffle(writer: _Writer, node: Node) -> None:
    _transpose_blocks(writer, node, node.attributes["groups"])


def _transpose_blocks(writer: _Writer, node: Node, blocks: int) -> None:
    """Add what turns channels ``(blocks, c)`` to ``(c, blocks)``."""
    as_bytes = writer.same_params(node)
    params = writer.program.params[node.output] if as_bytes else None
    *outer, channels = writer.shape(node.output)
    before, after = (*outer, blocks, channels // blocks), (*outer, channels // blocks, blocks)
    values = writer.graph.tensor(before, params), writer.graph.tensor(after, params)
    read = writer.read(node.inputs[0], as_bytes=as_bytes)
    writer.graph.node(_RESHAPE, (5, before, read, values[0], 0), ANY_RANGE)
    writer.graph.node(_TRANSPOSE, (5, (0, 1, 2, 4, 3), *values, 0), ANY_RANGE)
    whole = (*outer, channels)
    writer.write(node.output, _RESHAPE, (4, whole, values[1], _OUTPUT, 0), as_bytes=as_bytes)


def _flatten(writer: _Writer, node: Node) -> None:
    as_bytes = writer.same_params(node)
    shape = writer.shape(node.output)
    read = writer.read(node.inputs[0], as_bytes=as_bytes)
    writer.write(node.output, _RESHAPE, (len(shape), shape, read, _OUTPUT, 0), as_bytes=as_bytes)


def _requantize(writer: _Writer, node: Node) -> None:
    """Add a conversion of bytes to bytes of other parameters, or to or from float32."""
    from_bytes = node.inputs[0] in writer.program.params
    read = writer.read(node.inputs[0], as_bytes=from_bytes)
    to_bytes = node.output in writer.program.params
    writer.write(node.output, _CONVERT, (read, _OUTPUT, 0), as_bytes=to_bytes)


def _relu(writer: _Writer, node: Node) -> None:
    _unary(writer, node, _CLAMP, limits=(0.0, np.inf))


def _unary(
    writer: _Writer, node: Node, kind: int, *, limits: tuple[float, float] = ANY_RANGE
) -> None:
    read = writer.read(node.inputs[0], as_bytes=False)
    writer.write(node.output, kind, (read, _OUTPUT, 0), as_bytes=False, limits=limits)


def _swish(writer: _Writer, node: Node) -> None:
    read = writer.read(node.inputs[0], as_bytes=False)
    gate = writer.graph.tensor(writer.shape(node.output))
    writer.graph.node(_SIGMOID, (read, gate, 0), ANY_RANGE)
    writer.write(node.output, _MULTIPLY, (read, gate, _OUTPUT, 0), as_bytes=False)


def _binary(writer: _Writer, node: Node, kind: int) -> None:
    as_bytes = writer.in_int8(node)
    read = [writer.read(name, as_bytes=as_bytes) for name in node.inputs]
    writer.write(node.output, kind, (*read, _OUTPUT, 0), as_bytes=as_bytes)


_WRITERS: dict[str, Callable[[_Writer, Node], None]] = {
    "Add": lambda writer, node: _binary(writer, node, _ADD),
    "AveragePool": _average,
    "ChannelShuffle": _shuffle,
    "Concat": _concatenate,
    "Conv": _convolution,
    "Flatten": _flatten,
    "Gather": _gather,
    "Gemm": _linear,
    "GlobalAveragePool": _mean,
    "HardSigmoid": _hard_sigmoid,
    "HardSwish": lambda writer, node: _unary(writer, node, _HARD_SWISH),
    "MaxPool": _max_pool,
    "Mul": lambda writer, node: _binary(writer, node, _MULTIPLY),
    "Relu": _relu,
    "Requantize": _requantize,
    "Sigmoid": lambda writer, node: _unary(writer, node, _SIGMOID),
    "Split": _split,
    "Swish": _swish,
}
