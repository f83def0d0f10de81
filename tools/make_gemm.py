"""Write benchmark/gemm-*.onnx, by which a machine shows how fast it multiplies matrices.

python tools/make_gemm.py
"""

from pathlib import Path

import numpy as np
from onnx import TensorProto, checker, helper, numpy_helper

SIDE = 512
FOLDER = Path(__file__).parent.parent / "src" / "shufflenet"
KINDS = {
    "float32": ("MatMul", TensorProto.FLOAT, TensorProto.FLOAT, np.float32(1)),
    "int8": ("MatMulInteger", TensorProto.UINT8, TensorProto.INT32, np.int8(1)),
}


def main() -> None:
    """Write products ``(rows, 512) @ (512, 512)``; all numbers of the second matrix are 1.

    A runtime makes that matrix as it loads the file, which is the smaller for it.
    """
    for name, (operation, read, made, one) in KINDS.items():
        value = numpy_helper.from_array(np.array([one]))
        graph = helper.make_graph(
            [
                helper.make_node("ConstantOfShape", ["shape"], ["b"], value=value),
                helper.make_node(operation, ["a", "b"], ["c"]),
            ],
            f"gemm_{name}",
            [helper.make_tensor_value_info("a", read, ["rows", SIDE])],
            [helper.make_tensor_value_info("c", made, ["rows", SIDE])],
            [numpy_helper.from_array(np.array([SIDE, SIDE]), "shape")],
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
        checker.check_model(model)
        file = FOLDER / f"gemm-{name}.onnx"
        file.write_bytes(model.SerializeToString())
        print(f"{file.name}: {file.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
