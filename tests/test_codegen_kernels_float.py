"""The float32 kernels alone, against NumPy in float64, for vectors of several processors."""

import functools
from dataclasses import replace
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pytest

pytest.importorskip("llvmlite")

from kernel_calls import Call, compiled, float_kernels, offsets, rows_of
from shufflenet.codegen.kernels import (
    CLASS_VECTORS,
    Layout,
    aligned,
    class_panels,
    panel_counts,
    panel_widths,
)
from shufflenet.machine import host_target
from shufflenet.spec import Target

CLOSE = 2e-6  # relative to the largest result: float32 sums of some hundred products

HOST = host_target(int8=False)


@pytest.fixture(params=[(16, 32), (32, 16), (64, 32)], ids=str, scope="module")
def target(request: pytest.FixtureRequest) -> Target:
    vector_bytes, registers = request.param
    return replace(HOST, vector_bytes=vector_bytes, registers=registers)


@functools.cache
def product_of(target: Target, kind: Literal["", "runs", "adding"]) -> Call:
    kernels = float_kernels(target)
    return compiled(kernels, kernels.gemm.product(kind), target)


@functools.cache
def linear_of(target: Target) -> Call:
    kernels = float_kernels(target)
    return compiled(kernels, kernels.gemm.linear(), target)


@functools.cache
def depthwise_of(target: Target, side: int) -> Call:
    kernels = float_kernels(target)
    return compiled(kernels, kernels.depthwise(side), target)


@functools.cache
def mean_of(target: Target) -> Call:
    kernels = float_kernels(target)
    return compiled(kernels, kernels.mean(), target)


def random_floats(*shape: int) -> npt.NDArray[np.float32]:
    return np.random.default_rng(shape).standard_normal(shape, np.float32)


def block_of(values: npt.NDArray[np.float32], pitch: int) -> npt.NDArray[np.float32]:
    """Rows at a distance, with NaN between them and a line to spare, which nothing may use."""
    block = aligned(len(values) * pitch + 64, np.float32)
    block[:] = np.nan
    rows_of(block, pitch, len(values))[:, : values.shape[1]] = values
    return block


def assert_close(actual: npt.NDArray[Any], expected: npt.NDArray[Any]) -> None:
    assert np.abs(actual - expected).max() <= CLOSE * max(1, np.abs(expected).max())


def product_arguments(
    layout: Layout, weight: npt.NDArray[np.float32], bias: npt.NDArray[np.float32]
) -> dict[str, object]:
    widths = panel_widths(layout, len(bias))
    counts = panel_counts(layout, widths)
    return {
        "steps": layout.steps(len(weight)),
        "weights": layout.pack(weight, widths),
        "epilogue": layout.pack_epilogue(None, bias, widths),
        **{f"panels_{vectors}": count for vectors, count in counts.items()},
    }


@pytest.mark.parametrize("kind", ["", "adding"])
@pytest.mark.parametrize(
    ("pixels", "inputs", "outputs"), [(1, 1, 1), (13, 27, 24), (21, 58, 116), (7, 33, 145)]
)
def test_product(
    target: Target, kind: Literal["", "adding"], pixels: int, inputs: int, outputs: int
) -> None:
    layout = float_kernels(target).layout
    values, weight = random_floats(pixels, inputs), random_floats(inputs, outputs)
    bias, added = random_floats(outputs), random_floats(pixels, outputs)
    pitch = sum(panel_widths(layout, outputs)) + 3
    output = aligned(pixels * pitch + 64, np.float32)
    more: dict[str, object] = {}
    if kind == "adding":
        more = {
            "added": np.nan_to_num(block_of(added, pitch)),
            "added_offsets": offsets(pitch, pixels),
            "added_scale": 1.0,
            "added_low": -np.inf,
            "added_high": np.inf,
        }
    product_of(target, kind)(
        values=block_of(values, inputs + 2),
        value_offsets=offsets(inputs + 2, pixels),
        pixels=pixels,
        **product_arguments(layout, weight, bias),
        output=output,
        output_offsets=offsets(pitch, pixels),
        floor=-0.5,
        ceiling=np.inf,
        **more,
    )
    expected = values.astype(float) @ weight + bias + (added if kind == "adding" else 0)
    rows = rows_of(output, pitch, pixels)
    assert_close(rows[:, :outputs], expected.clip(-0.5))
    assert not rows[:, sum(panel_widths(layout, outputs)) :].any()
    assert not output[pixels * pitch :].any()


