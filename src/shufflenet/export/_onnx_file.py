"""ONNX files: as they were read, or written anew in other operators, sizes or numbers."""

import hashlib
from collections.abc import Mapping

import onnx

from shufflenet.errors import SpecError
from shufflenet.export._onnx_model import Style, to_onnx
from shufflenet.export._options import ExportOptions, Request
from shufflenet.files import SEAL_KEY
from shufflenet.graph import Program
from shufflenet.runtimes import CHECK_KEY, FLOAT_CHECK_KEY, HASH_KEY, SCALE_KEY

__all__ = ["check_opset", "opset_of", "seal", "write"]

_OPSETS = range(9, 29)  # the newest is that of onnx 1.23
# Scales for each channel came with 13; onnxruntime 1.32 has no QuantizeLinear of 28.
_INT8_OPSETS = range(13, 28)
_INT8_KEYS = {FLOAT_CHECK_KEY: CHECK_KEY, SEAL_KEY: HASH_KEY}  # as ``quantize`` writes them


def write(program: Program, request: Request) -> dict[str, bytes]:
    """Return the ONNX file of a network: the source itself, unless something else is asked for.

    Raises:
        SpecError: that version of the operators does not hold the network.
    """
    options, is_int8 = request.options, request.precision == "int8"
    check_opset(options, is_int8=is_int8)
    source = opset_of(request.onnx)
    opset = source if options.opset is None else options.opset
    name, half = f"{request.stem}.onnx", request.precision == "float16"
    if opset == source and not (half or options.batch or options.image_px):
        return {name: request.onnx}
    style = Style(opset=opset, half=half, batch=options.batch, size=options.image_px)
    model = to_onnx(program, style)
    graph_hash = hashlib.sha256(model.graph.SerializeToString()).hexdigest()
    metadata = {**request.metadata, **_scale(request.onnx), SEAL_KEY: graph_hash}
    for key, text in metadata.items():
        model.metadata_props.add(key=_INT8_KEYS.get(key, key) if is_int8 else key, value=text)
    return {name: model.SerializeToString()}


def _scale(content: bytes) -> dict[str, str]:
    """Return the entry of an ONNX file's metadata that its embeddings are multiplied by, if any."""
    entries = onnx.ModelProto.FromString(content).metadata_props
    return {entry.key: entry.value for entry in entries if entry.key == SCALE_KEY}


def check_opset(options: ExportOptions, *, is_int8: bool = False) -> None:
    """Check that files of that version of the operators are written.

    Raises:
        SpecError: they are not.
    """
    opsets = _INT8_OPSETS if is_int8 else _OPSETS
    if options.opset is not None and options.opset not in opsets:
        expected = f"from {opsets[0]} to {opsets[-1]}" + " for int8" * is_int8
        raise SpecError("opset", options.opset, expected)


def seal(contents: Mapping[str, bytes]) -> Mapping[str, bytes]:
    """Return the files as they are: an ONNX file holds a hash of its graph already."""
    return contents


def opset_of(content: bytes) -> int:
    """Return the version of the operators of a sound ONNX file."""
    versions = onnx.ModelProto.FromString(content).opset_import
    return next(int(each.version) for each in versions if each.domain in ("", "ai.onnx"))
