"""Write runtimes/int8-probe.onnx, by which a processor shows how it adds int8 products.

python tools/make_int8_probe.py
"""

from pathlib import Path

import numpy as np
from onnx import TensorProto, checker, helper, numpy_helper

CHANNELS = 64
FILE = Path(__file__).parent.parent / "src" / "shufflenet" / "runtimes" / "int8-probe.onnx"


def main() -> None:
    """Write a 1x1 convolution of u8 pixels and s8 weights that maps 255 to 255."""
    constants = {
        "one": np.float32(1),
        "zero": np.uint8(0),
        "weights": np.full((CHANNELS, CHANNELS, 1, 1), 127, np.int8),
        "weights_scale": np.float32(1 / (CHANNELS * 127)),
        "weights_zero": np.int8(0),
    }
    names = ["pixels", "one", "zero", "weights", "weights_scale", "weights_zero", "one", "zero"]
    shape = [1, CHANNELS, 8, 8]
    graph = helper.make_graph(
        [helper.make_node("QLinearConv", names, ["sums"])],
        "int8_probe",
        [helper.make_tensor_value_info("pixels", TensorProto.UINT8, shape)],
        [helper.make_tensor_value_info("sums", TensorProto.UINT8, shape)],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    checker.check_model(model)
    FILE.write_bytes(model.SerializeToString())
    print(f"{FILE.name}: {FILE.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
