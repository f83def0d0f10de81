"""ShuffleNet V1, and what grew out of V2, in plain NumPy, float64; no code shared with src.

V1 is written from arXiv:1707.01083 and from the networks that publish weights for it; V2 with an
even-odd split, and ShuffleNetV2+, OneShot, DetNAS, Large and ExLarge, from
megvii-model/ShuffleNet-Series. All take weights by the names that this package gives them.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
Weights = Mapping[str, npt.NDArray[np.generic]]
Activation = Callable[[Array], Array]


def relu(x: Array) -> Array:
    return np.maximum(x, 0)


def hard_sigmoid(x: Array) -> Array:
    return np.clip(x + 3, 0, 6) / 6


def sigmoid(x: Array) -> Array:
    return np.asarray(1 / (1 + np.exp(-x)))


def hard_swish(x: Array) -> Array:
    return x * hard_sigmoid(x)


def _windows(x: Array, kernel: int, stride: int, fill: float = 0.0) -> list[tuple[int, int, Array]]:
    """Take from ``x`` what each place of a kernel sees, with ``kernel // 2`` of padding."""
    pad = kernel // 2
    height, width = ((side - 1) // stride + 1 for side in x.shape[2:])
    x = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)), constant_values=fill)
    return [
        (i, j, x[:, :, i : i + (height - 1) * stride + 1, j : j + (width - 1) * stride + 1])
        for i in range(kernel)
        for j in range(kernel)
    ]


