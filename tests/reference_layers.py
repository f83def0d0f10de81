"""The layers of ``graph`` computed by NumPy, one after another over whole maps, and random ones."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from shufflenet.graph import (
    ChannelSlice,
    Convolution,
    Layer,
    Linear,
    MaxPool,
    Mean,
    Network,
    QuantParams,
    Weights,
)

Map = npt.NDArray[Any]


def reference_logits(network: Network, image: npt.NDArray[np.float32]) -> Map:
    """Compute the logits, ``(classes,)``, of ``(channels, height, width)``; int8 exactly."""
    params = network.input_params
    values: Map = image.astype(float)
    if params:
        values = np.rint(values / params.scale + params.zero_point).clip(0, 255)
    tensors: dict[str, Map] = {"images": values}
    for layer in network.layers:
        result = _compute(layer, tensors)
        tensors[layer.output] = np.rint(result).clip(0, 255) if params else result
    last = network.classifier
    features = tensors[network.layers[-1].output][:, 0, 0]
    sums = last.weight.astype(float) @ features
    return sums * (1 if last.scale is None else last.scale) + last.bias


def _gathered(slices: Sequence[ChannelSlice], tensors: dict[str, Map]) -> Map:
    parts = [tensors[part.tensor][part.first : part.first + part.channels] for part in slices]
    return np.concatenate(parts)


def _compute(layer: Layer, tensors: dict[str, Map]) -> Map:
    source = _gathered(layer.inputs, tensors)
    match layer:
        case Convolution():
            result = _convolution(layer, source)
            if layer.residual:
                result = result.clip(*layer.limits)
                result = result + layer.residual_scale * _gathered(layer.residual, tensors)
            result = np.rint(result) if layer.scale is not None else result
            limited: Map = result.clip(layer.floor, layer.ceiling)
            return limited
        case MaxPool():
            largest: Map = _windows(source, 3, 2, layer.padding_value).max((-2, -1))
            return largest
        case Mean():
            mean: Map = source.mean((1, 2), keepdims=True) * layer.scale + layer.bias
            return mean
        case _:
            raise AssertionError(f"{type(layer).__name__} is computed elsewhere")


def _convolution(layer: Convolution, source: Map) -> Map:
    windows = _windows(source, layer.kernel, layer.stride, layer.padding_value)
    outputs = [
        np.einsum("cyxij,ocij->oyx", part, weight.astype(float))
        for part, weight in zip(
            np.split(windows, layer.groups), np.split(layer.weight, layer.groups), strict=True
        )
    ]
    scale = 1 if layer.scale is None else layer.scale[:, None, None]
    return np.concatenate(outputs) * scale + layer.bias[:, None, None]


def _windows(source: Map, kernel: int, stride: int, padding_value: float) -> Map:
    border = kernel // 2
    edges = [(0, 0), (border, border), (border, border)]
    padded = np.pad(source, edges, constant_values=padding_value)
    windows = np.lib.stride_tricks.sliding_window_view(padded, (kernel, kernel), (1, 2))
    return windows[:, ::stride, ::stride]


class _Draw:
    """Layers of random shapes and weights, of float32 or int8."""

    def __init__(self, seed: int, *, int8: bool) -> None:
        self.layers: list[Layer] = []
        self._rng = np.random.default_rng(seed)
        self._int8 = int8

    def number(self, low: int, high: int) -> int:
        return int(self._rng.integers(low, high + 1))

    def convolution(
        self,
        inputs: Sequence[ChannelSlice],
        shape: tuple[int, int, int],
        stride: int = 1,
        residual: Sequence[ChannelSlice] = (),
    ) -> ChannelSlice:
        """Add a convolution of ``shape`` (out, in of a group, kernel); return its output."""
        channels, read, kernel = shape
        weights = (channels, read, kernel, kernel)
        deviation = 1 / np.sqrt(read * kernel**2)
        weight: Weights = self._rng.normal(0, deviation, weights).astype(np.float32)
        scale = None
        if self._int8:
            weight = self._rng.integers(-30, 31, weights).astype(np.int8)
            scale = np.full(channels, deviation / 30, np.float32)
        total = sum(part.channels for part in inputs)
        name = f"conv{len(self.layers)}"
        self.layers.append(
            Convolution(
                output=name,
                inputs=tuple(inputs),
                weight=weight,
                bias=self._rng.normal(0, 20 if self._int8 else 0.1, channels).astype(np.float32),
                stride=stride,
                groups=total // read,
                residual=tuple(residual),
                floor=0.0,
                ceiling=255.0 if self._int8 else np.inf,
                scale=scale,
                residual_scale=0.5 if self._int8 and residual else 1.0,
                limits=(0.0, 255.0) if self._int8 else (-np.inf, np.inf),
            )
        )
        return ChannelSlice(name, 0, channels)

    def unit(self, slices: list[ChannelSlice], stride: int) -> list[ChannelSlice]:
        """Add a unit as V2 has them: one half stays or is strided, the other is transformed."""
        channels = sum(part.channels for part in slices)
        half = self.number(1, channels - 1)
        left, right = _split(slices, half)
        kernel = 2 * self.number(1, 3) + 1
        middle = self.number(2, 40)
        one = self.convolution(right, (middle, channels - half, 1))
        two = self.convolution([one], (middle, 1, kernel), stride)
        three = self.convolution([two], (self.number(1, 50), middle, 1))
        if stride == 1:
            return [*left, three]
        narrow = self.convolution(left, (self.number(2, 9), half, 1))
        other = self.convolution([narrow], (narrow.channels, 1, 3), stride)
        return [self.convolution([other], (self.number(1, 20), narrow.channels, 1)), three]

    def classifier(self, inputs: int, classes: int) -> Linear:
        weight: Weights = self._rng.normal(0, 0.1, (classes, inputs)).astype(np.float32)
        if self._int8:
            weight = self._rng.integers(-30, 31, (classes, inputs)).astype(np.int8)
        return Linear(
            output="logits",
            inputs=(),
            weight=weight,
            bias=self._rng.normal(0, 1, classes).astype(np.float32),
            scale=np.full(classes, 1e-3, np.float32) if self._int8 else None,
        )


def random_network(seed: int, *, int8: bool = False) -> Network:
    """A stem, a max pool, units of strides 1, 2 and 1, a residual, a mean and a classifier."""
    draw = _Draw(seed, int8=int8)
    stem = draw.convolution([ChannelSlice("images", 0, 3)], (draw.number(4, 30), 3, 3), 2)
    padding = 0.0 if int8 else -np.inf
    draw.layers.append(MaxPool(output="pool", inputs=(stem,), padding_value=padding))
    slices = [ChannelSlice("pool", 0, stem.channels)]
    for stride in (1, 2, 1):
        slices = draw.unit(slices, stride)
    channels = sum(part.channels for part in slices)
    last = draw.convolution(slices, (channels, channels, 1), residual=slices)
    draw.layers.append(Mean(output="mean", inputs=(last,)))
    params = QuantParams(0.02, 114) if int8 else None
    return Network(draw.layers, draw.classifier(channels, draw.number(1, 300)), params)


def _split(
    slices: Sequence[ChannelSlice], at: int
) -> tuple[list[ChannelSlice], list[ChannelSlice]]:
    left: list[ChannelSlice] = []
    right: list[ChannelSlice] = []
    for part in slices:
        taken = min(at, part.channels)
        at -= taken
        if taken:
            left.append(ChannelSlice(part.tensor, part.first, taken))
        if taken < part.channels:
            rest = part.channels - taken
            right.append(ChannelSlice(part.tensor, part.first + taken, rest))
    return left, right
