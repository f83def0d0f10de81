"""Shapes of weights compared with the network that a card describes."""

from collections.abc import Mapping

from shufflenet.layers import Layer, layers
from shufflenet.spec import NetworkSpec

__all__ = ["compare_shapes"]


def compare_shapes(shapes: Mapping[str, tuple[int, ...]], spec: NetworkSpec) -> list[str]:
    """Return how the shapes of a file differ from those of a network's weights; none if they fit.

    A convolution's weight is ``(out, in / groups, height, width)``, a linear layer's ``(out, in)``.
    """
    differences = []
    for layer in layers(spec, 1, 1):  # shapes of weights do not depend on the image's size
        difference = _difference(shapes.get(f"{layer.name}.weight"), layer)
        if difference:
            differences.append(f"{layer.name}.weight {difference}")
    return differences


def _difference(shape: tuple[int, ...] | None, layer: Layer) -> str:
    """Return how a weight differs from that of a layer, as a predicate; empty if it does not."""
    if shape is None:
        return "is missing"
    expected = (layer.out_channels, layer.in_channels // layer.groups, layer.kernel, layer.kernel)
    if shape == expected or (shape == expected[:2] and layer.kernel == 1):  # a linear layer's
        return ""
    return f"has shape {shape}, not {expected}"
