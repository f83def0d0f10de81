"""ONNX files, written from a network with its card inside and compared with it."""

import hashlib
import json
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import numpy as np
import numpy.typing as npt
import onnx_ir as ir
import onnxruntime
import torch
from onnx_ir.passes.common import ShapeInferencePass
from torch import nn

from shufflenet.deploy import deploy, fold_batch_norms
from shufflenet.export._check_card import check_card
from shufflenet.export._options import ExportOptions
from shufflenet.export._parity import check_parity
from shufflenet.export._source import Compute, Images, Source, is_pixels
from shufflenet.files import SEAL_KEY, narrow
from shufflenet.networks import ShuffleNet, channels_read, float_copy
from shufflenet.preprocess import normalize
from shufflenet.runtimes import FLOAT_CHECK_KEY, check_image, rounded_logits
from shufflenet.spec import CARD_KEY, FLOAT32_TOLERANCE, Card

__all__ = ["onnx_source"]

_OPSET = 18  # the oldest that torch's exporter writes without converting down

_SIZES = {0: "batch", 2: "height", 3: "width"}  # axes of the images that may be of any size
# Torch takes four times as long to trace a network with sizes left open as with sizes given (18.7
# and 4.5 s, V2 0.25). For a graph of these operators alone both traces are the same, since none of
# them has a size of its input as an argument: Split has numbers of channels, and so does a Slice of
# channels. Of a Slice over height or width, a trace at one size does not tell whether a bound was
# written as a number or computed from that size. (Were one of channels computed so, the comparison
# with the network at two sizes would fail.)
_OF_ANY_SIZE = {
    *("Add", "AveragePool", "Concat", "Conv", "Gather", "Gemm", "HardSigmoid", "HardSwish"),
    *("MaxPool", "Mul", "ReduceMean", "Relu", "Sigmoid", "Split", "Swish", "Unsqueeze"),
}


def onnx_source(net: nn.Module, card: Card, options: ExportOptions) -> Source:
    """Return a network as ONNX in memory, which computes the same at two sizes of images.

    Args:
        net: The network; see ``export_file``.
        card: Its card; it is stored in the file's metadata.
        options: Whether shuffles stay.

    Raises:
        SpecError: the network is none of this package.
        CheckpointMismatch: the card is of another network.
        ClassesDisagree: the network's logits are not as many as the card's labels.
        NotDeployable: the network was changed beyond what ``deploy`` knows.
        ParityError: the logits differ from the network's.
    """
    net = float_copy(net)
    check_card(net, card)
    keeps = options.shuffle == "keep"
    model = _graph(fold_batch_norms(net) if keeps else deploy(net), net)
    model.metadata_props.update({CARD_KEY: card.to_json(), **_proof(net, card)})
    proto = ir.to_proto(model)
    graph_hash = hashlib.sha256(proto.graph.SerializeToString()).hexdigest()
    proto.metadata_props.add(key=SEAL_KEY, value=graph_hash)
    content = proto.SerializeToString()
    check_parity(net, _onnxruntime_logits(content), card, FLOAT32_TOLERANCE)
    return Source(card.name, card, content, partial(_compute, net, card))


def _compute(net: ShuffleNet, card: Card, images: Images) -> npt.NDArray[np.float32]:
    """Compute pixels ``(n, h, w, c)`` or prepared images ``(n, c, h, w)`` by the network itself."""
    batch = normalize(images, card.preprocess) if is_pixels(images) else images
    with torch.inference_mode():
        return net(torch.from_numpy(batch)).numpy()


def _proof(net: ShuffleNet, card: Card) -> dict[str, str]:
    """Return the entry that ``verify`` reads: logits of an image, if the card has its channels."""
    if card.network.in_channels != card.preprocess.in_channels:
        return {}
    image = normalize(check_image(card.preprocess), card.preprocess)
    with torch.inference_mode():
        logits = net(torch.from_numpy(image)).numpy()[0]
    return {FLOAT_CHECK_KEY: json.dumps(rounded_logits(logits))}


def _graph(deployed: nn.Module, net: ShuffleNet) -> ir.Model:
    model = _trace(deployed, net)
    if all(_is_of_any_size(node) for node in model.graph):
        _free_sizes(model)
    else:
        model = _trace(deployed, net, _SIZES)
    model.producer_name, model.producer_version = "shufflenet", ""
    for part in (model, model.graph, *model.graph, *model.graph.inputs, *model.graph.outputs):
        part.metadata_props.clear()  # torch notes its own file paths there
    for node in model.graph:
        for value in node.outputs:
            value.metadata_props.clear()
    _store_float16_where_exact(model)
    return model


def _is_of_any_size(node: ir.Node) -> bool:
    """Check whether a node, traced at one size, is what it would be at any other."""
    if node.op_type != "Slice":
        return node.op_type in _OF_ANY_SIZE
    bounds = [None if value is None else value.const_value for value in node.inputs[1:]]
    axes = bounds[2] if len(bounds) > 2 else None  # starts, ends, axes and steps
    return None not in bounds and axes is not None and axes.numpy().tolist() == [1]


def _trace(deployed: nn.Module, net: ShuffleNet, sizes: dict[int, str] | None = None) -> ir.Model:
    example = torch.zeros(2, channels_read(net.conv1) or net.spec.in_channels, 64, 64)
    free = {axis: torch.export.Dim(name) for axis, name in sizes.items()} if sizes else None
    with _quiet_exporter():
        program = torch.onnx.export(
            deployed,
            (example,),
            dynamo=True,
            input_names=["images"],
            output_names=["logits"],
            dynamic_shapes=(free,) if free else None,
            opset_version=_OPSET,
            external_data=False,
            verbose=False,
        )
    if program is None:
        raise TypeError("torch.onnx.export returns a program when it writes no file")
    return program.model


def _free_sizes(model: ir.Model) -> None:
    """Leave open the sizes of a graph traced at one size; none of its operators depends on them."""
    (images,), (logits,) = model.graph.inputs, model.graph.outputs
    channels = None if images.shape is None else images.shape[1]
    images.shape = ir.Shape([_SIZES[0], channels, _SIZES[2], _SIZES[3]])
    if logits.shape is not None:  # a classifier may have been replaced, so spec may be outdated
        logits.shape = ir.Shape([_SIZES[0], *logits.shape[1:]])
    for node in model.graph:
        for value in node.outputs:
            if value is not logits:
                value.shape = None
    ShapeInferencePass()(model)


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


def _onnxruntime_logits(content: bytes) -> Compute:
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])

    def compute(images: Images) -> npt.NDArray[np.float32]:
        (logits,) = session.run(None, {"images": images})
        return np.asarray(logits, np.float32)

    return compute
