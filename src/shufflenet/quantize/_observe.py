"""The ranges and covariances of a float network's tensors on real images."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from onnx import helper

from shufflenet.errors import NumbersTooFarApart
from shufflenet.graph import WeightedLayer
from shufflenet.quantize._float_graph import FloatGraph, Floats, to_model
from shufflenet.quantize._session import Feed, Pixels, Progress, open_session, split_batches

__all__ = ["Moments", "Ranges", "observe_moments", "observe_ranges"]

_BATCH = 10  # images, whose tensors are in memory at the same time: 10 MB each at 224 px
_SUM_ERROR = 1e-5  # relative error of float32 sums, a generous bound
_LARGEST = 1e30  # values beyond it have no scale that float32 multiplies safely
_SQUARED = 1e15  # values up to it have squares whose sums float32 holds
_RARE = 1e-4  # the share of a channel's values that is cut off at either end: a pixel in 10,000


@dataclass(frozen=True, slots=True)
class Ranges:
    """The range of each numbered channel without its rarest values, ``(channels,)`` each."""

    low: Floats
    high: Floats


@dataclass(frozen=True, slots=True)
class Moments:
    """The mean and the covariance of the inputs that the weights of a layer multiply.

    Attributes:
        mean: ``(groups, inputs)``.
        covariance: ``(groups, inputs, inputs)``.
    """

    mean: Floats
    covariance: Floats


def observe_ranges(graph: FloatGraph, images: Pixels, feed: Feed, on_progress: Progress) -> Ranges:
    """Return the range of each channel, without one value in 10,000 at either end.

    Args:
        graph: The network.
        images: Pixels, ``(n, h, w, c)``.
        feed: Converts images to the input of the network.
        on_progress: Called with the number of images computed since the last call.

    Raises:
        NumbersTooFarApart: a tensor holds infinities, NaN or values beyond 1e30.
    """
    extremes = {layer.output: _Extremes() for layer in graph.layers}
    for tensors in _run_observed(graph, list(extremes), images, feed, on_progress):
        for name, extreme in extremes.items():
            extreme.add(_by_channel(tensors[name]), parts=len(images) / len(tensors[name]))
    low, high = (np.zeros(len(graph.channels.scalable)) for _ in range(2))
    for name, extreme in extremes.items():
        numbers = graph.channels.of[name]
        low[numbers], high[numbers] = extreme.low, extreme.high
    return Ranges(low, high)


class _Extremes:
    """The greatest and the least values of each channel seen so far, ``(channels, k)``."""

    def __init__(self) -> None:
        self._greatest: npt.NDArray[np.float32] | None = None
        self._least: npt.NDArray[np.float32] | None = None
        self._count = 0

    def add(self, values: npt.NDArray[np.float32], parts: float) -> None:
        """Add values ``(channels, n)``, of which there will be ``parts`` times as many in all."""
        self._count = self._count or 1 + int(_RARE * parts * values.shape[1])
        self._greatest = _greatest(self._greatest, values, self._count)
        self._least = _greatest(self._least, -values, self._count)

    @property
    def high(self) -> Floats:
        """The greatest values without the rare ones, ``(channels,)``."""
        high: Floats = np.asarray(self._greatest, np.float64).min(1)
        return high

    @property
    def low(self) -> Floats:
        """The least values without the rare ones, ``(channels,)``."""
        low: Floats = -np.asarray(self._least, np.float64).min(1)
        return low


def _greatest(
    before: npt.NDArray[np.float32] | None, values: npt.NDArray[np.float32], count: int
) -> npt.NDArray[np.float32]:
    merged = values if before is None else np.concatenate((before, values), axis=1)
    if merged.shape[1] <= count:
        return merged
    return np.partition(merged, -count, axis=1)[:, -count:]


def observe_moments(
    graph: FloatGraph, images: Pixels, feed: Feed, on_progress: Progress
) -> dict[str, Moments]:
    """Return the mean and the covariance of each layer's inputs, by the name of its weights.

    Args:
        graph: The network.
        images: Pixels, ``(n, h, w, c)``.
        feed: Converts images to the input of the network.
        on_progress: Called with the number of images computed since the last call.
    """
    names = sorted({layer.input for layer in graph.layers})
    sums: dict[str, tuple[Floats, Floats, int]] = {}
    for tensors in _run_observed(graph, names, images, feed, on_progress):
        for layer in graph.layers:
            tensor = tensors[layer.input]
            if np.abs(tensor).max() > _SQUARED:
                tensor = tensor.astype(np.float64)
            inputs = _inputs(tensor, graph.weights[layer.weight], layer)
            first, second, count = sums.get(layer.weight, (0.0, 0.0, 0))
            sums[layer.weight] = (
                first + inputs.sum(2, dtype=np.float64),
                second + (inputs @ inputs.transpose(0, 2, 1)).astype(np.float64),
                count + inputs.shape[2],
            )
    moments = {}
    for name, (first, second, count) in sums.items():
        mean = first / count
        covariance = second / count - mean[:, :, None] * mean[:, None, :]
        moments[name] = Moments(mean, _shrink(covariance, second / count, count))
    return moments


def _shrink(covariance: Floats, square: Floats, count: int) -> Floats:
    """Reduce covariances ``(groups, inputs, inputs)`` the more, the fewer samples there are.

    Elements off the diagonal are multiplied by ``count / (count + inputs)``, because otherwise
    weights would be fitted to the calibration images alone. The rounding error of the float32 sums
    is added on the diagonal, because otherwise inputs that hardly vary would have no inverse.
    """
    inputs = covariance.shape[1]
    diagonal = np.eye(inputs)
    rounding = _SUM_ERROR * np.einsum("gii->g", square) / inputs
    factors = diagonal + (1 - diagonal) * count / (count + inputs)
    shrunk: Floats = covariance * factors + rounding[:, None, None] * diagonal
    return shrunk


def _inputs(
    tensor: npt.NDArray[np.floating], weight: Floats, layer: WeightedLayer
) -> npt.NDArray[np.floating]:
    """Return the inputs of each output, ``(groups, in / groups * kh * kw, outputs)``."""
    tensor = tensor.reshape(tensor.shape + (1,) * (4 - tensor.ndim))
    top, left, bottom, right = layer.pads
    padded = np.pad(tensor, ((0, 0), (0, 0), (top, bottom), (left, right)))
    down, across = layer.strides
    windows = np.lib.stride_tricks.sliding_window_view(padded, weight.shape[2:], axis=(2, 3))
    taps = windows[:, :, ::down, ::across].transpose(1, 4, 5, 0, 2, 3)
    return taps.reshape(layer.groups, int(np.prod(weight.shape[1:])), -1)


def _run_observed(
    graph: FloatGraph, names: Sequence[str], images: Pixels, feed: Feed, on_progress: Progress
) -> Iterator[dict[str, npt.NDArray[np.float32]]]:
    """Run images through a network and yield the named tensors batch by batch.

    Raises:
        NumbersTooFarApart: a tensor holds infinities, NaN or values beyond 1e30.
    """
    model = to_model(graph)
    known = {graph.input} | {output.name for output in model.graph.output}
    inner = [name for name in names if name not in known]
    model.graph.output.extend(helper.make_empty_tensor_value_info(name) for name in inner)
    session = open_session(model)
    wanted = [name for name in names if name != graph.input]
    for part in split_batches(images, _BATCH):
        batch = feed(part)
        tensors = dict(zip(wanted, session.run(wanted, {graph.input: batch}), strict=True))
        for name, tensor in tensors.items():
            if not (np.abs(tensor) <= _LARGEST).all():
                raise NumbersTooFarApart(graph.source, name)
        yield {**tensors, graph.input: np.asarray(batch, np.float32)}
        on_progress(len(part))


def _by_channel(tensor: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Return a tensor ``(n, channels, ...)`` as ``(channels, values)``."""
    return np.moveaxis(tensor, 1, 0).reshape(tensor.shape[1], -1)
