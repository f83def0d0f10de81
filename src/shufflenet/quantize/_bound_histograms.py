"""ONNX Runtime's histograms of values, with a bound on the number of their bins."""

import numpy as np
from onnxruntime.quantization.calibrate import HistogramCalibrater, HistogramCollector

from shufflenet.graph import Array

__all__ = ["bound_histograms"]

_GROWTH = 64  # times the bins that a histogram begins with


def bound_histograms(calibrator: HistogramCalibrater) -> None:
    """Make a calibrator whose histograms have been given no values collect them with a bound.

    ONNX Runtime keeps the width of a histogram's bins and adds bins as values grow. If the first
    images are black, the first values may be a millionth of later ones, and the bins fill memory.
    """
    calibrator.collector = _BoundedCollector(
        method=calibrator.method,
        symmetric=calibrator.symmetric,
        num_bins=calibrator.num_bins,
        num_quantized_bins=calibrator.num_quantized_bins,
        percentile=calibrator.percentile,
        scenario=calibrator.scenario,
    )


class _BoundedCollector(HistogramCollector):  # type: ignore[misc]  # it has no types
    """Histograms that begin anew, with the old values in the middle, before they have more bins."""

    def merge_histogram(self, old_histogram: tuple[Array, ...], *new: Array) -> object:
        """Return a histogram with values added; arguments and result are ONNX Runtime's."""
        counts, edges, least, greatest, threshold = old_histogram
        if len(counts) * float(new[-1]) > _GROWTH * self.num_bins * float(threshold) > 0:
            middle = np.zeros(self.num_bins, counts.dtype)
            middle[self.num_bins // 2] = counts.sum()
            old_histogram = (middle, edges, least, greatest, 0 * threshold)
        return super().merge_histogram(old_histogram, *new)
