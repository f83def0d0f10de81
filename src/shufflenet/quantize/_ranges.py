"""Which range of values each tensor's int8 stands for."""

import contextlib
import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal

import numpy as np
from onnx import save
from onnxruntime.quantization import CalibrationMethod
from onnxruntime.quantization.calibrate import TensorData, TensorsData, create_calibrator

from shufflenet.quantize._graph import Graph, as_model
from shufflenet.quantize._observe import Images, Pixels, Progress, batches

__all__ = ["CALIBRATORS", "Calibrator", "ranges_of"]

Calibrator = Literal["minmax", "percentile", "entropy"]
CALIBRATORS: tuple[Calibrator, ...] = ("minmax", "percentile", "entropy")
_METHODS = {
    "minmax": CalibrationMethod.MinMax,
    "percentile": CalibrationMethod.Percentile,
    "entropy": CalibrationMethod.Entropy,
}
_PERCENTILE = 99.997


def ranges_of(
    graph: Graph,
    images: Pixels,
    feed: Callable[[Pixels], Images],
    calibrator: Calibrator,
    on_progress: Progress,
) -> TensorsData:
    """Let one of ONNX Runtime's calibrators choose the range of every tensor.

    Tensors that Split, Concat and pooling only pass on get one range, so that no value is
    quantised twice on its way from the layer that makes it to the layers that read it.
    """
    with tempfile.TemporaryDirectory(prefix="shufflenet-") as folder, _silent():
        model = Path(folder) / "float.onnx"
        save(as_model(graph), model)
        options = {"percentile": _PERCENTILE, "symmetric": False}
        chosen = create_calibrator(
            model, None, str(Path(folder) / "outputs.onnx"), _METHODS[calibrator],
            extra_options=options,
        )  # fmt: skip
        for part in batches(images):
            chosen.collect_data(_Once({graph.input: np.asarray(feed(part), np.float32)}))
            on_progress(len(part))
        found = chosen.compute_data()
    for names in _tied(graph, set(found.data)):
        low, high = zip(*(_ends(found.data[name]) for name in names), strict=True)
        shared = TensorData(lowest=np.float32(min(0.0, *low)), highest=np.float32(max(1e-6, *high)))
        found.data.update(dict.fromkeys(names, shared))
    return found


class _Once:
    """One batch, as ONNX Runtime's calibrators read their data."""

    def __init__(self, inputs: dict[str, Images]) -> None:
        self._inputs: dict[str, Images] | None = inputs

    def get_next(self) -> dict[str, Images] | None:
        inputs, self._inputs = self._inputs, None
        return inputs


def _ends(data: TensorData) -> tuple[float, float]:
    low, high = data.range_value
    return float(np.asarray(low).item()), float(np.asarray(high).item())


def _tied(graph: Graph, known: set[str]) -> list[list[str]]:
    """Group the tensors that share values: what a layer made, and what passes it on."""
    root: dict[str, str] = {}

    def find(name: str) -> str:
        while root.setdefault(name, name) != name:
            name = root[name]
        return name

    for layer in graph.layers:
        find(layer.makes)
    for node in graph.model.graph.node:
        if node.op_type in ("Split", "Concat", "MaxPool", "Reshape", "Transpose", "Flatten"):
            names = [name for name in (*node.input, *node.output) if name in known]
            for name in names[1:]:
                root[find(name)] = find(names[0])
    groups: dict[str, list[str]] = {}
    for name in [name for name in root if name in known]:
        groups.setdefault(find(name), []).append(name)
    return list(groups.values())


@contextlib.contextmanager
def _silent() -> Iterator[None]:
    """Keep off stdout what the calibrators print there."""
    with open(os.devnull, "w") as nothing, contextlib.redirect_stdout(nothing):
        yield
