"""The functions of a module that are called from outside."""

from collections.abc import Sequence

import numpy as np

from shufflenet.codegen.kernels import (
    BYTES,
    CLASS_VECTORS,
    FLOATS,
    INDEX,
    OFFSETS,
    Kernel,
    Kernels,
    Layout,
    Signature,
    Value,
    class_panels,
    index,
    panel_counts,
    panel_widths,
)
from shufflenet.codegen.plan import PIXELS, Gemm, Memory, Planes, Turn, Writer, dense, write_turns
from shufflenet.graph import Linear, QuantParams
from shufflenet.preprocess import affine
from shufflenet.spec import Preprocess

__all__ = ["Entries", "padded_classes"]


def padded_classes(layout: Layout, classes: int) -> int:
    """Return how many float32 the logits of one image take, padded to whole panels."""
    return class_panels(layout, classes) * CLASS_VECTORS * layout.columns


class Entries:
    """Writes the functions of a module that are called from outside."""

    def __init__(
        self, kernels: Kernels, memory: Memory, images: Planes, params: QuantParams | None
    ) -> None:
        self._kernels = kernels
        self._memory = memory
        self._images = images
        self._encoding = {
            "scale": 1 / params.scale if params else 1.0,
            "zero": float(params.zero_point) if params else 0.0,
        }
        self._elements = kernels.numbers.element.as_pointer()
        self._blocks = Signature({"arena": self._elements, "constants": BYTES, "tables": OFFSETS})

    def write(
        self, turns: Sequence[Turn], classifier: Linear, preprocess: Preprocess | None
    ) -> None:
        """Write all functions (see ``Module``); of pixels only with a preprocessing."""
        network = self._write_network(turns)
        self._write_features(network)
        if preprocess is not None:
            self._write_features_of_pixels(network, preprocess)
        self._write_logits(turns[-1].steps[-1].output.pitch, classifier)
        self._write_prepare()

    def _write_network(self, turns: Sequence[Turn]) -> Kernel:
        """Write the function that computes features of the images in their planes."""
        layout = self._kernels.layout
        f = self._kernels.library.function("network", self._blocks)
        f.function.linkage = "internal"
        f.function.attributes.add("optnone")  # it only calls kernels: nothing would be gained
        steps = [step for turn in turns for step in turn.steps]
        widest = max(step.source.pitch(layout) for step in steps if isinstance(step, Gemm))
        w = Writer(f, self._kernels, self._memory, self._memory.reserve(max(1, PIXELS * widest)))
        self._kernels.begin(f)
        write_turns(w, turns)
        self._kernels.end(f)
        f.ret_void()
        return Kernel(f.function, self._blocks)

    def _write_features(self, network: Kernel) -> None:
        """Write the function that computes features of float32 images."""
        signature = self._blocks | Signature({"image": FLOATS})
        f = self._kernels.library.function("features", signature)
        w, images = Writer(f, self._kernels, self._memory, 0), self._images
        rows = images.channels * images.height
        self._kernels.input.images().call(
            f,
            source=f.arguments.image,
            source_offsets=w.table(np.arange(rows) * images.width),
            output=w.place(images),
            output_offsets=w.table(images.rows()),
            rows=rows,
            elements=images.width,
            **self._encoding,
        )
        network.forward(f)
        f.ret_void()

    def _write_features_of_pixels(self, network: Kernel, preprocess: Preprocess) -> None:
        """Write the function that computes features of RGB bytes."""
        signature = self._blocks | Signature({"pixels": BYTES})
        f = self._kernels.library.function("features_of_pixels", signature)
        w, images = Writer(f, self._kernels, self._memory, 0), self._images
        order = (0, 1, 2) if preprocess.channels == "rgb" else (2, 1, 0)
        self._kernels.input.pixels(order).call(
            f,
            source=f.arguments.pixels,
            output=w.place(images),
            output_offsets=w.table(images.rows()),
            rows=images.height,
            columns=images.width,
            colors=w.constant(np.concatenate(affine(preprocess)).astype(np.float32)),
            **self._encoding,
        )
        network.forward(f)
        f.ret_void()

    def _write_logits(self, pitch: int, layer: Linear) -> None:
        """Write the function that computes logits: of one image, or of many, which share weights.

        Args:
            pitch: Elements of one image's features.
            layer: The classifier.
        """
        signature = Signature(
            {
                "features": self._elements,
                "constants": BYTES,
                "tables": OFFSETS,
                "logits": FLOATS,
                "images": INDEX,
            }
        )
        f = self._kernels.library.function("logits", signature)
        w = Writer(f, self._kernels, self._memory, 0)
        with f.if_else(f.icmp_signed("==", f.arguments.images, index(1))) as (one, many):
            with one:
                self._write_logits_of_one(w, layer)
            with many:
                self._write_logits_of_many(w, pitch, layer)
        f.ret_void()

    def _write_logits_of_one(self, w: Writer, layer: Linear) -> None:
        layout = self._kernels.layout
        panels = class_panels(layout, len(layer.weight))
        weights, epilogue = self._classifier(w, layer, [CLASS_VECTORS * layout.columns] * panels)
        self._kernels.gemm.linear().forward(
            w.f,
            steps=layout.steps(layer.weight.shape[1]),
            weights=weights,
            panels=panels,
            epilogue=epilogue,
            zero=w.table([0]),
        )

    def _write_logits_of_many(self, w: Writer, pitch: int, layer: Linear) -> None:
        layout, a = self._kernels.layout, w.f.arguments
        logits_pitch = padded_classes(layout, len(layer.weight))
        widths = panel_widths(layout, logits_pitch)
        weights, epilogue = self._classifier(w, layer, widths)
        counts = panel_counts(layout, widths)
        self._kernels.gemm.product("logits").call(
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

    def _classifier(self, w: Writer, layer: Linear, widths: list[int]) -> list[Value]:
        """Return pointers to the classifier's weights and epilogue in panels of these widths."""
        layout = self._kernels.layout
        weights = layout.pack(layer.weight.T, widths, "logits")
        epilogue = layout.pack_epilogue(layer.scale, layer.bias, widths, "logits")
        return [w.constant(weights), w.constant(epilogue)]

    def _write_prepare(self) -> None:
        """Write the function that fills an arena: zeros, and the borders of maps."""
        f = self._kernels.library.function("prepare", Signature({"arena": self._elements}))
        fill = self._kernels.moves.fill()
        fill.call(f, output=f.arguments.arena, elements=self._memory.length, value=0.0)
        for buffer in self._memory.bordered:
            if buffer.outside:
                output = f.at(f.arguments.arena, buffer.at)
                fill.call(f, output=output, elements=buffer.size, value=buffer.outside)
        f.ret_void()
