"""Files as other projects write them, made of the arrays of an original network."""

import io
import pickle
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
import torch
from onnx import numpy_helper

from originals import Original, weights

Arrays = Mapping[str, npt.NDArray[np.generic]]

LIGHT = Path(onnx.__file__).parent / "backend" / "test" / "data" / "light" / "light_shufflenet.onnx"


def torch_bytes(value: object) -> bytes:
    buffer = io.BytesIO()
    torch.save(value, buffer)
    return buffer.getvalue()


def saved(value: object, folder: Path, name: str = "weights.pth") -> Path:
    path = folder / name
    torch.save(value, path)
    return path


def as_torch(arrays: Arrays) -> dict[str, torch.Tensor]:
    return {name: torch.from_numpy(np.array(array)) for name, array in arrays.items()}


def write(original: Original, folder: Path, arrays: Arrays | None = None) -> Path:
    """Write a checkpoint of random weights, made here unless given, as a network's source does."""
    arrays = weights(original) if arrays is None else arrays
    if original.source.startswith("paddle"):
        path = folder / f"ShuffleNetV2_{original.name.replace(' ', '_')}.pdparams"
        names = {name: f"parameter_{i}.w_0" for i, name in enumerate(arrays)}
        path.write_bytes(pickle.dumps({**arrays, "StructuredToParameterName@@": names}, protocol=4))
    elif original.source == "onnxzoo":
        path = folder / "shufflenet.onnx"
        path.write_bytes(onnx_zoo_v1(arrays).SerializeToString())
    elif original.source == "ericsun99" or original.name == "OneShot":
        path = saved(as_torch(arrays), folder)
    else:
        content = {"state_dict": as_torch(arrays), "meta": {"epoch": 300}}
        path = saved(content, folder, "weights.pth.tar")
    return path


def onnx_zoo_v1(arrays: Arrays) -> onnx.ModelProto:
    """Put weights into the graph that onnx carries for its own tests, in which most are missing."""
    model = onnx.load(LIGHT)
    kept = [node for node in model.graph.node if node.op_type != "ConstantOfShape"]
    shapes = [node for node in model.graph.node if node.op_type == "ConstantOfShape"]
    del model.graph.node[:]
    model.graph.node.extend(kept)
    unneeded = {name for node in shapes for name in node.input} - {
        name for node in kept for name in node.input
    }
    old = [t for t in model.graph.initializer if t.name not in arrays and t.name not in unneeded]
    del model.graph.initializer[:]
    model.graph.initializer.extend(old)
    for name, array in arrays.items():
        model.graph.initializer.append(numpy_helper.from_array(np.asarray(array), name))
    names = {t.name for t in model.graph.initializer}
    inputs = [i for i in model.graph.input if i.name in names or i.name == "gpu_0/data_0"]
    declared = {i.name for i in inputs}
    for tensor in model.graph.initializer:  # that old graphs list as inputs too
        if tensor.name not in declared:
            dims = list(tensor.dims)
            inputs.append(onnx.helper.make_tensor_value_info(tensor.name, tensor.data_type, dims))
    del model.graph.input[:]
    model.graph.input.extend(inputs)
    return model
