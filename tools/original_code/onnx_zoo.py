"""The ONNX model zoo's V1, as onnx carries it for its own tests."""

import importlib
from pathlib import Path

import numpy as np
import numpy.typing as npt

from original_code.source import Entries, Run, Source, Weights

__all__ = ["SOURCES"]


def _onnx_zoo(_: Path, __: str) -> tuple[Entries, Run]:
    """Take the graph from onnx's own tests: the zoo's, with its weights made by ConstantOfShape."""
    onnx = importlib.import_module("onnx")
    runtime = importlib.import_module("onnxruntime")
    data = Path(importlib.import_module("onnx.backend.test").__file__ or "").parent / "data"
    model = onnx.load(data / "light" / "light_shufflenet.onnx")
    graph = model.graph
    made = {node.output[0] for node in graph.node if node.op_type == "ConstantOfShape"}
    made |= {i.name for i in graph.initializer if i.name.endswith("_0")}
    shapes = {
        value.name: tuple(dim.dim_value for dim in value.type.tensor_type.shape.dim)
        for value in graph.input
    }
    for node in [node for node in graph.node if node.op_type == "ConstantOfShape"]:
        dims = next(i for i in graph.initializer if i.name == node.input[0])
        shapes[node.output[0]] = tuple(onnx.numpy_helper.to_array(dims).tolist())
        graph.node.remove(node)
    kept = [i for i in graph.initializer if i.name.startswith("OC2_DUMMY")]
    logits = next(node.output[0] for node in graph.node if node.op_type == "Gemm")
    pixels = next(value for value in graph.input if value.name == "gpu_0/data_0")
    graph.output.append(onnx.helper.make_tensor_value_info(logits, 1, [1, 1000]))
    entries = tuple((name, shapes[name], "float32") for name in sorted(made))

    def run(state: Weights, batch: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        del graph.initializer[:], graph.input[:]
        graph.input.append(pixels)
        graph.initializer.extend(kept)
        graph.initializer.extend(onnx.numpy_helper.from_array(v, k) for k, v in state.items())
        options = runtime.SessionOptions()
        options.intra_op_num_threads = 1
        session = runtime.InferenceSession(model.SerializeToString(), options)
        answers = [
            session.run([logits], {"gpu_0/data_0": one[None].astype(np.float32)})[0]
            for one in batch  # the graph fixes a batch of 1
        ]
        return np.concatenate(answers).astype(np.float64)

    return entries, run


SOURCES = {
    "onnxzoo": Source(
        _onnx_zoo,
        ("v1",),
        "https://github.com/onnx/onnx",
        "the onnx package of the version stated",
        (),
        "Apache-2.0",
        "an ONNX graph, its initialisers sorted by name; the constants OC2_DUMMY_* of its "
        "Reshapes are left out; the logits stand before the graph's Softmax; "
        "onnx/backend/test/data/light/light_shufflenet.onnx",
        size=(224, 224),
        float64=False,
        packages=("onnx", "onnxruntime"),
    ),
}
