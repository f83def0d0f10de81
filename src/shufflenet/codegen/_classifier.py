"""The classifier: the logits of one image, and those of many."""

import numpy as np

from shufflenet.codegen.kernels import (
    Array,
    Layout,
    Value,
    class_panels,
    panel_counts,
    panel_widths,
)
from shufflenet.codegen.plan import Writer, dense
from shufflenet.graph import Linear

__all__ = ["padded_classes", "write_logits_of_many", "write_logits_of_one"]


def padded_classes(layout: Layout, classes: int) -> int:
    """Return how many float32 the logits of one image take, padded to whole panels."""
    return class_panels(layout, classes) * layout.class_vectors * layout.columns


def write_logits_of_one(w: Writer, layer: Linear, features: Value) -> None:
    """Write the logits of one image, whose panels a team divides.

    Args:
        w: The function that is written; its argument ``logits`` points to them.
        layer: The classifier.
        features: Pointer to the features.
    """
    layout, logits = w.layout, w.f.arguments.logits
    panels, width = class_panels(layout, len(layer.weight)), layout.class_vectors * layout.columns
    packed = _pack(layout, layer, [width] * panels)
    weights, epilogue = map(w.constant, packed)
    words, numbers = (values.nbytes // 4 // panels for values in packed)
    for first, count in w.parts(panels, panels):
        w.kernels.gemm.linear().call(
            w.f,
            features=features,
            steps=layout.steps(layer.weight.shape[1]),
            weights=w.f.at(weights, w.times(first, words)),
            panels=count,
            epilogue=w.f.at(epilogue, w.times(first, numbers)),
            logits=w.f.at(logits, w.times(first, width)),
            zero=w.table([0]),
        )


def write_logits_of_many(w: Writer, layer: Linear, pitch: int) -> None:
    """Write the logits of several images, which share the weights that are loaded.

    Args:
        w: The function that is written; its arguments are ``features``, ``logits`` and how many
            ``images`` there are.
        layer: The classifier.
        pitch: Elements of one image's features.
    """
    layout, a = w.layout, w.f.arguments
    logits_pitch = padded_classes(layout, len(layer.weight))
    widths = panel_widths(layout, logits_pitch)
    weights, epilogue = map(w.constant, _pack(layout, layer, widths))
    counts = panel_counts(layout, widths)
    w.kernels.gemm.product("logits").call(
        w.f,
        values=a.features,
        value_offsets=w.table(dense(pitch)),
        pixels=a.images,
        steps=layout.steps(layer.weight.shape[1]),
        weights=weights,
        epilogue=epilogue,
        output=a.logits,
        output_offsets=w.table(dense(logits_pitch)),
        floor=-np.inf,
        ceiling=np.inf,
        **{f"panels_{vectors}": count for vectors, count in counts.items()},
    )


def _pack(layout: Layout, layer: Linear, widths: list[int]) -> tuple[Array, Array]:
    """Return the classifier's weights and epilogue in panels of these widths."""
    weights = layout.pack(layer.weight.T, widths, "logits")
    return weights, layout.pack_epilogue(layer.scale, layer.bias, widths, "logits")
