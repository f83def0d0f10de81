"""From a float ONNX file to one in int8, calibrated on real images and judged on others."""

from shufflenet.quantize._layers import LayerNoise
from shufflenet.quantize._quantize import Quantized, quantize_onnx
from shufflenet.quantize._round import WeightRange

__all__ = ["LayerNoise", "Quantized", "WeightRange", "quantize_onnx"]
