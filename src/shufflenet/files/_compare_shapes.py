"""Shapes of weights compared with the network that a card describes."""

from collections.abc import Mapping

from shufflenet.layers import Layer, layers
from shufflenet.spec import Card

__all__ = ["compare_shapes"]


def compare_shapes(shapes: Mapping[str, tuple[int, ...]], card: Card) -> list[str]:
    """Return how the shapes of a file differ from those of a card's network; none if they fit.

    A convolution's weight is ``(out, in / groups, height, width)``, a linear layer's ``(out, in)``.
    """
    differences = []
    # Shapes of weights do not depend on the image's size.
    for layer in layers(card.network, 1, 1, card.detector):
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
