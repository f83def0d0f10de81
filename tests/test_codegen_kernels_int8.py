"""The int8 kernels alone, against NumPy: sums are exact, and never overflow."""

import functools
from typing import Literal

import numpy as np
import numpy.typing as npt
import pytest

pytest.importorskip("llvmlite")

from kernel_calls import Call, compiled, int8_kernels, offsets, rows_of
from shufflenet.codegen.kernels import (
    CLASS_VECTORS,
    Layout,
    aligned,
    class_panels,
    panel_counts,
    panel_widths,
)
from shufflenet.codegen.kernels._avx2 import PAIR_LAYOUT
from shufflenet.codegen.kernels._pairs import fits_pairs
from shufflenet.codegen.kernels._word_steps import STEP
from shufflenet.spec import Target

BY_PAIRS = {"AVX2", "WebAssembly relaxed SIMD"}
ROUNDED = 0.501  # of what is rounded to a byte, computed in float32

Kind = Literal["", "runs", "adding", "logits"]


@functools.cache
def product_of(target: Target, kind: Kind) -> Call:
    kernels = int8_kernels(target)
    return compiled(kernels, kernels.gemm.product(kind), target)


@functools.cache
def depthwise_of(target: Target, side: int) -> Call:
    kernels = int8_kernels(target)
    return compiled(kernels, kernels.depthwise(side), target)


@functools.cache
def mean_of(target: Target) -> Call:
    kernels = int8_kernels(target)
    return compiled(kernels, kernels.mean(), target)


def bounded_weights(target: Target, read: int, output: int) -> npt.NDArray[np.int8]:
    """Weights whose neighbors reach what 16 bits hold: sums of 128 of either sign, or 127."""
    rng = np.random.default_rng(read)
    weights = rng.normal(0, 25, (read, output)).clip(-64, 64).astype(np.int8)
    most = rng.random((read, output)) < 0.1
    weights[most] = rng.choice([-64, 64], int(most.sum()))
    weights[::2, 0], weights[1::2, 0] = 127, 1
    weights[::2, -1], weights[1::2, -1] = -1, -127
    assert fits_pairs(weights.T)
    if target.multiplies_bytes not in BY_PAIRS:  # with VNNI they need not fit
        weights[:, 2::5] = np.sign(weights[:, 2::5]) * 127
    return weights


def random_bytes(*shape: int) -> npt.NDArray[np.uint8]:
    values = np.random.default_rng(shape).integers(0, 256, shape, np.uint8)
    values[0] = 255
    return values


