"""An int8 model from a float graph, the ranges of its tensors and its rounded weights."""

from collections.abc import Collection, Mapping

import numpy as np
import onnx
from onnx import numpy_helper, shape_inference
from onnxruntime.quantization import QDQQuantizer, QuantType, TensorsData
from onnxruntime.quantization.quant_utils import add_infer_metadata
from onnxruntime.quantization.registry import QDQRegistry, QLinearOpsRegistry

from shufflenet.errors import NumbersTooFarApart
from shufflenet.graph import Array, WeightedLayer
from shufflenet.int8 import Int8Weights, fit_sums, to_float32
from shufflenet.quantize._float_graph import FloatGraph, to_model

__all__ = ["to_int8"]

_UNIT = 127.0  # of weights up to this one, the scale in int8 is 1
_OPERATIONS = sorted({*QLinearOpsRegistry, *QDQRegistry})


def to_int8(
    graph: FloatGraph,
    ranges: TensorsData,
    weights: Mapping[str, Int8Weights],
    *,
    only: Collection[str] = (),
    without: Collection[str] = (),
) -> onnx.ModelProto:
    """Return a graph with int8 weights and QuantizeLinear and DequantizeLinear around its nodes.

    ONNX Runtime and OpenVINO compute such a model in int8. Logits stay float, which costs nothing:
    the sums of the classifier are scaled to logits instead of to bytes.

    Args:
        graph: The network with its weights rounded.
        ranges: The ranges of its tensors.
        weights: Its weights in int8, ``(out, in / groups, kh, kw)``, by name.
        only: The names of the nodes to quantize; empty for all.
        without: The names of nodes that stay float.

    Raises:
        NumbersTooFarApart: float32 holds no scale for the weights or the bias of a layer.
    """
    model = to_model(graph)
    for layer in graph.layers:
        if layer.nodes[0] not in without and (not only or layer.nodes[0] in only):
            _put_ones(model, layer)
    model = _insert_quantization(model, ranges, only, without)
    _put_weights(model, graph, weights)
    return model


def _put_ones(model: onnx.ModelProto, layer: WeightedLayer) -> None:
    """Replace the weights of a layer by 127 and its bias by 0.

    ONNX Runtime would round the weights too, and warn of biases that do not fit its scales. Of
    these it computes a scale of 1, so that the scale it gives to the bias is that of the input.
    """
    for constant in model.graph.initializer:
        if constant.name in (layer.weight, layer.bias):
            value = _UNIT if constant.name == layer.weight else 0
            array = np.full(constant.dims, value, np.float32)
            constant.CopyFrom(numpy_helper.from_array(array, constant.name))


def _insert_quantization(
    model: onnx.ModelProto, ranges: TensorsData, only: Collection[str], without: Collection[str]
) -> onnx.ModelProto:
    """Return a model quantized by ONNX Runtime, in memory."""
    inferred = shape_inference.infer_shapes(model)
    add_infer_metadata(inferred)  # or the quantizer infers shapes again, by way of files
    quantizer = QDQQuantizer(
        inferred,
        per_channel=True,
        reduce_range=False,
        weight_qType=QuantType.QInt8,
        activation_qType=QuantType.QUInt8,
        # A copy, because the quantizer changes the ranges of tensors that a ReLU reads.
        tensors_range=TensorsData(ranges.calibration_method, dict(ranges.data)),
        nodes_to_quantize=list(only),
        nodes_to_exclude=list(without),
        op_types_to_quantize=_OPERATIONS,
        extra_options={
            "OpTypesToExcludeOutputQuantization": ["Gemm"],
            "QDQKeepRemovableActivations": _needs_relus(model, ranges),
        },
    )
    quantizer.quantize_model()
    quantizer.model.topological_sort()
    quantized: onnx.ModelProto = quantizer.model.model
    return quantized


def _needs_relus(model: onnx.ModelProto, ranges: TensorsData) -> bool:
    """Return whether the bytes of some ReLU's output reach below 0.

    The quantizer removes ReLUs, since bytes whose range begins at 0 clip negative values as well.
    The range of an output that is concatenated with negative values begins below 0.
    """
    outputs = [node.output[0] for node in model.graph.node if node.op_type == "Relu"]
    return any(
        np.asarray(ranges.data[name].range_value[0]).item() < 0
        for name in outputs
        if name in ranges.data
    )


def _put_weights(
    model: onnx.ModelProto, graph: FloatGraph, weights: Mapping[str, Int8Weights]
) -> None:
    """Replace the weights that ONNX Runtime rounded by ours, and biases by ones of their scale.

    Raises:
        NumbersTooFarApart: float32 holds no scale for the weights or the bias of a layer.
    """
    constants = {x.name: x for x in model.graph.initializer}

    def put(name: str, array: Array) -> None:
        shaped = array.reshape(constants[name].dims)
        constants[name].CopyFrom(numpy_helper.from_array(np.ascontiguousarray(shaped), name))

    def get(name: str) -> Array:
        return numpy_helper.to_array(constants[name])

    for layer in graph.layers:
        weight, bias = layer.weight, layer.bias
        if f"{weight}_quantized" not in constants:
            continue
        input_scale = float(get(f"{bias}_quantized_scale").flat[0])
        ours = fit_sums(weights[weight], graph.weights[bias], input_scale)
        scale = to_float32(input_scale * ours.scale.astype(np.float64))
        if not (np.isfinite(scale).all() and np.isfinite(ours.scale).all()):
            raise NumbersTooFarApart(graph.source, weight)
        put(f"{weight}_quantized", ours.codes)
        put(f"{weight}_scale", ours.scale)
        put(f"{bias}_quantized_scale", scale)
        put(f"{bias}_quantized", np.rint(graph.weights[bias] / scale).astype(np.int32))