def _conv(x: Array, weight: Array, stride: int = 1, groups: int = 1) -> Array:
    """Convolve ``(n, c, h, w)`` in groups of channels."""
    n, channels = x.shape[:2]
    outputs, inputs, kernel, _ = weight.shape
    assert channels == inputs * groups
    total: Array | float = 0.0
    for i, j, seen in _windows(x, kernel, stride):
        part = seen[:, :, ::stride, ::stride]
        height, width = part.shape[2:]
        if groups == channels == outputs:
            total = total + part * weight[:, 0, i, j][:, None, None]
        else:
            columns = part.reshape(n, groups, inputs, height * width)
            rows = weight[:, :, i, j].reshape(groups, outputs // groups, inputs)
            total = total + (rows @ columns).reshape(n, outputs, height, width)
    return np.asarray(total)


def _max_pool(x: Array) -> Array:
    seen = [places[:, :, ::2, ::2] for _, _, places in _windows(x, 3, 2, -np.inf)]
    return np.asarray(np.max(seen, axis=0))


def _mean_pool(x: Array, counts_padding: bool) -> Array:
    """Average 3x3 windows, stride 2, padding 1; by 9, or by how many are inside the image."""
    total = np.sum([seen[:, :, ::2, ::2] for _, _, seen in _windows(x, 3, 2)], axis=0)
    ones = np.ones_like(x[:1, :1])
    inside = np.sum([seen[:, :, ::2, ::2] for _, _, seen in _windows(ones, 3, 2)], axis=0)
    return np.asarray(total / (9.0 if counts_padding else inside))


class _Layers:
    """Weights by name, in float64."""

    eps = 1e-5  # of the batch norms

    def __init__(self, weights: Weights) -> None:
        self.weights = {key: np.asarray(value, np.float64) for key, value in weights.items()}

    def _conv(self, x: Array, name: str, stride: int = 1, groups: int = 1) -> Array:
        x = _conv(x, self.weights[f"{name}.weight"], stride, groups)
        return x + self.weights[f"{name}.bias"][:, None, None] if self._has(f"{name}.bias") else x

    def _norm(self, x: Array, name: str) -> Array:
        mean, var, gamma, beta = (
            self.weights[f"{name}.{part}"][:, None, None]
            for part in ("running_mean", "running_var", "weight", "bias")
        )
        return (x - mean) / np.sqrt(var + self.eps) * gamma + beta

    def _linear(self, x: Array, name: str) -> Array:
        x = x @ self.weights[f"{name}.weight"].T
        return x + self.weights[f"{name}.bias"] if self._has(f"{name}.bias") else x

    def _has(self, key: str) -> bool:
        return key in self.weights

    def _units(self, stage: int) -> list[str]:
        parts = (key.split(".") for key in self.weights if key.startswith(f"stage{stage}."))
        return [f"stage{stage}.{b}" for b in sorted({int(part[1]) for part in parts})]

    def _stem(self, images: npt.NDArray[np.generic], stride: int, act: Activation) -> Array:
        """Reduce by 1, by 2, or by 4 with a max pool."""
        x = self._conv(np.asarray(images, np.float64), "conv1.0", min(stride, 2))
        x = act(self._norm(x, "conv1.1"))
        return _max_pool(x) if stride == 4 else x


@dataclass(frozen=True)
class V1Order:
    """What the networks called ShuffleNet V1 do differently; the defaults are mmpretrain's."""

    groups: int
    inverse_shuffle: bool = False  # Megvii: channel k * m + j comes from j * groups + k
    first_grouped: bool = False  # whether the first 1x1 convolution of all has groups
    pool_first: bool = True  # a halving unit: (pooled, convolved), or the other way round
    pool_counts_padding: bool = True
    stem_stride: int = 4


class ReferenceV1(_Layers):
    """ShuffleNet V1, the shuffle after the depthwise convolution."""

    def __init__(self, weights: Weights, order: V1Order) -> None:
        super().__init__(weights)
        self.order = order

    def _shuffle(self, x: Array) -> Array:
        n, channels, height, width = x.shape
        rows = self.order.groups
        if self.order.inverse_shuffle:
            rows = channels // rows
        x = x.reshape(n, rows, channels // rows, height, width)
        return x.swapaxes(1, 2).reshape(n, channels, height, width)

    def _unit(self, x: Array, unit: str) -> Array:
        halves = unit.endswith(".0")
        plain = unit == "stage2.0" and not self.order.first_grouped
        y = self._conv(x, f"{unit}.pw1.0", groups=1 if plain else self.order.groups)
        y = relu(self._norm(y, f"{unit}.pw1.1"))
        y = self._conv(y, f"{unit}.dw.0", 2 if halves else 1, groups=y.shape[1])
        y = self._shuffle(self._norm(y, f"{unit}.dw.1"))
        y = self._norm(self._conv(y, f"{unit}.pw2.0", groups=self.order.groups), f"{unit}.pw2.1")
        if not halves:
            return relu(x + y)
        pooled = _mean_pool(x, self.order.pool_counts_padding)
        parts = (pooled, y) if self.order.pool_first else (y, pooled)
        return relu(np.concatenate(parts, axis=1))

    def __call__(self, images: npt.NDArray[np.generic]) -> Array:
        x = self._stem(images, self.order.stem_stride, relu)
        for stage in (2, 3, 4):
            for unit in self._units(stage):
                x = self._unit(x, unit)
        return self._linear(x.mean(axis=(2, 3)), "fc")


class ReferenceEvenOdd(_Layers):
    """Units that split into even and odd channels, of four kinds, with squeezes where there are.

    ``activations`` has one function for the stem, one for each stage and one for what follows.
    Depthwise convolutions are recognised by their weights, squeezes and necks by their names;
    ``squeezed`` names the stages whose units squeeze, and is checked against the weights.
    """

    def __init__(
        self,
        weights: Weights,
        stages: tuple[int, ...],
        activations: tuple[Activation, ...],
        squeezed: tuple[int, ...] = (),
        stem_stride: int = 2,
    ) -> None:
        super().__init__(weights)
        self.stages, self.activations = stages, activations
        self.squeezed, self.stem_stride = squeezed, stem_stride

    def _squeeze(self, x: Array, name: str) -> Array:
        y = relu(
            self._norm(self._conv(x.mean(axis=(2, 3), keepdims=True), f"{name}.0"), f"{name}.1")
        )
        return x * hard_sigmoid(self._conv(y, f"{name}.3"))

    def _branch(self, x: Array, name: str, stride: int, act: Activation) -> Array:
        """Apply convolutions and norms in their order; an activation has a number and no weights.

        The first depthwise convolution of the branch has the stride.
        """
        at = 0
        while self._has(f"{name}.{at}.weight"):
            weight = self.weights[f"{name}.{at}.weight"]
            depthwise = weight.shape[1] == 1 and weight.shape[2] > 1
            x = self._conv(x, f"{name}.{at}", *((stride, x.shape[1]) if depthwise else ()))
            x = self._norm(x, f"{name}.{at + 1}")
            stride = 1 if depthwise else stride
            at += 2
            if not depthwise:
                x = act(x)
                at += 1
        return x

    def _unit(self, x: Array, unit: str, stage: int, act: Activation) -> Array:
        if unit.endswith(".0"):
            kept = self._branch(x, f"{unit}.branch1", 2, act)
            y = self._branch(x, f"{unit}.branch2", 2, act)
        else:
            kept, y = x[:, 0::2], self._branch(x[:, 1::2], f"{unit}.branch2", 1, act)
        squeezes = [at for at in (8, 15) if self._has(f"{unit}.branch2.{at}.squeeze.0.weight")]
        assert len(squeezes) == (stage in self.squeezed)
        for at in squeezes:
            y = self._squeeze(y, f"{unit}.branch2.{at}.squeeze")
        return np.concatenate([kept, y], axis=1)

    def __call__(self, images: npt.NDArray[np.generic]) -> Array:
        first, *middle, last = self.activations
        x = self._stem(images, self.stem_stride, first)
        for stage, act in zip(self.stages, middle, strict=True):
            for unit in self._units(stage):
                x = self._unit(x, unit, stage, act)
        x = last(self._norm(self._conv(x, "conv5.0"), "conv5.1"))
        x = x.mean(axis=(2, 3), keepdims=True)
        if self._has("neck.squeeze.0.weight"):
            x = self._squeeze(x, "neck.squeeze")
        x = x[:, :, 0, 0]
        if self._has("neck.hidden.weight"):
            x = last(self._linear(x, "neck.hidden"))
        return self._linear(x, "fc")


class _ReferenceWide(_Layers):
    """What Large and ExLarge have in common; stage 2 keeps the size, the others halve it."""

    groups: int  # of a branch's first 3x3 convolution

    def _conv_norm(
        self, x: Array, name: str, at: int = 0, stride: int = 1, groups: int = 1
    ) -> Array:
        return self._norm(self._conv(x, f"{name}.{at}", stride, groups), f"{name}.{at + 1}")

    def _stem_of_three(self, images: npt.NDArray[np.generic]) -> Array:
        x = relu(self._conv_norm(np.asarray(images, np.float64), "conv1", 0, 2))
        x = relu(self._conv_norm(x, "conv1", 3))
        return _max_pool(relu(self._conv_norm(x, "conv1", 6)))

    def _squeeze(self, x: Array, name: str) -> Array:
        y = relu(self._conv(x.mean(axis=(2, 3), keepdims=True), f"{name}.squeeze.0"))
        return x * sigmoid(self._conv(y, f"{name}.squeeze.2"))


class ReferenceLarge(_ReferenceWide):
    """ShuffleNet V2 Large."""

    eps = 1e-9
    groups = 8

    def _branch(self, x: Array, name: str, stride: int) -> Array:
        x = relu(self._conv_norm(x, name, 0))
        x = relu(self._conv_norm(x, name, 3, stride, self.groups))
        return self._squeeze(self._conv_norm(x, name, 6), f"{name}.8")

    def _unit(self, x: Array, unit: str, stride: int) -> Array:
        even, odd = x[:, 0::2], x[:, 1::2]
        y = self._branch(odd, f"{unit}.branch2", stride)
        if unit.endswith(".0"):
            even = self._conv_norm(even, f"{unit}.branch1", 0, stride)
        else:
            y = odd + y
        x = relu(np.concatenate([even, y], axis=1))
        return relu(self._conv_norm(x, f"{unit}.down")) if stride == 2 else x

    def __call__(self, images: npt.NDArray[np.generic]) -> Array:
        x = self._stem_of_three(images)
        for stage in (2, 3, 4, 5):
            for unit in self._units(stage):
                x = self._unit(x, unit, 2 if stage > 2 and unit.endswith(".0") else 1)
        x = relu(self._conv_norm(x, "conv5"))
        return self._linear(x.mean(axis=(2, 3)), "fc")


class ReferenceExLarge(_ReferenceWide):
    """ShuffleNet V2 ExLarge."""

    groups = 16

    def _branch(self, x: Array, name: str, stride: int) -> Array:
        x = relu(self._conv_norm(x, name, 0))
        x = relu(self._conv_norm(x, name, 3, stride, self.groups))
        x = self._conv_norm(x, name, 6, groups=x.shape[1])
        return self._squeeze(self._conv_norm(x, name, 8), f"{name}.10")

    def _opening_unit(self, x: Array, unit: str, stride: int) -> Array:
        kept = relu(self._conv_norm(x, f"{unit}.branch1", 0, stride))
        return np.concatenate([kept, self._branch(x, f"{unit}.branch2", stride)], axis=1)

    def _unit(self, x: Array, unit: str) -> Array:
        even, odd = x[:, 0::2], x[:, 1::2]
        return np.concatenate([even, relu(odd + self._branch(odd, f"{unit}.branch2", 1))], axis=1)

    def __call__(self, images: npt.NDArray[np.generic]) -> Array:
        x = self._stem_of_three(images)
        for stage in (2, 3, 4, 5):
            opening, *units, closing = self._units(stage)
            x = self._opening_unit(x, opening, 2 if stage > 2 else 1)
            for unit in units:
                x = self._unit(x, unit)
            x = relu(self._conv_norm(x, closing))
        return self._linear(x.mean(axis=(2, 3)), "fc")
