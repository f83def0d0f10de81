"""The functions of a module that are called from outside."""

from collections.abc import Mapping, Sequence

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
from shufflenet.codegen.plan import (
    Buffer,
    Memory,
    Planes,
    Turn,
    Writer,
    dense,
    write_turns,
)
from shufflenet.graph import Linear, QuantParams
from shufflenet.preprocess import affine
from shufflenet.spec import Preprocess

__all__ = ["Entries", "padded_classes"]


def padded_classes(layout: Layout, classes: int) -> int:
    """Return how many float32 the logits of one image take, padded to whole panels."""
    return class_panels(layout, classes) * CLASS_VECTORS * layout.columns


class Entries:
    """Writes the functions of a module that are called from outside.

    Args:
        kernels: The kernels by the type of the elements of maps.
        memory: What lies in the blocks.
        images: The planes of the images.
        params: The quantization parameters of the images, if they are read as bytes.
    """

    def __init__(
        self,
        kernels: Mapping[type[np.generic], Kernels],
        memory: Memory,
        images: Planes,
        params: QuantParams | None,
    ) -> None:
        self._kernels = kernels
        self._memory = memory
        self._images = images
        self._encoding = {
            "scale": 1 / params.scale if params else 1.0,
            "zero": float(params.zero_point) if params else 0.0,
        }
        self._of_images = kernels[images.dtype]
        self._blocks = Signature({"arena": BYTES, "constants": BYTES, "tables": OFFSETS})

    def write(
        self,
        turns: Sequence[Turn],
        classifier: Linear,
        preprocess: Preprocess | None,
        *,
        batches: bool,
    ) -> None:
        """Write all functions (see ``Module``); of pixels only with a preprocessing."""
        network = self._write_network(turns)
        self._write_features(network)
        if preprocess is not None:
            self._write_features_of_pixels(network, preprocess)
        self._write_logits(turns[-1].steps[-1].output, classifier, batches=batches)
        self._write_prepare()

    def _write_network(self, turns: Sequence[Turn]) -> Kernel:
        """Write the function that computes features of the images in their planes."""
        f = self._of_images.library.function("network", self._blocks)
        f.function.linkage = "internal"
        f.function.attributes.add("optnone")  # it only calls kernels: nothing would be gained
        writers = {
            dtype: Writer(f, kernels, self._memory) for dtype, kernels in self._kernels.items()
        }
        for kernels in self._kernels.values():
            kernels.begin(f)
        write_turns(writers, turns)
        for kernels in self._kernels.values():
            kernels.end(f)
        f.ret_void()
        return Kernel(f.function, self._blocks)

    def _write_features(self, network: Kernel) -> None:
        """Write the function that computes features of float32 images."""
        signature = self._blocks | Signature({"image": FLOATS})
        f = self._of_images.library.function("features", signature)
        w, images = Writer(f, self._of_images, self._memory), self._images
        rows = images.channels * images.height
        self._fill_shared_planes(w)
        self._of_images.input.images().call(
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
        f = self._of_images.library.function("features_of_pixels", signature)
        w, images = Writer(f, self._of_images, self._memory), self._images
        order = (0, 1, 2) if preprocess.channels == "rgb" else (2, 1, 0)
        self._fill_shared_planes(w)
        self._of_images.input.pixels(order).call(
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

    def _fill_shared_planes(self, w: Writer) -> None:
        """Write what fills the planes, and so their borders, if their bytes were those of maps."""
        if self._memory.shares_bytes:
            self._fill(w, self._images)

    def _fill(self, w: Writer, planes: Buffer | Planes) -> None:
        fill = w.kernels.moves.fill()
        fill.call(w.f, output=w.place(planes), elements=planes.size, value=planes.outside)

    def _write_logits(self, features: Buffer, layer: Linear, *, batches: bool) -> None:
        """Write the function that computes logits: of one image, or of many, which share weights.

        Args:
            features: The map that the classifier reads of one image.
            layer: The classifier.
            batches: Whether also of many: their weights are stored in another order, once more.
        """
        kernels = self._kernels[features.dtype]
        signature = Signature(
            {
                "features": kernels.numbers.element.as_pointer(),
                "constants": BYTES,
                "tables": OFFSETS,
                "logits": FLOATS,
                "images": INDEX,
            }
        )
        f = kernels.library.function("logits", signature)
        w = Writer(f, kernels, self._memory)
        if not batches:
            self._write_logits_of_one(w, layer)
            f.ret_void()
            return
        with f.if_else(f.icmp_signed("==", f.arguments.images, index(1))) as (one, many):
            with one:
                self._write_logits_of_one(w, layer)
            with many:
                self._write_logits_of_many(w, features.pitch, layer)
        f.ret_void()

    def _write_logits_of_one(self, w: Writer, layer: Linear) -> None:
        layout = w.layout
        panels = class_panels(layout, len(layer.weight))
        weights, epilogue = self._classifier(w, layer, [CLASS_VECTORS * layout.columns] * panels)
        w.kernels.gemm.linear().forward(
            w.f,
            steps=layout.steps(layer.weight.shape[1]),
            weights=weights,
            panels=panels,
            epilogue=epilogue,
            zero=w.table([0]),
        )

    def _write_logits_of_many(self, w: Writer, pitch: int, layer: Linear) -> None:
        layout, a = w.layout, w.f.arguments
        logits_pitch = padded_classes(layout, len(layer.weight))
        widths = panel_widths(layout, logits_pitch)
        weights, epilogue = self._classifier(w, layer, widths)
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

    def _classifier(self, w: Writer, layer: Linear, widths: list[int]) -> list[Value]:
        """Return pointers to the classifier's weights and epilogue in panels of these widths."""
        layout = w.layout
        weights = layout.pack(layer.weight.T, widths, "logits")
        epilogue = layout.pack_epilogue(layer.scale, layer.bias, widths, "logits")
        return [w.constant(weights), w.constant(epilogue)]

    def _write_prepare(self) -> None:
        """Write the function that fills an arena: zeros, and the borders of maps."""
        f = self._of_images.library.function("prepare", Signature({"arena": BYTES}))
        whole = Planes(
            channels=1,
            height=1,
            width=self._memory.length // np.dtype(self._images.dtype).itemsize,
            border=0,
            dtype=self._images.dtype,
            at=0,
        )
        outside = [each for each in self._memory.bordered if each.outside]
        for each in (whole, *outside):
            self._fill(Writer(f, self._kernels[each.dtype], self._memory), each)
        f.ret_void()