def epilogue_for(
    sums: npt.NDArray[np.int64],
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Scales and biases, ``(out,)``, that bring sums, ``(n, out)``, into the range of bytes."""
    scale = (100 / np.abs(sums).max(0, initial=1)).astype(np.float32)
    return scale, np.linspace(100, 156, sums.shape[1], dtype=np.float32)


def block_of(values: npt.NDArray[np.uint8], pitch: int) -> npt.NDArray[np.uint8]:
    """Rows at a distance, with bytes between them and a line to spare, which change nothing."""
    block = aligned(len(values) * pitch + 64, np.uint8)
    block[:] = 200
    rows_of(block, pitch, len(values))[:, : values.shape[1]] = values
    return block


def packed(
    layout: Layout,
    weights: npt.NDArray[np.int8],
    epilogue: tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]],
    kind: Kind = "",
    runs: tuple[int, ...] = (0,),
) -> dict[str, object]:
    """The arguments of a product that its weights give."""
    widths = panel_widths(layout, weights.shape[1])
    counts = panel_counts(layout, widths)
    return {
        "steps": layout.steps(len(weights), len(runs)),
        "weights": layout.pack(weights, widths, kind, runs),
        "epilogue": layout.pack_epilogue(*epilogue, widths, kind),
        **{f"panels_{vectors}": count for vectors, count in counts.items()},
    }


@pytest.mark.parametrize("kind", ["", "adding"])
@pytest.mark.parametrize("read", [3, 27, 116])
@pytest.mark.parametrize("output", [8, 58, 130])
@pytest.mark.parametrize("pixels", [1, 11, 49])
def test_product(
    instructions: Target, kind: Literal["", "adding"], read: int, output: int, pixels: int
) -> None:
    layout = int8_kernels(instructions).layout
    weights = bounded_weights(instructions, read, output)
    values, added = random_bytes(pixels, read), random_bytes(pixels, output)
    sums = values.astype(np.int64) @ weights
    scale, bias = epilogue_for(sums)
    pitch = sum(panel_widths(layout, output)) + 3
    results = aligned(pixels * pitch + 64, np.uint8)
    exact = sums * scale.astype(float) + bias
    more: dict[str, object] = {}
    if kind == "adding":
        more = {
            "added": block_of(added, pitch),
            "added_offsets": offsets(pitch, pixels),
            "added_scale": 0.125,
            "added_low": 90.0,
            "added_high": 160.0,
        }
        exact = exact.clip(90, 160) + 0.125 * added
    product_of(instructions, kind)(
        values=block_of(values, read + 5),
        value_offsets=offsets(read + 5, pixels),
        pixels=pixels,
        **packed(layout, weights, (scale, bias)),
        output=results,
        output_offsets=offsets(pitch, pixels),
        floor=110.0,
        ceiling=150.0,
        **more,
    )
    found = rows_of(results, pitch, pixels)
    assert np.abs(found[:, :output] - exact.clip(110, 150)).max() < ROUNDED
    assert not found[:, sum(panel_widths(layout, output)) :].any()
    assert not results[pixels * pitch :].any()


@pytest.mark.parametrize(("runs", "length"), [((0, 50, 11), 3), ((3, 20), 9)])
def test_product_of_inputs_in_several_runs(
    instructions: Target, runs: tuple[int, ...], length: int
) -> None:
    layout, pixels, output = int8_kernels(instructions).layout, 9, 30
    source = random_bytes(pixels, 80)
    values = np.concatenate([source[:, run : run + length] for run in runs], axis=1)
    # Runs are padded one by one, so that other weights are neighbors.
    rng = np.random.default_rng(length)
    weights = rng.integers(-40, 41, (values.shape[1], output)).astype(np.int8)
    sums = values.astype(np.int64) @ weights
    scale, bias = epilogue_for(sums)
    pitch = sum(panel_widths(layout, output))
    results = aligned(pixels * pitch, np.uint8)
    product_of(instructions, "runs")(
        values=block_of(source, 80),
        value_offsets=offsets(80, pixels),
        pixels=pixels,
        **packed(layout, weights, (scale, bias), "runs", runs),
        output=results,
        output_offsets=offsets(pitch, pixels),
        floor=0.0,
        ceiling=255.0,
    )
    exact = sums * scale.astype(float) + bias
    assert np.abs(rows_of(results, pitch, pixels)[:, :output] - exact).max() < ROUNDED


@pytest.mark.parametrize("images", [1, 20])
def test_product_of_logits(instructions: Target, images: int) -> None:
    layout, read, classes = int8_kernels(instructions).layout, 37, 300
    weights = bounded_weights(instructions, read, classes)
    features = random_bytes(images, read)
    sums = features.astype(np.int64) @ weights
    scale, bias = epilogue_for(sums)
    panels = class_panels(layout, classes)
    pitch = panels * CLASS_VECTORS * layout.columns
    wide = np.pad(weights, [(0, 0), (0, pitch - classes)])
    epilogue = np.pad(scale, (0, pitch - classes)), np.pad(bias, (0, pitch - classes))
    logits = np.empty((images, pitch), np.float32)
    product_of(instructions, "logits")(
        values=block_of(features, read + 7),
        value_offsets=offsets(read + 7, images),
        pixels=images,
        **packed(layout, wide, epilogue, "logits"),
        output=logits,
        output_offsets=offsets(pitch, images),
        floor=-np.inf,
        ceiling=np.inf,
    )
    exact = sums * scale.astype(float) + bias
    assert np.abs(logits[:, :classes] - exact).max() < 1e-3


def test_linear(instructions: Target) -> None:
    kernels = int8_kernels(instructions)
    layout, read, classes = kernels.layout, 145, 200
    weights, features = bounded_weights(instructions, read, classes), random_bytes(1, read)
    sums = features.astype(np.int64) @ weights
    scale, bias = epilogue_for(sums)
    widths = [CLASS_VECTORS * layout.columns] * class_panels(layout, classes)
    logits = np.empty(sum(widths), np.float32)
    compiled(kernels, kernels.gemm.linear(), instructions)(
        features=block_of(features, read),
        steps=layout.steps(read),
        weights=layout.pack(weights, widths, "logits"),
        panels=len(widths),
        epilogue=layout.pack_epilogue(scale, bias, widths, "logits"),
        logits=logits,
        zero=np.zeros(1, np.int32),
    )
    assert np.abs(logits[:classes] - (sums * scale.astype(float) + bias)[0]).max() < 1e-3


@pytest.mark.parametrize("side", [3, 5, 7])
@pytest.mark.parametrize("channels", [5, 40, 120])
def test_depthwise(instructions: Target, side: int, channels: int) -> None:
    layout, height, width = int8_kernels(instructions).layout, 9, 8
    whole = layout.vectors(channels) * layout.lanes
    image = aligned(height * width * whole + 64, np.uint8)
    image[:] = np.random.default_rng(side).integers(0, 256, len(image))
    rng = np.random.default_rng(channels)
    weight = rng.integers(-127, 128, (channels, side * side)).astype(np.int8)
    y, x = np.mgrid[: height - side + 1, : width - side + 1]
    windows = ((y * width + x) * whole).astype(np.int32).ravel()
    pixels = image[: height * width * whole].reshape(height, width, whole).astype(np.int64)
    patches = np.lib.stride_tricks.sliding_window_view(pixels, (side, side), (0, 1))
    taps = weight.reshape(-1, side, side).astype(np.int64)
    sums = np.einsum("yxcij,cij->yxc", patches[:, :, :channels], taps).reshape(-1, channels)
    scale, bias = epilogue_for(sums)
    filters, epilogue = layout.pack_filters(weight, scale, bias, whole)
    output = aligned(len(windows) * whole, np.uint8)
    depthwise_of(instructions, side)(
        source=image,
        windows=windows,
        pixels=len(windows),
        channels=whole,
        row=width * whole,
        pitch=whole,
        weights=filters,
        epilogue=epilogue,
        output=output,
        output_offsets=offsets(whole, len(windows)),
        floor=20.0,
        ceiling=230.0,
    )
    exact = (sums * scale.astype(float) + bias).clip(20, 230)
    assert np.abs(output.reshape(-1, whole)[:, :channels] - exact).max() < ROUNDED


@pytest.mark.parametrize(("pixels", "vectors"), [(1, 1), (49, 3)])
def test_mean(instructions: Target, pixels: int, vectors: int) -> None:
    channels = vectors * int8_kernels(instructions).layout.lanes
    values = random_bytes(pixels, channels)
    output = aligned(channels, np.uint8)
    mean_of(instructions)(
        source=values,
        pixels=pixels,
        channels=channels,
        pitch=channels,
        factor=0.75 / pixels,
        bias=3.0,
        output=output,
    )
    assert np.abs(output - (0.75 * values.astype(float).mean(0) + 3)).max() < ROUNDED


def panels_of(words: npt.NDArray[np.int32], steps: int, width: int) -> list[npt.NDArray[np.int8]]:
    """Take packed weights apart again: of each panel its pairs of steps, ``(pairs, 2, out, 4)``."""
    header = -(-(steps + 1) // 16) * 16
    found = []
    for panel in words.reshape(-1, header + steps * width):
        pairs, order = int(panel[0]), panel[1 : steps + 1]
        assert sorted(order.tolist()) == list(range(0, STEP * steps, STEP))
        weights = panel[header:].copy().view(np.int8).reshape(steps, width, STEP)
        found.append(weights[: 2 * pairs].reshape(pairs, 2, width, STEP))
    return found


def test_only_what_fits_in_16_bits_is_added_there() -> None:
    avx2 = Target(triple="x86_64", multiplies_bytes="AVX2")
    words = PAIR_LAYOUT.pack(bounded_weights(avx2, 232, 48), [16] * 3)
    panels = panels_of(words, 58, 16)
    assert sum(len(pairs) for pairs in panels[1:-1]) > 20  # of 29: it is worth the trouble
    for pairs in panels:
        # Of each pair of steps, the sums of 16 bits are of weights 0 and 1, and of 2 and 3.
        together = pairs.astype(int).reshape(len(pairs), 2, 16, 2, 2)
        for sign in (1, -1):
            assert ((sign * together).clip(0).sum((1, 4)) <= 128).all()
