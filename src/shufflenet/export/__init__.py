"""A network as a file of another format, proved equal to it."""

from shufflenet.export._onnx import OPSETS, TOLERANCE, Exported, export_kept, export_onnx

__all__ = ["OPSETS", "TOLERANCE", "Exported", "export_kept", "export_onnx"]
