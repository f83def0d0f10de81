"""From a float graph, ranges and rounded weights to an int8 model."""

import logging
import tempfile
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import numpy_helper
from onnxruntime.quantization import QuantType, quantize_static
from onnxruntime.quantization.calibrate import TensorsData, save_tensors_data

from shufflenet.quantize._graph import Graph, as_model
from shufflenet.quantize._round import Rounded

__all__ = ["int8_model"]


def int8_model(
    graph: Graph,
    ranges: TensorsData,
    weights: dict[str, Rounded],
    *,
    only: Collection[str] = (),
    without: Collection[str] = (),
) -> onnx.ModelProto:
    """Write a graph with int8 weights and QuantizeLinear and DequantizeLinear around its nodes.

    ONNX Runtime and OpenVINO compute that in int8. Logits stay float, which costs nothing: the
    classifier's sums are scaled to them instead of to bytes.

    Args:
        graph: The network, with the weights that int8 stands for.
        ranges: Of its tensors.
        weights: Its weights in int8.
        only: Names of nodes; if there are some, all others stay float.
        without: Names of nodes that stay float.
    """
    with tempfile.TemporaryDirectory(prefix="shufflenet-") as folder, _quiet():
        source, target, cache = (Path(folder) / x for x in ("a.onnx", "b.onnx", "ranges.json"))
        onnx.save(as_model(graph), source)
        save_tensors_data(ranges, cache)
        quantize_static(
            source,
            target,
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            calibrate_method=ranges.calibration_method,
            calibration_cache_path=cache,
            nodes_to_quantize=list(only),
            nodes_to_exclude=list(without),
            extra_options={"OpTypesToExcludeOutputQuantization": ["Gemm"]},
        )
        model = onnx.load(target)
    _put_weights(model, graph, weights)
    return model


def _put_weights(model: onnx.ModelProto, graph: Graph, weights: dict[str, Rounded]) -> None:
    """Replace the weights that ``quantize_static`` rounded by ours, and biases to their scale."""
    constants = {x.name: x for x in model.graph.initializer}

    def put(name: str, array: npt.NDArray[Any]) -> None:
        shaped = array.reshape(constants[name].dims)
        constants[name].CopyFrom(numpy_helper.from_array(np.ascontiguousarray(shaped), name))

    def get(name: str) -> npt.NDArray[Any]:
        return numpy_helper.to_array(constants[name])

    for layer in graph.layers:
        weight, bias = layer.weight, layer.bias
        if f"{weight}_quantized" not in constants:
            continue
        ours = weights[weight]
        reads = get(f"{bias}_quantized_scale") / get(f"{weight}_scale")  # the scale of its input
        scale = (reads * ours.scale).astype(np.float32)
        put(f"{weight}_quantized", ours.codes)
        put(f"{weight}_scale", ours.scale)
        put(f"{bias}_quantized_scale", scale)
        put(f"{bias}_quantized", np.rint(graph.weights[bias] / scale).astype(np.int32))


@contextmanager
def _quiet() -> Iterator[None]:
    """Hold back advice to people who call ``quantize_static`` themselves."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)
