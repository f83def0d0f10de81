"""OpenVINO's own files, ``.xml`` and ``.bin``: a program built with its operations, and saved.

Built from the program they are a third as long as converted from an ONNX file, whose every bias
becomes ten operations, and hold the bytes that ``quantize`` chose.
"""

from typing import Any, TypeAlias

import numpy as np

from shufflenet.errors import WriteError
from shufflenet.export._aside import written_aside
from shufflenet.export._openvino_operations import constant_shapes, operation
from shufflenet.export._options import Request
from shufflenet.files import narrow
from shufflenet.graph import LARGEST_BYTE, Node, Program
from shufflenet.runtimes import import_openvino

__all__ = ["write"]

_Output: TypeAlias = Any  # openvino.Output: the result of an operation; it has no types
_ANY = -1
# Operations that move numbers and change none: what they read is rounded already.
_MOVES = ("Concat", "Gather", "ChannelShuffle", "MaxPool", "Split", "Flatten")


def write(program: Program, request: Request) -> dict[str, bytes]:
    """Return the contents of a file and of its weights by their names; openvino must be there.

    In float16, weights and biases are stored so, and OpenVINO computes in what suits the device.
    Else weights are stored as float16 only where they are float16 numbers.

    Raises:
        WriteError: the folder of temporary files is full, or there is none.
    """
    openvino = import_openvino()
    model = _Model(program, openvino).build(request)
    for key, text in request.metadata.items():
        model.set_rt_info(text, key)
    with written_aside({}) as folder:
        path = folder / f"{request.stem}.xml"
        try:
            openvino.save_model(model, path, compress_to_fp16=request.precision == "float16")
        except RuntimeError as error:  # of a stream in C++, as where the disk is full
            raise WriteError(path, str(error)) from error
        return {each.name: each.read_bytes() for each in (path.with_suffix(".bin"), path)}


class _Model:
    """The operations so far, by the tensors and constants of the program."""

    def __init__(self, program: Program, openvino: Any) -> None:  # noqa: ANN401  # a module
        self._program, self._openvino = program, openvino
        self._ops = openvino.opset13
        self._values: dict[str, _Output] = {}

    def build(self, request: Request) -> Any:  # noqa: ANN401  # it has no types
        """Return the model, for the batch and the size of images of a request."""
        program, ops = self._program, self._ops
        channels = program.shapes[program.images][1]
        shape = [
            request.options.batch or _ANY,
            channels,
            *(request.options.image_px or (_ANY, _ANY)),
        ]
        kind = np.uint8 if program.takes_bytes else np.float32
        images = ops.parameter(shape, kind, program.images)
        self._name(images.output(0), program.images)
        self._values[program.images] = (
            self._meaning(program.images, images) if program.takes_bytes else images.output(0)
        )
        self._round(program.images)
        for node in program.nodes:
            self._add(node)
        logits = ops.result(self._values[program.logits])
        return self._openvino.Model([logits], [images], "network")

    def _add(self, node: Node) -> None:
        """Add an operation, and the rounding of its outputs."""
        if node.op == "Requantize":
            self._values[node.output] = self._values[node.inputs[0]]
            self._round(node.output)
            return
        if node.op in ("Conv", "Gemm"):
            self._store_layer(node)
        outputs = operation(self._ops, node, [self._values[name] for name in node.inputs])
        params = {self._params(name) for name in node.inputs}
        for name, output in zip(node.outputs, outputs, strict=False):  # a pool has indices too
            self._values[name] = output
            self._name(output, name)
            if node.op not in _MOVES or params != {self._params(name)}:
                self._round(name)

    def _params(self, name: str) -> Any:  # noqa: ANN401  # QuantParams or None
        return self._program.params.get(name)

    def _name(self, output: _Output, name: str) -> None:
        output.get_node().set_friendly_name(name)
        output.get_tensor().set_names({name})

    def _round(self, name: str) -> None:
        """Round a tensor to what its bytes mean, if it has some."""
        params = self._params(name)
        if params is None or (name == self._program.images and self._program.takes_bytes):
            return
        low, high = (self._number(value) for value in params.range)
        levels = LARGEST_BYTE + 1
        rounded = self._ops.fake_quantize(self._values[name], low, high, low, high, levels)
        self._values[name] = rounded.output(0)

    def _meaning(self, name: str, stored: Any) -> _Output:  # noqa: ANN401  # it has no types
        """Return what bytes mean: the difference to the zero point, times the scale."""
        params, ops = self._program.params[name], self._ops
        zero_point = self._number(params.zero_point)
        difference = ops.subtract(ops.convert(stored, "f32"), zero_point)
        return ops.multiply(difference, self._number(params.scale)).output(0)

    def _number(self, value: float) -> Any:  # noqa: ANN401  # it has no types
        return self._ops.constant(np.array(value, np.float32))

    def _store_layer(self, node: Node) -> None:
        """Store the weights and the bias of a layer."""
        _, weight, bias = node.inputs
        array = self._program.constants[weight]
        out, of_bias = constant_shapes(node, len(array))
        self._values[weight] = self._store(weight, out)
        self._values[bias] = self._store(bias, of_bias)

    def _store(self, name: str, out: tuple[int, ...]) -> _Output:
        """Store a constant, whose outputs get the shape ``out``, and return its values."""
        ops, scales = self._ops, self._program.scales.get(name)
        array = self._program.constants[name]
        if scales is not None and array.dtype == np.int32:
            array, scales = (array * scales.astype(np.float64)).astype(np.float32), None
        shaped = array.reshape(*out, *array.shape[1:])
        if scales is not None:
            floats = ops.convert(ops.constant(shaped), "f32")
            each = scales.reshape(*out, *[1] * (array.ndim - 1))
            return ops.multiply(floats, ops.constant(each)).output(0)
        narrowed = narrow(shaped)
        constant = ops.constant(narrowed)
        return (constant if narrowed is shaped else ops.convert(constant, "f32")).output(0)
