"""Export: a network written as a file of another format, after a comparison of their logits."""

from shufflenet.export._onnx import OPSETS, Exported, export_onnx
from shufflenet.export._parity import Compute, Parity, check_parity

__all__ = ["OPSETS", "Compute", "Exported", "Parity", "check_parity", "export_onnx"]
