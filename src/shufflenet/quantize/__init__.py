"""Quantization of a float ONNX file to int8, calibrated on real images and checked on others."""

from shufflenet.quantize._layer_noise import LayerNoise
from shufflenet.quantize._options import QuantizeOptions, WeightRange
from shufflenet.quantize._quantize import Quantized, quantize_onnx

__all__ = ["LayerNoise", "QuantizeOptions", "Quantized", "WeightRange", "quantize_onnx"]
