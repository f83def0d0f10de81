"""Programs of torch.export (``.pt2``)."""

import io
import warnings
from collections.abc import Mapping

import torch

from shufflenet.export._fx import ProgramNet
from shufflenet.export._options import Request
from shufflenet.files import read_pt2, write_pt2
from shufflenet.files import seal as sealed
from shufflenet.graph import Program

__all__ = ["seal", "write"]


def write(program: Program, request: Request) -> dict[str, bytes]:
    """Return the content of a program by the name of its file.

    It takes images ``(n, c, h, w)``, normalized float32, or pixels as uint8 if the network takes
    bytes, and returns logits; ``n`` is free unless a number is asked for. An int8 network is
    written as compilers of torch take it: with quantize and dequantize operations between float32
    ones, and weights in int8. Each text of the metadata is an extra file of the archive.
    """
    batch, shape = request.options.batch, program.shapes[program.images]
    dtype = torch.uint8 if program.takes_bytes else torch.float32
    example = torch.zeros((batch or 2, *shape[1:]), dtype=dtype)
    free = None if batch else ({0: torch.export.Dim("batch")},)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        exported = torch.export.export(
            ProgramNet(program).eval(), (example,), dynamic_shapes=free, strict=False
        )
        for node in exported.graph.nodes:  # notes on this package's source, and its paths
            for note in set(node.meta) - {"val", "tensor_meta"}:
                del node.meta[note]
        exported._example_inputs = None  # which would be stored, pickled
        stream = io.BytesIO()
        torch.export.save(exported, stream, extra_files=dict(request.metadata))
    return {f"{request.stem}.pt2": stream.getvalue()}


def seal(contents: Mapping[str, bytes]) -> dict[str, bytes]:
    """Return a file with the hash of all that its archive holds in the place of ``UNSEALED``."""
    ((name, content),) = contents.items()
    entries = read_pt2(content)
    dropped = ".data/serialization_id"  # of the moment it was written
    return {name: write_pt2(sealed({k: v for k, v in entries.items() if k != dropped}))}
