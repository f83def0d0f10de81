"""A network as a module: functions in LLVM's intermediate representation, and their constants."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from llvmlite import ir

from shufflenet.codegen.kernels import (
    BYTES,
    CLASS_VECTORS,
    COLORS,
    FLOATS,
    INDEX,
    OFFSETS,
    Kernel,
    Kernels,
    Layout,
    Multiplier,
    Signature,
    Value,
    all_fit_pairs,
    class_panels,
    float_multiplier,
    index,
    int8_multiplier,
    panel_counts,
    panel_widths,
)
from shufflenet.codegen.plan import (
    PIXELS,
    Gemm,
    Memory,
    Planes,
    Step,
    Writer,
    dense,
    plan_steps,
    write_steps,
)
from shufflenet.graph import Convolution, Linear, Network, QuantParams
from shufflenet.preprocess import affine
from shufflenet.spec import Preprocess, Target

__all__ = ["Module", "build", "check", "missing_instructions"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Module:
    """A network for images of one shape and one target.

    Its functions, in C:

    - ``prepare(arena)`` fills an arena with the borders of maps, once before it is used;
    - ``features(arena, constants, tables, const float *image)`` computes what the classifier reads
      of an image, ``(channels, height, width)``;
    - ``features_of_pixels(arena, constants, tables, const uint8_t *pixels)``, if the module takes
      pixels, does so of ``(height, width, 3)`` RGB bytes, which it normalizes;
    - ``logits(features, constants, tables, float *logits, int64_t images)`` computes the logits of
      images whose features, ``(images, features_pitch)``, lie side by side.

    Threads may call them at a time, each with an arena of its own.

    Attributes:
        code: The functions.
        target: The processor that they are for.
        constants: Weights and epilogues, ``(bytes,)``; they must begin at a cache line.
        tables: Offsets, int32 ``(n,)``.
        dtype: The type of the elements of the arena and of features.
        arena_elements: Elements of an arena, which must begin at a cache line.
        features_at: The element of the arena at which features begin.
        features_pitch: Elements of one image's features, padded.
        classes: The number of classes.
        logits_pitch: float32 values of one image's logits, padded.
        takes_pixels: Whether there is ``features_of_pixels``.
    """

    code: ir.Module
    target: Target
    constants: npt.NDArray[np.uint8]
    tables: npt.NDArray[np.int32]
    dtype: type[np.generic]
    arena_elements: int
    features_at: int
    features_pitch: int
    classes: int
    logits_pitch: int
    takes_pixels: bool

    @property
    def arena_bytes(self) -> int:
        """Bytes of an arena."""
        return self.arena_elements * np.dtype(self.dtype).itemsize


def build(
    network: Network,
    target: Target,
    shape: tuple[int, int, int],
    preprocess: Preprocess | None = None,
) -> Module:
    """Build the module of a network for images of one shape; that takes tenths of a second.

    Args:
        network: The layers of an exported file.
        target: The processor to generate code for.
        shape: Channels, height and width of images, px.
        preprocess: How pixels become images; without it, or if it subtracts a mean image, the
            module takes no pixels.

    Raises:
        KeyError: a layer reads a map that no layer before it computes.
        ValueError: maps do not fit each other, the first convolution reads another number of
            channels, or the target has no instructions that multiply bytes.
    """
    code = ir.Module()
    kernels = Kernels.create(code, _multiplier(network, target))
    memory = Memory(kernels.layout.dtype)
    images = _planes(network, shape)
    memory.allocate_new(images)
    steps = plan_steps(network.layers, kernels.layout, images)
    entries = _Entries(kernels, memory, images, network.input_params)
    computation = entries.write_network(steps)
    entries.write_features(computation)
    takes_pixels = shape[0] == COLORS and preprocess is not None and not preprocess.mean_image
    if preprocess is not None and takes_pixels:
        entries.write_features_of_pixels(computation, preprocess)
    features = steps[-1].output
    entries.write_logits(features.pitch, network.classifier)
    entries.write_prepare()
    classes = len(network.classifier.weight)
    return Module(
        code=code,
        target=target,
        constants=memory.constants(),
        tables=memory.tables(),
        dtype=kernels.layout.dtype,
        arena_elements=memory.length,
        features_at=features.at,
        features_pitch=features.pitch,
        classes=classes,
        logits_pitch=_logits_pitch(kernels.layout, classes),
        takes_pixels=takes_pixels,
    )


def check(network: Network, target: Target, channels: int) -> None:
    """Check that a network can be built for images of so many channels, which takes no time.

    Raises:
        KeyError: a layer reads a map that no layer before it computes.
        ValueError: maps do not fit each other, the first convolution reads another number of
            channels, or the target has no instructions that multiply bytes.
    """
    images = _planes(network, (channels, 64, 64))
    plan_steps(network.layers, _multiplier(network, target).layout, images)


def missing_instructions(network: Network, target: Target) -> str:
    """Return the instructions that a target lacks to compute a network; empty if it lacks none."""
    if network.input_params is None:
        return ""
    if not target.multiplies_bytes:
        return "AVX2"
    return "VNNI" if target.multiplies_bytes == "AVX2" and not all_fit_pairs(network) else ""


def _planes(network: Network, shape: tuple[int, int, int]) -> Planes:
    """Return the planes of the images.

    Raises:
        ValueError: the first convolution reads another number of channels.
    """
    stem, (channels, height, width) = network.layers[0], shape
    if not isinstance(stem, Convolution) or stem.weight.shape[1] != channels:
        raise ValueError("the first convolution reads another number of channels")
    return Planes(
        channels=channels,
        height=height,
        width=width,
        border=stem.kernel // 2,
        outside=stem.padding_value,
    )


def _multiplier(network: Network, target: Target) -> Multiplier:
    return (float_multiplier if network.input_params is None else int8_multiplier)(target)


def _logits_pitch(layout: Layout, classes: int) -> int:
    return class_panels(layout, classes) * CLASS_VECTORS * layout.columns


class _Entries:
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

    def write_network(self, steps: Sequence[Step]) -> Kernel:
        """Write the function that computes features of the images in their planes."""
        layout = self._kernels.layout
        f = self._kernels.library.function("network", self._blocks)
        f.function.linkage = "internal"
        f.function.attributes.add("optnone")  # it only calls kernels: nothing would be gained
        widest = max(step.source.pitch(layout) for step in steps if isinstance(step, Gemm))
        w = Writer(f, self._kernels, self._memory, self._memory.reserve(PIXELS * widest))
        self._kernels.begin(f)
        write_steps(w, steps)
        self._kernels.end(f)
        f.ret_void()
        return Kernel(f.function, self._blocks)

    def write_features(self, network: Kernel) -> None:
        """Write the function that computes features of float32 images."""
        signature = self._blocks | Signature({"image": FLOATS})
        f = self._kernels.library.function("features", signature)
        w, images = Writer(f, self._kernels, self._memory, 0), self._images
        rows = images.channels * images.height
        self._kernels.input.images().call(
            f,
            source=f.arguments.image,
            source_offsets=w.table(np.arange(rows) * images.width),
            output=w.place(images.at),
            output_offsets=w.table(images.rows()),
            rows=rows,
            elements=images.width,
            **self._encoding,
        )
        network.forward(f)
        f.ret_void()

    def write_features_of_pixels(self, network: Kernel, preprocess: Preprocess) -> None:
        """Write the function that computes features of RGB bytes."""
        signature = self._blocks | Signature({"pixels": BYTES})
        f = self._kernels.library.function("features_of_pixels", signature)
        w, images = Writer(f, self._kernels, self._memory, 0), self._images
        order = (0, 1, 2) if preprocess.channels == "rgb" else (2, 1, 0)
        self._kernels.input.pixels(order).call(
            f,
            source=f.arguments.pixels,
            output=w.place(images.at),
            output_offsets=w.table(images.rows()),
            rows=images.height,
            columns=images.width,
            colors=w.constant(np.concatenate(affine(preprocess)).astype(np.float32)),
            **self._encoding,
        )
        network.forward(f)
        f.ret_void()

    def write_logits(self, pitch: int, layer: Linear) -> None:
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
        logits_pitch = _logits_pitch(layout, len(layer.weight))
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

    def write_prepare(self) -> None:
        """Write the function that fills an arena: zeros, and the borders of maps."""
        f = self._kernels.library.function("prepare", Signature({"arena": self._elements}))
        fill = self._kernels.moves.fill()
        fill.call(f, output=f.arguments.arena, elements=self._memory.length, value=0.0)
        for buffer in self._memory.bordered:
            if buffer.outside:
                output = f.at(f.arguments.arena, buffer.at)
                fill.call(f, output=output, elements=buffer.size, value=buffer.outside)
        f.ret_void()
