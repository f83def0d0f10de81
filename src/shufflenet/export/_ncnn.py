"""ncnn's files, written from a program: text and numbers, without ncnn or its converter."""

from shufflenet.errors import NotExportable
from shufflenet.export._ncnn_layers import to_layers
from shufflenet.export._options import Request
from shufflenet.files import write_ncnn_text
from shufflenet.graph import Program

__all__ = ["write"]


def write(program: Program, request: Request) -> dict[str, bytes]:
    """Return the two files of an ncnn network, which takes one image of any size a call.

    Weights that float16 holds exactly are stored so; ncnn computes with them in float32.

    Args:
        program: The network.
        request: The precision; with ``float16`` all weights are stored so.

    Raises:
        NotExportable: ncnn has no layer for an operation.
    """
    try:
        layers = to_layers(program, half=request.precision == "float16")
    except ValueError as error:
        raise NotExportable(request.stem, "ncnn", error) from error
    numbers = b"".join(layer.numbers for layer in layers)
    return {
        f"{request.stem}.param": write_ncnn_text(layers).encode(),
        f"{request.stem}.bin": numbers,
    }
