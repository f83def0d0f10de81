"""What a user may choose about quantization."""

from dataclasses import dataclass
from typing import Literal, TypeAlias

__all__ = ["CALIBRATORS", "Calibrator", "QuantizeOptions", "WeightRange"]

Calibrator: TypeAlias = Literal["minmax", "percentile", "entropy"]
CALIBRATORS: tuple[Calibrator, ...] = ("minmax", "percentile", "entropy")
WeightRange: TypeAlias = Literal["portable", "full"]


@dataclass(frozen=True, slots=True, kw_only=True)
class QuantizeOptions:
    """How a network is quantized.

    Attributes:
        max_drop_percent: The share of the float network's correct answers that may be lost, from 0
            to 100 percent; of few images one or two more, see :func:`allow`.
        calibration_images: The number of images to calibrate on; None for 2,000, or as many as hold
            12 million pixels.
        weight_range: ``portable`` weights, which every processor computes with exactly, or
            ``full``, all of -127 to 127; see :func:`round_weights`.
        calibrators: The methods that choose the ranges of activations; the one with the least noise
            is kept.
        pixels: Whether the file takes bytes, ``(n, c, h, w)``, instead of normalized images.
        report_layers: Whether to measure the noise of each layer, which takes longer.
        seed: The seed for drawing images.
    """

    max_drop_percent: float = 1.0
    calibration_images: int | None = None
    weight_range: WeightRange = "portable"
    calibrators: tuple[Calibrator, ...] = CALIBRATORS
    pixels: bool = False
    report_layers: bool = False
    seed: int = 0
