"""What a float network's tensors hold when it sees real images."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime
from onnx import helper

from shufflenet.quantize._graph import Floats, Graph, Layer, as_model

__all__ = ["Moments", "Progress", "Spans", "batches", "moments_of", "open_session", "spans_of"]

Pixels = npt.NDArray[np.uint8]
Images = npt.NDArray[np.float32] | npt.NDArray[np.uint8]
Progress = Callable[[int], None]

_BATCH = 10  # images whose tensors are all held at once: 10 MB each at 224 px
_SUM_ERROR = 1e-5  # of float32 sums, generously
_RARE = 1e-4  # of a channel's values, so many are cut off: what one pixel in 10,000 holds


@dataclass(frozen=True, slots=True)
class Spans:
    """The range of each numbered channel but for its rarest values, ``(channels,)`` each."""

    low: Floats
    high: Floats


@dataclass(frozen=True, slots=True)
class Moments:
    """Of the inputs that a layer's weights are multiplied with.

    Attributes:
        mean: ``(groups, inputs)``.
        covariance: ``(groups, inputs, inputs)``.
    """

    mean: Floats
    covariance: Floats


def open_session(model: onnx.ModelProto, *, optimised: bool = True) -> onnxruntime.InferenceSession:
    """Open a model on one thread; unoptimised, int8 is computed step by step in float32."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    if not optimised:
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    return onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )


def batches(images: Pixels, size: int = _BATCH) -> Iterator[Pixels]:
    """Cut ``(n, h, w, 3)`` into parts of ``size`` images."""
    return (images[start : start + size] for start in range(0, len(images), size))


def spans_of(
    graph: Graph, images: Pixels, feed: Callable[[Pixels], Images], on_progress: Progress
) -> Spans:
    """Find between which values each channel lies, but for one in 10,000 at either end."""
    ends = {layer.makes: _Ends() for layer in graph.layers}
    for tensors in _observed(graph, list(ends), images, feed, on_progress):
        for name, end in ends.items():
            end.add(_by_channel(tensors[name]), parts=len(images) / len(tensors[name]))
    low, high = (np.zeros(len(graph.channels.scalable)) for _ in range(2))
    for name, end in ends.items():
        low[graph.channels.of[name]], high[graph.channels.of[name]] = end.low, end.high
    return Spans(low, high)


class _Ends:
    """The greatest and the least values of each channel seen so far, ``(channels, k)``."""

    def __init__(self) -> None:
        self._greatest: npt.NDArray[np.float32] | None = None
        self._least: npt.NDArray[np.float32] | None = None
        self._count = 0

    def add(self, values: npt.NDArray[np.float32], parts: float) -> None:
        """Take ``(channels, n)`` values in, of which there will be ``parts`` times as many."""
        self._count = self._count or 1 + int(_RARE * parts * values.shape[1])
        self._greatest = _greatest(self._greatest, values, self._count)
        self._least = _greatest(self._least, -values, self._count)

    @property
    def high(self) -> Floats:
        high: Floats = np.asarray(self._greatest, np.float64).min(1)
        return high

    @property
    def low(self) -> Floats:
        low: Floats = -np.asarray(self._least, np.float64).min(1)
        return low


def _greatest(
    before: npt.NDArray[np.float32] | None, values: npt.NDArray[np.float32], count: int
) -> npt.NDArray[np.float32]:
    merged = values if before is None else np.concatenate((before, values), axis=1)
    if merged.shape[1] <= count:
        return merged
    return np.partition(merged, -count, axis=1)[:, -count:]


def moments_of(
    graph: Graph, images: Pixels, feed: Callable[[Pixels], Images], on_progress: Progress
) -> dict[str, Moments]:
    """Find the mean and the covariance of what each layer reads, by the name of its weights."""
    read = sorted({layer.reads for layer in graph.layers})
    sums: dict[str, tuple[Floats, Floats, int]] = {}
    for tensors in _observed(graph, read, images, feed, on_progress):
        for layer in graph.layers:
            inputs = _inputs(tensors[layer.reads], graph.weights[layer.weight], layer)
            first, second, count = sums.get(layer.weight, (0.0, 0.0, 0))
            sums[layer.weight] = (
                first + inputs.sum(2, dtype=np.float64),
                second + (inputs @ inputs.transpose(0, 2, 1)).astype(np.float64),
                count + inputs.shape[2],
            )
    found = {}
    for name, (first, second, count) in sums.items():
        mean = first / count
        covariance = second / count - mean[:, :, None] * mean[:, None, :]
        found[name] = Moments(mean, _shrunk(covariance, second / count, count))
    return found


def _shrunk(covariance: Floats, square: Floats, count: int) -> Floats:
    """Believe covariances of ``count`` samples less, the fewer there are for each input.

    What lies off the diagonal is multiplied by ``count / (count + inputs)``, or weights would be
    fitted to the very images that were seen. What float32 sums round away is added on it, or what
    hardly varies would have no inverse.
    """
    inputs = covariance.shape[1]
    diagonal = np.eye(inputs)
    rounding = _SUM_ERROR * np.einsum("gii->g", square) / inputs
    kept = diagonal + (1 - diagonal) * count / (count + inputs)
    shrunk: Floats = covariance * kept + rounding[:, None, None] * diagonal
    return shrunk


def _inputs(
    tensor: npt.NDArray[np.float32], weight: Floats, layer: Layer
) -> npt.NDArray[np.float32]:
    """Lay out what each output is computed from, ``(groups, in / groups * kh * kw, outputs)``."""
    tensor = tensor.reshape(tensor.shape + (1,) * (4 - tensor.ndim))
    top, left, bottom, right = layer.pads
    padded = np.pad(tensor, ((0, 0), (0, 0), (top, bottom), (left, right)))
    down, across = layer.strides
    taps = np.lib.stride_tricks.sliding_window_view(padded, weight.shape[2:], axis=(2, 3))
    taken = taps[:, :, ::down, ::across].transpose(1, 4, 5, 0, 2, 3)
    return taken.reshape(layer.groups, int(np.prod(weight.shape[1:])), -1)


def _observed(
    graph: Graph,
    names: Sequence[str],
    images: Pixels,
    feed: Callable[[Pixels], Images],
    on_progress: Progress,
) -> Iterator[dict[str, npt.NDArray[np.float32]]]:
    """Run images through the network and give the tensors of those names, batch by batch."""
    model = as_model(graph)
    given = {graph.input} | {output.name for output in model.graph.output}
    inner = [name for name in names if name not in given]
    model.graph.output.extend(helper.make_empty_tensor_value_info(name) for name in inner)
    session = open_session(model)
    wanted = [name for name in names if name != graph.input]
    for part in batches(images):
        fed = feed(part)
        tensors = dict(zip(wanted, session.run(wanted, {graph.input: fed}), strict=True))
        yield {**tensors, graph.input: np.asarray(fed, np.float32)}
        on_progress(len(part))


def _by_channel(tensor: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Lay out ``(n, channels, ...)`` as ``(channels, values)``."""
    return np.moveaxis(tensor, 1, 0).reshape(tensor.shape[1], -1)
