"""Write what coremltools serializes of a few operations, for tests/test_files_mlpackage.py.

In an environment of its own: pip install coremltools==9.0 'numpy<2.4'; then run this from the
repository. Maps are written in the order of their keys.
"""

import json
from pathlib import Path

import numpy as np
from coremltools.converters.mil.backend.mil.helper import (
    create_list_scalarvalue,
    create_scalar_value,
    create_tensor_value,
    create_valuetype_scalar,
)
from coremltools.proto import MIL_pb2

GOLDEN = Path(__file__).parent.parent / "tests" / "golden" / "coreml-operations.json"


def constant(name: str, value: object) -> str:
    """Return a constant's operation, serialized, in hexadecimal digits."""
    stated = create_tensor_value(value) if isinstance(value, np.ndarray) else _scalar(value)
    operation = MIL_pb2.Operation(
        type="const",
        attributes={"name": _scalar(f"{name}_op"), "val": stated},
        outputs=[MIL_pb2.NamedValueType(name=name, type=stated.type)],
    )
    return str(operation.SerializeToString(deterministic=True).hex())


def _scalar(value: object) -> MIL_pb2.Value:
    return create_scalar_value(value)


def classify() -> str:
    """Return the operation of a classifier of two labels likewise."""
    operation = MIL_pb2.Operation(type="classify", attributes={"name": _scalar("label_op")})
    text = create_valuetype_scalar(MIL_pb2.STRING)
    operation.outputs.append(MIL_pb2.NamedValueType(name="label", type=text))
    each = operation.outputs.add(name="each").type.dictionaryType
    each.keyType.CopyFrom(text)
    each.valueType.CopyFrom(create_valuetype_scalar(MIL_pb2.FLOAT64))
    labels = operation.inputs["classes"].arguments.add()
    labels.value.CopyFrom(create_list_scalarvalue(["a", "b"], str))
    operation.inputs["probabilities"].arguments.add().name = "p"
    return str(operation.SerializeToString(deterministic=True).hex())


def main() -> None:
    """Write the file."""
    values = {
        "i": np.array([1, -2], np.int32),
        "f": np.array([1.5], np.float32),
        "h": np.array([0.5, 2], np.float16),
        "t": "custom",
        "b": True,
    }
    operations = {name: constant(name, value) for name, value in values.items()}
    operations["classify"] = classify()
    GOLDEN.write_text(json.dumps(operations, indent=1) + "\n")
    print(GOLDEN)


if __name__ == "__main__":
    main()
