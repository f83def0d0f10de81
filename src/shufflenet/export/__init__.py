"""Export: a network written as a file of another format, after a comparison of their logits."""

from shufflenet.export._file import export_file, export_onnx, export_onnx_file, find_format
from shufflenet.export._options import Exported, ExportOptions, Request

__all__ = [
    "ExportOptions",
    "Exported",
    "Request",
    "export_file",
    "export_onnx",
    "export_onnx_file",
    "find_format",
]
