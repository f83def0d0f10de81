"""A network for images of one shape, as machine code."""

import ctypes
import threading
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
from llvmlite import binding, ir

from shufflenet.codegen._float_kernels import FloatKernels
from shufflenet.codegen._int8_dots import DotKernels
from shufflenet.codegen._int8_pairs import PairKernels
from shufflenet.codegen._int8_tiles import TileKernels, tiles_permitted
from shufflenet.codegen._int8_weights import all_fit
from shufflenet.codegen._ir import BYTES, FLOATS, INDEX, OFFSETS, Value, index
from shufflenet.codegen._kernels import CLASSES, Kernels
from shufflenet.codegen._memory import LINE_BYTES, Array, Buffer, Memory, Planes, aligned
from shufflenet.codegen._plan import plan
from shufflenet.codegen._schedule import write_steps
from shufflenet.codegen._steps import Gemm, Step
from shufflenet.codegen._writer import PIXELS, Writer, dense
from shufflenet.graph import Convolution, Floats, Linear, Network, QuantParams

__all__ = ["Compiled", "check", "lacking"]

_INT8_KERNELS: dict[str, Callable[[ir.Module], Kernels]] = {
    "AMX": TileKernels,
    "AVX-512 VNNI": partial(DotKernels, columns=16),
    "AVX-VNNI": partial(DotKernels, columns=8),
    "AVX2": PairKernels,
}


class Compiled:
    """A network for images of one shape, compiled for this processor."""

    def __init__(self, network: Network, channels: int, height: int, width: int) -> None:
        """Compile it, which takes about a second.

        Args:
            network: What it computes.
            channels: Of the images.
            height: Of the images, px.
            width: Likewise.
        """
        self.classes = len(network.classifier.weight)
        module = ir.Module()
        kernels = _kernels(module, network)
        self._memory = Memory(kernels.dtype)
        steps, images = _planned(network, kernels, channels, height, width)
        _write_features(module, kernels, self._memory, images, steps, network.input_params)
        self._features = steps[-1].output
        self._pitch = kernels.class_panels(self.classes) * CLASSES * kernels.columns
        _write_logits(module, kernels, self._memory, self._features.pitch, network.classifier)
        # Kept, for the code reads them by their addresses.
        self._blocks = self._memory.constants(), self._memory.tables()
        self._addresses = [block.ctypes.data for block in self._blocks]
        self._engine = _built(module, _machine())  # frees the code when it goes
        self._to_features = self._function("features", *[ctypes.c_void_p] * 4)
        self._to_logits = self._function("logits", *[ctypes.c_void_p] * 4, ctypes.c_int64)
        self._own = threading.local()

    def features(self, image: Floats) -> Array:
        """Map an image, ``(channels, height, width)``, to what the classifier reads.

        Threads may call it at a time, each in an arena of its own.
        """
        return self._computed(image).features.copy()

    def logits(self, features: Sequence[Array]) -> Floats:
        """Map the features of images to logits, ``(n, classes)``, those of many at a time."""
        found = np.empty((len(features), self._pitch), np.float32)
        for start in range(0, len(features), PIXELS):
            rows = features[start : start + PIXELS]
            length = sum(len(row) for row in rows)
            # A line to spare, for steps may read beyond the last row.
            block = aligned(length + LINE_BYTES, self._memory.dtype)
            np.concatenate(rows, out=block[:length])
            goal = found[start:].ctypes.data
            self._to_logits(block.ctypes.data, *self._addresses, goal, len(rows))
        return found[:, : self.classes]

    def logits_of(self, image: Floats) -> Floats:
        """Map one image to its logits, ``(1, classes)``, as fast as that can be."""
        own = self._computed(image)
        self._to_logits(own.features_address, *self._addresses, own.logits_address, 1)
        return own.logits[:, : self.classes].copy()

    def _computed(self, image: Floats) -> "_Arena":
        """Compute an image's features in this thread's arena."""
        if not hasattr(self._own, "arena"):
            self._own.arena = _Arena(self._memory.arena(), self._features, self._pitch)
        own: _Arena = self._own.arena
        image = np.ascontiguousarray(image)
        self._to_features(own.address, *self._addresses, image.ctypes.data)
        return own

    def _function(self, name: str, *takes: Any) -> Callable[..., None]:  # noqa: ANN401  # of ctypes
        return ctypes.CFUNCTYPE(None, *takes)(self._engine.get_function_address(name))


class _Arena:
    """What a thread computes in.

    Addresses are kept, for numpy takes some 20 microseconds to tell one when its code has left the
    caches, as it has after a network was computed.

    Attributes:
        address: Where it begins.
        features: The part of it that the classifier reads.
        logits: Of one image, filled up to whole panels.
    """

    def __init__(self, block: Array, features: Buffer, pitch: int) -> None:
        self._block = block  # kept, for the code reads it by its address
        self.features = block[features.at :][: features.pitch]
        self.logits = np.empty((1, pitch), np.float32)
        self.address, self.features_address, self.logits_address = (
            each.ctypes.data for each in (block, self.features, self.logits)
        )


def check(network: Network, channels: int) -> None:
    """See whether a network can be compiled, which takes no time.

    Raises:
        KeyError: a layer reads what is not made before.
        ValueError: maps do not fit each other, or nothing reads a layer.
    """
    _planned(network, _kernels(ir.Module(), network), channels, 64, 64)


