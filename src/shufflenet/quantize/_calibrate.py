"""The range of values that the bytes of each tensor stand for."""

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from onnx import save
from onnxruntime.quantization import CalibrationMethod
from onnxruntime.quantization.calibrate import TensorData, TensorsData, create_calibrator

from shufflenet.quantize._bound_histograms import bound_histograms
from shufflenet.quantize._float_graph import FloatGraph, to_model
from shufflenet.quantize._options import Calibrator
from shufflenet.quantize._session import Feed, Images, Pixels, Progress, split_batches

__all__ = ["calibrate"]

_METHODS: dict[Calibrator, CalibrationMethod] = {
    "minmax": CalibrationMethod.MinMax,
    "percentile": CalibrationMethod.Percentile,
    "entropy": CalibrationMethod.Entropy,
}
_PERCENTILE = 99.997
_BATCH = 10  # images
_SHARING = ("Split", "Concat", "MaxPool", "Reshape", "Transpose", "Flatten")


def calibrate(
    graph: FloatGraph, images: Pixels, feed: Feed, calibrator: Calibrator, on_progress: Progress
) -> TensorsData:
    """Return the range of every tensor, chosen by one of ONNX Runtime's calibrators.

    Tensors that Split, Concat and pooling only pass on get one range, so that no value is quantized
    twice between the layer that computes it and the layers that read it. The range of the input
    reaches from a black to a white image of the type that images have.

    Args:
        graph: The network.
        images: Pixels, ``(n, h, w, c)``.
        feed: Converts images to the input of the network.
        calibrator: The method.
        on_progress: Called with the number of images computed since the last call.
    """
    # The calibrators open files only, and print to stdout.
    with tempfile.TemporaryDirectory(prefix="shufflenet-") as folder, _no_stdout():
        model, outputs = Path(folder) / "float.onnx", Path(folder) / "outputs.onnx"
        save(to_model(graph), model)
        options = {"percentile": _PERCENTILE, "symmetric": False}
        method = _METHODS[calibrator]
        collector = create_calibrator(model, None, str(outputs), method, extra_options=options)
        if method is not CalibrationMethod.MinMax:
            bound_histograms(collector)
        for part in split_batches(images, _BATCH):
            collector.collect_data(_OneBatch({graph.input: np.asarray(feed(part), np.float32)}))
            on_progress(len(part))
        ranges: TensorsData = collector.compute_data()
    _tie_ranges(graph, ranges)
    black = np.zeros_like(images[:1])
    inputs = feed(np.concatenate([black, ~black]))  # all bits of white are set
    ranges.data[graph.input] = TensorData(
        lowest=np.float32(inputs.min()), highest=np.float32(inputs.max())
    )
    return ranges


class _OneBatch:
    """One batch, in the form in which ONNX Runtime's calibrators read data."""

    def __init__(self, inputs: dict[str, Images]) -> None:
        self._inputs: dict[str, Images] | None = inputs

    def get_next(self) -> dict[str, Images] | None:
        """Return the batch at the first call, and None afterwards."""
        inputs, self._inputs = self._inputs, None
        return inputs


def _tie_ranges(graph: FloatGraph, ranges: TensorsData) -> None:
    """Widen the ranges of tensors that share values to the same range, which contains 0."""
    for names in _tied(graph, set(ranges.data)):
        low, high = zip(*(_ends(ranges.data[name]) for name in names), strict=True)
        shared = TensorData(lowest=np.float32(min(0.0, *low)), highest=np.float32(max(1e-6, *high)))
        ranges.data.update(dict.fromkeys(names, shared))


def _ends(data: TensorData) -> tuple[float, float]:
    low, high = data.range_value
    return float(np.asarray(low).item()), float(np.asarray(high).item())


def _tied(graph: FloatGraph, known: set[str]) -> list[list[str]]:
    """Group the tensors that share values: the output of a layer, and those that pass it on."""
    root: dict[str, str] = {}

    def find(name: str) -> str:
        while root.setdefault(name, name) != name:
            name = root[name]
        return name

    for layer in graph.layers:
        find(layer.output)
    for node in graph.model.graph.node:
        if node.op_type in _SHARING:
            names = [name for name in (*node.input, *node.output) if name in known]
            for name in names[1:]:
                root[find(name)] = find(names[0])
    groups: dict[str, list[str]] = {}
    for name in [name for name in root if name in known]:
        groups.setdefault(find(name), []).append(name)
    return list(groups.values())


@contextlib.contextmanager
def _no_stdout() -> Iterator[None]:
    with open(os.devnull, "w") as nothing, contextlib.redirect_stdout(nothing):
        yield
