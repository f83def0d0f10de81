"""Networks as graphs of ONNX's operators, traced by torch."""

import logging
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import onnx_ir as ir
import torch
from onnx_ir.passes.common import ShapeInferencePass
from torch import nn

from shufflenet.files import narrow
from shufflenet.networks import AnyNetwork, channels_read

__all__ = ["SIZES", "finish", "is_of_any_size", "open_sizes", "trace", "traced_classifier"]

_OPSET = 18  # the oldest that torch's exporter writes without converting down

SIZES = {0: "batch", 2: "height", 3: "width"}  # axes of the images that may be of any size
# Torch takes four times as long to trace a network with sizes left open as with sizes given (18.7
# and 4.5 s, V2 0.25). For a graph of these operators alone both traces are the same, since none of
# them has a size of its input as an argument: Split has numbers of channels, so does a Slice of
# channels, and Resize has factors. Of a Slice over height or width, a trace at one size does not
# tell whether a bound was written as a number or computed from that size. (Were one of channels
# computed so, the comparison with the network at two sizes would fail.)
_OF_ANY_SIZE = {
    *("Add", "AveragePool", "Concat", "Conv", "Gather", "Gemm", "HardSigmoid", "HardSwish"),
    *("MaxPool", "Mul", "ReduceMean", "Relu", "Sigmoid", "Split", "Swish", "Unsqueeze"),
}
_SCALES = 2  # the input of Resize that holds factors


def traced_classifier(deployed: nn.Module, net: AnyNetwork) -> ir.Model:
    """Return a classifier as a graph that takes images of any size, and any number of them.

    Args:
        deployed: What is traced: it maps ``images`` to ``logits``.
        net: The network that it was made of, which tells the channels of the images.
    """
    model = trace(deployed, net)
    if is_of_any_size(model):
        open_sizes(model, SIZES)
    else:
        model = trace(deployed, net, sizes=SIZES)
    return finish(model)


def trace(
    deployed: nn.Module,
    net: AnyNetwork,
    *,
    sizes: dict[int, str] | None = None,
    size: tuple[int, int] = (64, 64),
    outputs: Sequence[str] = ("logits",),
) -> ir.Model:
    """Trace a module that maps ``images`` to these outputs.

    Args:
        deployed: The module.
        net: The network that it was made of.
        sizes: Names for the axes of the images that are left open; none unless given.
        size: The height and the width of the images it is traced with.
        outputs: Names of what it returns.

    Raises:
        TypeError: torch returns no program, as it does where it writes a file.
    """
    example = torch.zeros(2, channels_read(net.conv1) or net.spec.in_channels, *size)
    free = {axis: torch.export.Dim(name) for axis, name in sizes.items()} if sizes else None
    with _quiet_exporter():
        program = torch.onnx.export(
            deployed,
            (example,),
            dynamo=True,
            input_names=["images"],
            output_names=list(outputs),
            dynamic_shapes=(free,) if free else None,
            opset_version=_OPSET,
            external_data=False,
            verbose=False,
        )
    if program is None:
        raise TypeError("torch.onnx.export returns a program when it writes no file")
    return program.model


def is_of_any_size(model: ir.Model) -> bool:
    """Check whether a graph, traced at one size, is what it would be at any other."""
    return all(_is_of_any_size(node) for node in model.graph)


def _is_of_any_size(node: ir.Node) -> bool:
    if node.op_type == "Resize":
        return len(node.inputs) == _SCALES + 1 and _values(node.inputs[_SCALES]) is not None
    if node.op_type != "Slice":
        return node.op_type in _OF_ANY_SIZE
    bounds = [_values(value) for value in node.inputs[1:]]
    axes = bounds[2] if len(bounds) > 2 else None  # starts, ends, axes and steps
    return None not in bounds and axes == [1]


def _values(value: ir.Value | None) -> list[float] | None:
    """Return the numbers of a constant; None if it is none."""
    tensor = None if value is None else value.const_value
    numbers: list[float] | None = None if tensor is None else tensor.numpy().tolist()
    return numbers


def open_sizes(model: ir.Model, sizes: Mapping[int, str | int]) -> None:
    """Leave open the sizes of a graph traced at one size; none of its operators depends on them.

    Args:
        model: The graph; its outputs, and those of its nodes, get the shapes that follow.
        sizes: The sizes of the axes of its images, or names of those that are open.
    """
    (images,) = model.graph.inputs
    channels = None if images.shape is None else images.shape[1]
    images.shape = ir.Shape([sizes[0], channels, sizes[2], sizes[3]])
    for node in model.graph:
        for value in node.outputs:
            value.shape = _opened(value, sizes) if value in model.graph.outputs else None
    ShapeInferencePass()(model)


def _opened(value: ir.Value, sizes: Mapping[int, str | int]) -> ir.Shape | None:
    """Return the shape of logits, of which a replaced classifier may have more than the spec."""
    return None if value.shape is None else ir.Shape([sizes[0], *value.shape[1:]])


def finish(model: ir.Model) -> ir.Model:
    """Name the producer, remove what torch noted, and store weights in float16 where exact."""
    model.producer_name, model.producer_version = "shufflenet", ""
    for part in (model, model.graph, *model.graph, *model.graph.inputs, *model.graph.outputs):
        part.metadata_props.clear()  # torch notes its own file paths there
    for node in model.graph:
        for value in node.outputs:
            value.metadata_props.clear()
    _store_float16_where_exact(model)
    return model


@contextmanager
def _quiet_exporter() -> Iterator[None]:
    """Suppress remarks of torch's exporter on packages that this one does not use."""
    logger = logging.getLogger("torch.onnx._internal.exporter._registration")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)


def _store_float16_where_exact(model: ir.Model) -> None:
    """Store weights as float16 where that loses nothing; runtimes widen them once, at loading."""
    for name, value in list(model.graph.initializers.items()):
        tensor = value.const_value
        array = None if tensor is None else tensor.numpy()
        if array is None or narrow(array) is array:
            continue
        stored = ir.Value(name=f"{name}.float16", const_value=ir.tensor(narrow(array)))
        stored.dtype, stored.shape = ir.DataType.FLOAT16, value.shape
        cast = ir.node("Cast", [stored], attributes={"to": ir.DataType.FLOAT})
        cast.outputs[0].name = f"{name}.float32"
        cast.outputs[0].dtype, cast.outputs[0].shape = ir.DataType.FLOAT, value.shape
        value.replace_all_uses_with(cast.outputs[0])
        del model.graph.initializers[name]
        model.graph.register_initializer(stored)
        model.graph.insert_before(model.graph[0], cast)