@pytest.mark.parametrize(("runs", "length"), [([0, 50, 11], 4), ([3, 20], 17)])
def test_product_of_inputs_in_several_runs(target: Target, runs: list[int], length: int) -> None:
    layout, pixels, outputs = float_kernels(target).layout, 9, 30
    source = random_floats(pixels, 80)
    weight, bias = random_floats(len(runs) * length, outputs), random_floats(outputs)
    widths = panel_widths(layout, outputs)
    output = np.empty((pixels, sum(widths)), np.float32)
    counts = panel_counts(layout, widths)
    product_of(target, "runs")(
        values=block_of(source, 80),
        value_offsets=offsets(80, pixels),
        pixels=pixels,
        steps=layout.steps(len(weight), len(runs)),
        weights=layout.pack(weight, widths, "runs", runs),
        epilogue=layout.pack_epilogue(None, bias, widths),
        **{f"panels_{vectors}": count for vectors, count in counts.items()},
        output=output,
        output_offsets=offsets(sum(widths), pixels),
        floor=-np.inf,
        ceiling=np.inf,
    )
    values = np.concatenate([source[:, run : run + length] for run in runs], axis=1)
    assert_close(output[:, :outputs], values.astype(float) @ weight + bias)


@pytest.mark.parametrize(("inputs", "classes"), [(5, 3), (145, 200)])
def test_linear(target: Target, inputs: int, classes: int) -> None:
    layout = float_kernels(target).layout
    features, weight = random_floats(1, inputs), random_floats(inputs, classes)
    bias = random_floats(classes)
    widths = [CLASS_VECTORS * layout.columns] * class_panels(layout, classes)
    logits = np.empty(sum(widths), np.float32)
    linear_of(target)(
        features=block_of(features, inputs),
        steps=layout.steps(inputs),
        weights=layout.pack(weight, widths, "logits"),
        panels=len(widths),
        epilogue=layout.pack_epilogue(None, bias, widths, "logits"),
        logits=logits,
        zero=np.zeros(1, np.int32),
    )
    assert_close(logits[:classes], (features.astype(float) @ weight + bias)[0])


@pytest.mark.parametrize("side", [3, 5, 7])
@pytest.mark.parametrize(("height", "width", "channels"), [(8, 9, 5), (9, 7, 40)])
def test_depthwise(target: Target, side: int, height: int, width: int, channels: int) -> None:
    layout = float_kernels(target).layout
    whole = layout.vectors(channels) * layout.lanes
    image = np.zeros((height, width, whole), np.float32)
    image[..., :channels] = random_floats(height, width, channels)
    weight, bias = random_floats(channels, side * side), random_floats(channels)
    y, x = np.mgrid[: height - side + 1, : width - side + 1]
    windows = ((y * width + x) * whole).astype(np.int32).ravel()
    packed, epilogue = layout.pack_filters(weight, None, bias, whole)
    output = np.empty((len(windows), whole), np.float32)
    depthwise_of(target, side)(
        source=image,
        windows=windows,
        pixels=len(windows),
        channels=whole,
        row=width * whole,
        pitch=whole,
        weights=np.ascontiguousarray(packed),
        epilogue=epilogue,
        output=output,
        output_offsets=offsets(whole, len(windows)),
        floor=0.0,
        ceiling=np.inf,
    )
    patches = np.lib.stride_tricks.sliding_window_view(image.astype(float), (side, side), (0, 1))
    sums = np.einsum("yxcij,cij->yxc", patches[:, :, :channels], weight.reshape(-1, side, side))
    assert_close(output[:, :channels], (sums + bias).clip(0).reshape(-1, channels))


@pytest.mark.parametrize(("pixels", "vectors"), [(1, 1), (49, 3)])
def test_mean(target: Target, pixels: int, vectors: int) -> None:
    channels = vectors * float_kernels(target).layout.lanes
    values = random_floats(pixels, channels)
    output = np.empty(channels, np.float32)
    mean_of(target)(
        source=values,
        pixels=pixels,
        channels=channels,
        pitch=channels,
        factor=2.0 / pixels,
        bias=0.25,
        output=output,
    )
    assert_close(output, 2 * values.astype(float).mean(0) + 0.25)
