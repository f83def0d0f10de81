"""Export: a network written as a file of another format, after a comparison of their logits."""

from shufflenet.export._file import Exported, ExportOptions, export_file
from shufflenet.export._onnx import OPSETS, export_onnx
from shufflenet.export._parity import Compute, Parity, check_parity

__all__ = [
    "OPSETS",
    "Compute",
    "ExportOptions",
    "Exported",
    "Parity",
    "check_parity",
    "export_file",
    "export_onnx",
]
