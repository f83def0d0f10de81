"""The kernels of int8 networks by themselves: sums are exact, and never overflow."""

import ctypes
from collections.abc import Callable, Iterator

import numpy as np
import numpy.typing as npt
import pytest

pytest.importorskip("llvmlite")
from llvmlite import ir

from shufflenet.codegen import _compiled
from shufflenet.codegen._int8_kernels import Int8Kernels
from shufflenet.codegen._int8_pairs import PairKernels
from shufflenet.codegen._int8_weights import STEP, fits
from shufflenet.codegen._kernels import CLASSES
from shufflenet.codegen._memory import Memory, aligned
from shufflenet.graph import Linear


def kernels_of(instructions: str) -> Int8Kernels:
    kernels = _compiled._INT8_KERNELS[instructions](ir.Module())
    assert isinstance(kernels, Int8Kernels)
    return kernels


def bounded_weights(read: int, output: int) -> npt.NDArray[np.int8]:
    """Weights whose neighbours reach what 16 bits hold: sums of 128 of either sign, or 127."""
    rng = np.random.default_rng(read)
    weights = rng.normal(0, 25, (read, output)).clip(-64, 64).astype(np.int8)
    most = rng.random((read, output)) < 0.1
    weights[most] = rng.choice([-64, 64], int(most.sum()))
    weights[::2, 0], weights[1::2, 0] = 127, 1
    weights[::2, 1], weights[1::2, 1] = -1, -127
    return weights


@pytest.fixture(scope="module")
def product(instructions: str) -> Iterator[Callable[..., None]]:
    """The function of ``Int8Kernels.product``, to be called with addresses and numbers."""
    kernels = kernels_of(instructions)
    output = kernels.product()
    f = kernels.function("between", [argument.type for argument in output.args])
    kernels.begin(f)
    f.call(output, f.arguments)
    kernels.end(f)
    f.ret_void()
    engine = _compiled._built(output.module, _compiled._machine())
    place, number = ctypes.c_void_p, ctypes.c_int64
    counts = [number] * len(kernels.kinds)
    takes = (place, place, number, number, place, *counts, place, place, place)
    function = ctypes.CFUNCTYPE(None, *takes, *[ctypes.c_float] * 2)
    yield function(engine.get_function_address("between"))
    engine.close()


@pytest.mark.parametrize("read", [3, 27, 60, 116])
@pytest.mark.parametrize("output", [8, 24, 58, 130])
@pytest.mark.parametrize("pixels", [1, 11, 49])
def test_products_are_exact(
    product: Callable[..., None], instructions: str, read: int, output: int, pixels: int
) -> None:
    kernels = kernels_of(instructions)
    weights = bounded_weights(read, output)
    assert fits(weights.T)
    if instructions != "AVX2":  # with VNNI they need not fit
        weights[:, 2::5] = np.sign(weights[:, 2::5]) * 127
    panels = kernels.panels(output)
    bytes_read = np.random.default_rng(pixels).integers(0, 256, (pixels, read), np.uint8)
    bytes_read[0] = 255
    sums = bytes_read.astype(np.int64) @ weights
    scale = (100 / np.abs(sums).max(0, initial=1)).astype(np.float32)
    bias = np.linspace(100, 156, output, dtype=np.float32)
    pitch, made_pitch = read + 5, sum(panels) + 3  # whatever lies between changes nothing
    values = aligned(pixels * pitch + 64, np.uint8)
    values[: pixels * pitch] = np.pad(bytes_read, [(0, 0), (0, 5)], constant_values=200).ravel()
    results = aligned(pixels * made_pitch + 64, np.uint8)
    blocks = [
        values,
        np.arange(pixels, dtype=np.int32) * pitch,
        kernels.packed(weights, panels),
        kernels.ends(scale, bias, panels),
        results,
        np.arange(pixels, dtype=np.int32) * made_pitch,
    ]
    where, table, packed, ends, goal, places = (block.ctypes.data for block in blocks)
    counts = kernels.counts(panels)
    steps = kernels.steps(read)
    product(where, table, pixels, steps, packed, *counts, ends, goal, places, 110.0, 150.0)
    found = results[: pixels * made_pitch].reshape(pixels, -1)
    exact = (sums * scale.astype(np.float64) + bias).clip(110, 150)
    assert np.abs(found[:, :output] - exact).max() < 0.501
    assert not found[:, sum(panels) :].any()
    assert not results[pixels * made_pitch :].any()


@pytest.mark.parametrize("images", [1, 20])
def test_logits_of_many_classes_stand_in_order(instructions: str, images: int) -> None:
    module, memory, classes, read, pitch = ir.Module(), Memory(np.uint8), 300, 37, 48
    kernels = _compiled._INT8_KERNELS[instructions](module)
    rng = np.random.default_rng(0)
    layer = Linear(
        output="logits",
        inputs=(),
        weight=bounded_weights(read, classes).T,
        bias=rng.normal(0, 1, classes).astype(np.float32),
        scale=rng.uniform(1e-4, 1e-3, classes).astype(np.float32),
    )
    _compiled._write_logits(module, kernels, memory, pitch, layer)
    engine = _compiled._built(module, _compiled._machine())
    kind = ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * 4, ctypes.c_int64)
    features = aligned(images * pitch + 64, np.uint8)
    features[:] = rng.integers(0, 256, len(features))
    output = np.empty(
        (images, kernels.class_panels(classes) * CLASSES * kernels.columns), np.float32
    )
    blocks = features, memory.constants(), memory.tables(), output
    compute = kind(engine.get_function_address("logits"))
    compute(*(block.ctypes.data for block in blocks), images)
    engine.close()
    values = features[: images * pitch].reshape(images, pitch)[:, :read].astype(np.int64)
    assert layer.scale is not None
    exact = values @ layer.weight.T.astype(np.int64) * layer.scale.astype(np.float64) + layer.bias
    assert np.abs(output[:, :classes] - exact).max() < 1e-4


def panels_of(packed: npt.NDArray[np.int32], steps: int, width: int) -> list[npt.NDArray[np.int8]]:
    """Take packed weights apart again: of each panel its pairs of steps, ``(pairs, 2, out, 4)``."""
    head = -(-(steps + 1) // 16) * 16
    found = []
    for panel in packed.reshape(-1, head + steps * width):
        pairs, order = int(panel[0]), panel[1 : steps + 1]
        assert sorted(order.tolist()) == list(range(0, STEP * steps, STEP))
        weights = panel[head:].copy().view(np.int8).reshape(steps, width, STEP)
        found.append(weights[: 2 * pairs].reshape(pairs, 2, width, STEP))
    return found


def test_only_what_fits_in_16_bits_is_added_there() -> None:
    packed = PairKernels(ir.Module()).packed(bounded_weights(232, 48), [16] * 3)
    panels = panels_of(packed, 58, 16)
    assert sum(len(pairs) for pairs in panels[1:]) > 40  # of 58: it is worth the trouble
    for pairs in panels:
        # Of each pair of steps, the sums of 16 bits are of weights 0 and 1, and of 2 and 3.
        together = pairs.astype(int).reshape(len(pairs), 2, 16, 2, 2)
        for sign in (1, -1):
            assert ((sign * together).clip(0).sum((1, 4)) <= 128).all()
