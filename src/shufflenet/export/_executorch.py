"""ExecuTorch programs (``.pte``) for its XNNPACK delegate, written without ExecuTorch."""

from shufflenet.export._options import Request
from shufflenet.export._pte_program import pte_bytes
from shufflenet.export._xnnpack_nodes import xnnpack_graph
from shufflenet.graph import Program
from shufflenet.runtimes import INPUT_KEY

__all__ = ["write"]


def write(program: Program, request: Request) -> dict[str, bytes]:
    """Return the content of a program by the name of its file.

    Its method ``forward`` takes float32 images ``(n, c, h, w)``, normalized, or pixels from 0 to
    255 if the network takes bytes, and returns logits. Each text of the metadata is the result of a
    method of its own, named by its key, and ``shufflenet.input`` says which images: ``normalized``
    or ``pixels``.

    Raises:
        SpecError: the network has an operation that XNNPACK cannot express.
    """
    shapes = program.shapes[program.images], program.shapes[program.logits]
    texts = {INPUT_KEY: "pixels" if program.takes_bytes else "normalized", **request.metadata}
    content = pte_bytes(xnnpack_graph(program), shapes, texts)
    return {f"{request.stem}.pte": content}
