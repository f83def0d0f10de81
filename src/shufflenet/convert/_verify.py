"""Whether a network computes what the ONNX file that it was made from computes."""

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch

from shufflenet.convert._read import Arrays
from shufflenet.errors import ParityError
from shufflenet.networks import build
from shufflenet.spec import NetworkSpec

__all__ = ["onnx_difference"]

_OLDEST_OPSET = 7  # that ONNX Runtime computes
_TOLERANCE = 2e-5  # of the largest value: float32 sums of another order


def onnx_difference(path: Path, arrays: Arrays, spec: NetworkSpec) -> float:
    """Run a file and the network made from it on one random image, and compare.

    Files older than ONNX Runtime computes are brought up by ONNX's own converter first.

    Returns:
        The greatest difference between logits; those before a softmax, where the file ends so.

    Raises:
        ParityError: it is more than rounding.
    """
    model = onnx.load(path)
    if model.opset_import[0].version < _OLDEST_OPSET:
        model = onnx.version_converter.convert_version(model, _OLDEST_OPSET)
    _end_before_softmax(model.graph)
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    names = {tensor.name for tensor in model.graph.initializer}
    images = np.random.default_rng(0).standard_normal((1, spec.in_channels, 224, 224), np.float32)
    feed = {i.name: images for i in session.get_inputs() if i.name not in names}
    (theirs,) = session.run(None, feed)
    with torch.inference_mode():
        ours = _loaded(arrays, spec)(torch.from_numpy(images)).numpy()
    difference, largest = float(np.abs(ours - theirs).max()), float(np.abs(theirs).max())
    if not difference <= _TOLERANCE * max(largest, 1.0):  # so written, NaN is refused too
        raise ParityError("The network made from the file", difference, _TOLERANCE * largest)
    return difference


def _end_before_softmax(graph: onnx.GraphProto) -> None:
    last = graph.node[-1]
    if last.op_type == "Softmax":
        graph.output[0].name = last.input[0]
        graph.node.pop()


def _loaded(arrays: Arrays, spec: NetworkSpec) -> torch.nn.Module:
    net = build(spec).eval()
    tensors = {name: torch.from_numpy(array.copy()) for name, array in arrays.items()}
    net.load_state_dict(tensors, strict=False)  # only num_batches_tracked may be absent
    return net
