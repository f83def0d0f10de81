"""A network for images of one shape, as machine code."""

import ctypes
import threading
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from llvmlite import binding, ir

from shufflenet.native._ir import FLOATS, OFFSETS, Function
from shufflenet.native._kernels import Kernels
from shufflenet.native._layers import Convolution, Layer
from shufflenet.native._memory import Memory, Planes
from shufflenet.native._order import write_steps
from shufflenet.native._plan import plan
from shufflenet.native._steps import PIXELS, Product, Step, Writer

__all__ = ["Compiled"]


class Compiled:
    """A network for images of one shape, compiled for this processor."""

    def __init__(self, layers: Sequence[Layer], channels: int, height: int, width: int) -> None:
        """Compile it, which takes about a second.

        Args:
            layers: In order; the first reads the images, the last gives the logits.
            channels: Of the images.
            height: Of the images, px.
            width: Likewise.
        """
        machine = _machine()
        module = ir.Module()
        kernels = Kernels(module, *_vectors())
        stem = layers[0]
        border = stem.kernel // 2 if isinstance(stem, Convolution) else 0
        images = Planes(channels=channels, height=height, width=width, border=border)
        steps = plan(layers, kernels, images)
        self._memory = Memory()
        _write(module, kernels, self._memory, images, steps)
        self.classes = steps[-1].made.channels
        self._logits = steps[-1].made.at
        self._constants, self._tables = self._memory.constants(), self._memory.tables()
        self._engine = _built(module, machine)  # frees the code when it goes
        kind = ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * 4)
        self._function = kind(self._engine.get_function_address("network"))
        self._own = threading.local()

    def __call__(self, image: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Map an image, ``(channels, height, width)``, to logits, ``(classes,)``.

        Threads may call it at a time, each in an arena of its own.
        """
        if not hasattr(self._own, "arena"):
            self._own.arena = self._memory.arena()
        blocks = self._own.arena, self._constants, self._tables, np.ascontiguousarray(image)
        self._function(*(block.ctypes.data for block in blocks))
        logits: npt.NDArray[np.float32] = self._own.arena[self._logits :][: self.classes].copy()
        return logits


def _write(
    module: ir.Module, kernels: Kernels, memory: Memory, images: Planes, steps: Sequence[Step]
) -> None:
    """Write the function that computes an image."""
    f = Function(module, "network", (FLOATS, FLOATS, OFFSETS, FLOATS), kernels.lanes)
    f.made.attributes.add("optnone")  # it only calls kernels: there is nothing to gain in it
    arena, constants, tables, image = f.arguments
    widest = max(step.source.pitch(kernels) for step in steps if isinstance(step, Product))
    images.at = memory.reserve(images.channels * images.plane)
    w = Writer(f, kernels, memory, arena, constants, tables, memory.reserve(PIXELS * widest))
    rows = images.channels * images.height
    given, kept = w.table(np.arange(rows) * images.width), w.table(images.rows())
    w.call(kernels.copy(), image, given, w.place(images.at), kept, rows, images.width)
    write_steps(w, steps)
    f.ret_void()


def _machine() -> binding.TargetMachine:
    """Set LLVM up for this processor, with all it can; an engine takes it over and frees it."""
    binding.initialize_native_target()
    binding.initialize_native_asmprinter()
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
    return 4, 32 if "aarch64" in binding.get_process_triple() else 16


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
