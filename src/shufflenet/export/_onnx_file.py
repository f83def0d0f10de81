"""ONNX files: the network as it was read, in the version of the operators asked for."""

from collections.abc import Mapping

from shufflenet.errors import SpecError
from shufflenet.export._options import Request
from shufflenet.graph import Program, parse_onnx

__all__ = ["opset_of", "seal", "write"]


def write(program: Program, request: Request) -> dict[str, bytes]:
    """Return the ONNX file of a network, which the source is already.

    Raises:
        SpecError: it is asked for in another version of the operators.
    """
    asked, opset = request.options.opset, opset_of(request.onnx)
    if asked not in (None, opset):
        raise SpecError("opset", asked, f"{opset}, as in the source")
    return {f"{request.stem}.onnx": request.onnx}


def seal(contents: Mapping[str, bytes]) -> Mapping[str, bytes]:
    """Return the files as they are: an ONNX file holds a hash of its graph already."""
    return contents


def opset_of(content: bytes) -> int:
    """Return the version of the operators of an ONNX file."""
    versions = parse_onnx(content, "the network").opset_import
    return next(int(each.version) for each in versions if each.domain in ("", "ai.onnx"))
