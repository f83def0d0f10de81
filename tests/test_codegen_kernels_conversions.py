"""The kernels between bytes and float32, alone: bit for bit what ONNX defines, and no more."""

import numpy as np
import pytest

pytest.importorskip("llvmlite")

from kernel_calls import compiled, int8_kernels, offsets
from shufflenet.machine import host_target

HOST = host_target(int8=True)

CHANNELS = (1, 7, 8, 21)
SCALE, ZERO = np.float32(0.0371), 113
PIXELS, PITCH = 3, 30


@pytest.mark.parametrize("channels", CHANNELS)
def test_bytes_become_what_they_mean(channels: int) -> None:
    kernels = int8_kernels(HOST)
    source = np.random.default_rng(channels).integers(0, 256, PIXELS * PITCH, np.uint8)
    output = np.full(PIXELS * PITCH, -1, np.float32)
    compiled(kernels, kernels.conversions.dequantize(), HOST)(
        source=source,
        source_offsets=offsets(PITCH, PIXELS, 2),
        output=output,
        output_offsets=offsets(PITCH, PIXELS, 1),
        pixels=PIXELS,
        channels=channels,
        scale=SCALE,
        zero=ZERO,
    )
    expected = np.full((PIXELS, PITCH), -1, np.float32)
    values = source.reshape(PIXELS, PITCH)[:, 2 : 2 + channels].astype(np.float32)
    expected[:, 1 : 1 + channels] = (values - ZERO) * SCALE
    assert np.array_equal(output.reshape(PIXELS, PITCH), expected)


@pytest.mark.parametrize(("floor", "ceiling"), [(0, 255), (100, 120)])
@pytest.mark.parametrize("channels", CHANNELS)
def test_floats_become_the_nearest_bytes(channels: int, floor: int, ceiling: int) -> None:
    kernels = int8_kernels(HOST)
    source = np.random.default_rng(channels).normal(0, 4, PIXELS * PITCH).astype(np.float32)
    source[2:8] = np.array([0, np.inf, -np.inf, 1e30, -3e38, 2.5 * SCALE], np.float32)
    source[2 + PITCH : 6 + PITCH] = np.array([0.5, 1.5, -0.5, -2.5], np.float32) * SCALE
    output = np.full(PIXELS * PITCH, 9, np.uint8)
    compiled(kernels, kernels.conversions.quantize(), HOST)(
        source=source,
        source_offsets=offsets(PITCH, PIXELS, 2),
        output=output,
        output_offsets=offsets(PITCH, PIXELS, 1),
        pixels=PIXELS,
        channels=channels,
        scale=SCALE,
        zero=ZERO,
        floor=floor - ZERO,
        ceiling=ceiling - ZERO,
    )
    expected = np.full((PIXELS, PITCH), 9, np.uint8)
    values = source.reshape(PIXELS, PITCH)[:, 2 : 2 + channels]
    with np.errstate(over="ignore"):
        expected[:, 1 : 1 + channels] = (np.rint(values / SCALE) + ZERO).clip(floor, ceiling)
    assert np.array_equal(output.reshape(PIXELS, PITCH), expected)
