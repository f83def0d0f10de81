"""ShuffleNet V2 in plain NumPy, float64, written from the paper; it shares no code with src."""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]


def _conv(x: Array, weight: Array, stride: int) -> Array:
    """Convolve ``(n, c, h, w)``; depthwise where the weight has one input channel."""
    kernel = weight.shape[2]
    pad = kernel // 2
    x = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    windows = np.lib.stride_tricks.sliding_window_view(x, (kernel, kernel), axis=(2, 3))
    windows = windows[:, :, ::stride, ::stride]
    if weight.shape[1] == 1 and weight.shape[0] == x.shape[1]:
        return np.asarray(np.einsum("nchwij,cij->nchw", windows, weight[:, 0]))
    return np.asarray(np.einsum("nchwij,ocij->nohw", windows, weight, optimize=True))


class Reference:
    """A network given by torchvision's keys."""

    def __init__(self, weights: Mapping[str, npt.NDArray[np.generic]], swish: bool = False) -> None:
        self.weights = {key: np.asarray(value, np.float64) for key, value in weights.items()}
        self.swish = swish

    def _layer(self, x: Array, conv: str, norm: str, stride: int = 1, act: bool = True) -> Array:
        x = _conv(x, self.weights[f"{conv}.weight"], stride)
        mean, var, gamma, beta = (
            self.weights[f"{norm}.{part}"][:, None, None]
            for part in ("running_mean", "running_var", "weight", "bias")
        )
        x = (x - mean) / np.sqrt(var + 1e-5) * gamma + beta
        if not act:
            return x
        return x / (1 + np.exp(-np.maximum(x, -700))) if self.swish else np.maximum(x, 0)

    def _branch2(self, x: Array, unit: str, stride: int) -> Array:
        name = f"{unit}.branch2"
        x = self._layer(x, f"{name}.0", f"{name}.1")
        x = self._layer(x, f"{name}.3", f"{name}.4", stride, act=False)
        return self._layer(x, f"{name}.5", f"{name}.6")

    def _unit(self, x: Array, unit: str, opens: bool, stride: int) -> Array:
        if opens:
            name = f"{unit}.branch1"
            left = self._layer(x, f"{name}.0", f"{name}.1", stride, act=False)
            left = self._layer(left, f"{name}.2", f"{name}.3")
            right = self._branch2(x, unit, stride)
        else:
            middle = x.shape[1] // 2
            left, right = x[:, :middle], self._branch2(x[:, middle:], unit, stride=1)
        mixed = np.empty((x.shape[0], left.shape[1] * 2, *left.shape[2:]))
        mixed[:, 0::2], mixed[:, 1::2] = left, right
        return mixed

    def __call__(
        self, images: npt.NDArray[np.generic], stem_stride: int = 4, first_stride: int = 2
    ) -> Array:
        x = self._layer(np.asarray(images, np.float64), "conv1.0", "conv1.1", min(stem_stride, 2))
        if stem_stride == 4:
            x = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)), constant_values=-np.inf)
            windows = np.lib.stride_tricks.sliding_window_view(x, (3, 3), axis=(2, 3))
            x = windows[:, :, ::2, ::2].max(axis=(4, 5))
        units = {key.rsplit(".branch", 1)[0] for key in self.weights if ".branch" in key}
        for unit in sorted(units, key=lambda name: (name[:6], int(name[7:]))):
            stride = first_stride if unit.startswith("stage2") else 2
            x = self._unit(x, unit, f"{unit}.branch1.0.weight" in self.weights, stride)
        x = self._layer(x, "conv5.0", "conv5.1").mean(axis=(2, 3))
        return np.asarray(x @ self.weights["fc.weight"].T + self.weights["fc.bias"])