def lacking(network: Network) -> str:
    """Name the instructions that this processor lacks to compute a network; nothing, if none."""
    if network.input_params is None:
        return ""
    best = _instructions()
    if not best:
        return "AVX2"
    return "VNNI" if best == "AVX2" and not all_fit(network) else ""


def _planned(
    network: Network, kernels: Kernels, channels: int, height: int, width: int
) -> tuple[list[Step], Planes]:
    """Plan a network for images of a shape.

    Raises:
        ValueError: it takes others.
    """
    stem = network.layers[0]
    if not isinstance(stem, Convolution) or stem.weight.shape[1] != channels:
        raise ValueError("the first convolution takes images of other channels")
    images = Planes(
        channels=channels,
        height=height,
        width=width,
        border=stem.kernel // 2,
        outside=stem.padding_value,
    )
    return plan(network.layers, kernels, images), images


def _write_features(
    module: ir.Module,
    kernels: Kernels,
    memory: Memory,
    images: Planes,
    steps: Sequence[Step],
    codes: QuantParams | None,
) -> None:
    """Write the function that computes an image's features."""
    f = kernels.function("features", (kernels.elements, BYTES, OFFSETS, FLOATS))
    f.function.attributes.add("optnone")  # it only calls kernels: there is nothing to gain in it
    arena, constants, tables, image = f.arguments
    widest = max(step.source.pitch(kernels) for step in steps if isinstance(step, Gemm))
    memory.settle(images)
    w = Writer(f, kernels, memory, arena, constants, tables, memory.reserve(PIXELS * widest))
    rows = images.channels * images.height
    given, kept = w.table(np.arange(rows) * images.width), w.table(images.rows())
    factor, more = (1 / codes.scale, float(codes.zero_point)) if codes else (1.0, 0.0)
    kernels.begin(f)
    planes = w.place(images.at)
    w.call(kernels.images(), image, given, planes, kept, rows, images.width, factor, more)
    write_steps(w, steps)
    kernels.end(f)
    f.ret_void()


def _write_logits(
    module: ir.Module, kernels: Kernels, memory: Memory, pitch: int, layer: Linear
) -> None:
    """Write the function that computes logits: of one image, or of many, which share weights."""
    f = kernels.function("logits", (kernels.elements, BYTES, OFFSETS, FLOATS, INDEX))
    features, constants, tables, logits, images = f.arguments
    w = Writer(f, kernels, memory, features, constants, tables, 0)
    weight, panels = layer.weight.T, kernels.class_panels(len(layer.weight))
    width, steps = CLASSES * kernels.columns, kernels.steps(len(layer.weight.T))

    def constants_of(widths: list[int]) -> list[Value]:
        own = kernels.packed(weight, widths, "logits")
        ends = kernels.ends(layer.scale, layer.bias, widths, "logits")
        return [w.constant(own), w.constant(ends)]

    with f.if_else(f.icmp_signed("==", images, index(1))) as (one, many):
        with one:
            own, ends = constants_of([width] * panels)
            w.call(kernels.linear(), features, steps, own, panels, ends, logits, w.table([0]))
        with many:
            widths = kernels.panels(panels * width)
            own, ends = constants_of(widths)
            w.call(
                kernels.product("logits"),
                *(features, w.table(dense(pitch)), images, steps, own),
                *(*kernels.counts(widths), ends, logits, w.table(dense(panels * width))),
                *(-np.inf, np.inf),
            )
    f.ret_void()


def _kernels(module: ir.Module, network: Network) -> Kernels:
    if network.input_params is None:
        return FloatKernels(module, *_vectors())
    return _INT8_KERNELS[_instructions()](module)


def _instructions() -> str:
    """Name the fastest that this processor multiplies bytes by; nothing, if it has none known.

    Where AMX is there, the system is asked to let this process use it.
    """
    features = binding.get_host_cpu_features()

    def has(*names: str) -> bool:
        return all(features.get(name) for name in names)

    wide = has("avx512vnni", "avx512bw", "avx512vl")
    if wide and has("amx-tile", "amx-int8") and tiles_permitted():
        return "AMX"
    if wide:
        return "AVX-512 VNNI"
    if has("avxvnni", "avx2"):
        return "AVX-VNNI"
    return "AVX2" if has("avx2") else ""


def _machine() -> binding.TargetMachine:
    """Set LLVM up for this processor, with all it can; an engine takes it over and frees it."""
    binding.initialize_native_target()
    binding.initialize_native_asmprinter()
    binding.initialize_native_asmparser()
    return binding.Target.from_default_triple().create_target_machine(
        cpu=binding.get_host_cpu_name(),
        features=binding.get_host_cpu_features().flatten(),
        opt=3,
    )


def _vectors() -> tuple[int, int]:
    """Say how many float32 a vector of this processor holds, and how many vectors it has."""
    features = binding.get_host_cpu_features()
    if features.get("avx512f"):
        return 16, 32
    if features.get("avx"):
        return 8, 16
    is_arm = binding.get_process_triple().startswith(("aarch64", "arm64"))
    return 4, 32 if is_arm else 16


def _built(module: ir.Module, machine: binding.TargetMachine) -> binding.ExecutionEngine:
    """Compile a module, and keep the code in memory."""
    code = binding.parse_assembly(str(module))
    options = binding.create_pipeline_tuning_options(speed_level=3)
    options.loop_unrolling = False  # what pays is unrolled already
    passes = binding.create_pass_builder(machine, options)
    passes.getModulePassManager().run(code, passes)
    engine = binding.create_mcjit_compiler(code, machine)
    engine.finalize_object()
    return engine
