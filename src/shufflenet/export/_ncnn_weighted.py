"""Convolutions and the classifier as layers of ncnn, in float32 and in int8."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from shufflenet.export._ncnn_builder import Builder
from shufflenet.export._ncnn_forms import Forms, Step
from shufflenet.export._ncnn_numbers import plain_bytes, weight_bytes
from shufflenet.export._ncnn_window import window_of
from shufflenet.files import NcnnValue
from shufflenet.graph import LARGEST_BYTE, Program, QuantParams

__all__ = ["HARD_SWISH", "Plan", "add_weighted"]

HARD_SWISH = 1 / 6, 0.5  # ncnn's slope and shift; it computes x * clip(slope * x + shift, 0, 1)
_ACTIVATIONS = {"Relu": 1, "Sigmoid": 4, "HardSwish": 6}  # ncnn's numbers of those within a layer
_CLIP = 3
_INT8, _INT8_TO_BYTES = 1, 101
_LARGEST_CODE = 127


@dataclass(frozen=True)
class _Layer:
    """A layer with weights, as ncnn computes it.

    Attributes:
        weight: int8 or float32, ``(out, in / groups, kh, kw)`` or ``(out, in)``.
        bias: ``(out,)``.
        scales: In int8, codes per unit: of the weights ``(out,)``, of the input ``(1,)`` and, if
            the output is bytes, of that ``(1,)``.
        parameters: What all layers with weights have alike: their activation, the mark of int8.
        padding_code: What lies beyond an edge.
    """

    weight: npt.NDArray[Any]
    bias: npt.NDArray[np.float64]
    scales: tuple[npt.NDArray[np.float64], ...]
    parameters: Mapping[int, NcnnValue]
    padding_code: int = 0

    def part(self, first: int, end: int) -> "_Layer":
        """Return the layer that computes some of the outputs."""
        rows = slice(first, end)
        of_weights, *others = self.scales
        scales = of_weights[rows], *others
        return _Layer(
            self.weight[rows], self.bias[rows], scales, self.parameters, self.padding_code
        )

    def numbers(self, *, half: bool) -> bytes:
        """Return the numbers as ncnn stores them."""
        return weight_bytes(self.weight, half=half) + b"".join(
            map(plain_bytes, (self.bias, *self.scales))
        )


@dataclass(frozen=True)
class Plan:
    """What layers are written from.

    Attributes:
        program: The program.
        forms: The form in which each tensor is held.
        half: Whether weights are stored in float16 even where that loses something.
    """

    program: Program
    forms: Forms
    half: bool


def add_weighted(builder: Builder, plan: Plan, step: Step, read: str) -> None:
    """Add a convolution or a classifier.

    Args:
        builder: The layers so far.
        plan: What they are written from.
        step: The step.
        read: The tensor that holds its input in the form that it wants.
    """
    layer, output = _layer(plan.program, plan.forms, step), step.node.output
    if step.node.op == "Gemm" or builder.is_vector(read):
        parameters = {0: len(layer.weight), 1: 1, 2: layer.weight.size, **layer.parameters}
        builder.add("InnerProduct", [read], [output], parameters, layer.numbers(half=plan.half))
        return
    if plan.forms.is_one_layer(step):
        kind = "Convolution" if step.groups == 1 else "ConvolutionDepthWise"
        parameters = _window(step, layer) | ({7: step.groups} if step.groups > 1 else {})
        builder.add(kind, [read], [output], parameters, layer.numbers(half=plan.half))
        return
    _add_groups(builder, step, read, layer)


def _add_groups(builder: Builder, step: Step, read: str, layer: _Layer) -> None:
    """Add a grouped convolution in int8 as one of each group: ncnn has a scale for each alone."""
    node, groups = step.node, step.groups
    out = len(layer.weight) // groups
    slices = [f"{node.output} reads {group}" for group in range(groups)]
    parts = [f"{node.output} part {group}" for group in range(groups)]
    builder.add("Slice", [read], slices, {0: (layer.weight.shape[1],) * groups})
    for group, (piece, written) in enumerate(zip(slices, parts, strict=True)):
        part = layer.part(group * out, (group + 1) * out)
        numbers = part.numbers(half=False)
        builder.add("Convolution", [piece], [written], _window(step, part), numbers)
    builder.add("Concat", parts, [node.output])


def _window(step: Step, layer: _Layer) -> dict[int, NcnnValue]:
    """Return the parameters of a convolution, but for its groups."""
    window = window_of(step.node, layer.weight.shape[2])
    parameters: dict[int, NcnnValue] = {0: len(layer.weight), 1: window.side}
    parameters |= {3: window.stride} if window.stride > 1 else {}
    parameters |= {4: window.side // 2} if step.padded else {}
    parameters |= {18: float(layer.padding_code)} if layer.padding_code else {}
    return parameters | {5: 1, 6: layer.weight.size, **layer.parameters}


def _layer(program: Program, forms: Forms, step: Step) -> _Layer:
    """Return a step's weights, bias and scales for the forms of its input and its output.

    With inputs held as ``v = sign * (x + offset)``, the sum of ``w * x`` is that of
    ``sign * w * v`` less ``offset`` times the sum of ``w``.
    """
    node = step.node
    weight, bias = program.constants[node.inputs[1]], _bias(program, step)
    read, written = forms.wanted(step), forms.of(node.output)
    in_int8 = forms.in_int8(step)
    factors = np.asarray(program.scales[node.inputs[1]] if in_int8 else 1.0, np.float64)
    sums = weight.reshape(len(weight), -1).astype(np.float64).sum(1) * factors
    held = written.sign * (bias - read.offset * sums + written.offset)
    sign = read.sign * written.sign
    parameters = _activation(step, program.params.get(node.output), forms)
    if not in_int8:
        return _Layer(weight * np.float32(sign), held, (), parameters)
    codes = (sign * weight.astype(np.int16)).clip(-_LARGEST_CODE, _LARGEST_CODE).astype(np.int8)
    params = program.params[node.inputs[0]]
    scales = [1 / factors, 1 / np.array([params.scale])]
    as_bytes = forms.passes_bytes(node.output)
    if as_bytes:
        scales.append(1 / np.array([program.params[node.output].scale]))
    mark = {8: _INT8_TO_BYTES if as_bytes else _INT8}
    padding_code = round(read.of(0.0) / params.scale) if step.padded else 0
    return _Layer(codes, held, tuple(scales), mark | parameters, padding_code)


def _bias(program: Program, step: Step) -> npt.NDArray[np.float64]:
    """Return a step's bias, ``(out,)``, in real numbers."""
    name = step.node.inputs[2]
    return program.constants[name] * np.asarray(program.scales.get(name, 1.0), np.float64)


def _activation(step: Step, params: QuantParams | None, forms: Forms) -> dict[int, NcnnValue]:
    """Return the parameters of a layer's activation, which also clips what is held to its bytes.

    Where bytes are clipped to when they are written or read, nothing else is needed.
    """
    written = forms.of(step.node.output)
    if params is None:
        if step.activation == "HardSwish":
            return {9: _ACTIVATIONS["HardSwish"], 10: HARD_SWISH}
        return {9: _ACTIVATIONS[step.activation]} if step.activation else {}
    low, high = (byte - params.zero_point for byte in (0, LARGEST_BYTE))
    relu = step.activation == "Relu"
    if forms.clips(step.node.output) and not (relu and low < 0):
        return {}
    ends = (written.of(end * params.scale) for end in (max(low, 0) if relu else low, high))
    return {9: _CLIP, 10: tuple(sorted(ends))}
