"""The kernels that move values, alone, against NumPy: float32 of several widths, and bytes."""

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest

pytest.importorskip("llvmlite")

from kernel_calls import compiled, float_kernels, int8_kernels, offsets, rows_of
from shufflenet.codegen.kernels import Kernels, aligned
from shufflenet.machine import host_target
from shufflenet.spec import Target

HOST = host_target(int8=True)
TARGETS = {
    "float32, 4 lanes": replace(HOST, vector_bytes=16, registers=16),
    "float32, 16 lanes": replace(HOST, vector_bytes=64, registers=32),
    "bytes": replace(HOST, multiplies_bytes="AVX2"),
    "bytes, portable": replace(HOST, multiplies_bytes="portable"),
}


@pytest.fixture(params=TARGETS)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def target(name: str) -> Target:
    return TARGETS[name]


@pytest.fixture
def kernels(name: str, target: Target) -> Kernels:
    return (int8_kernels if name.startswith("bytes") else float_kernels)(target)


def random_values(kernels: Kernels, elements: int) -> npt.NDArray[np.generic]:
    rng = np.random.default_rng(elements)
    values = aligned(elements, kernels.layout.dtype)
    if kernels.layout.dtype == np.uint8:
        values[:] = rng.integers(0, 256, elements)
    else:
        values[:] = rng.standard_normal(elements)
    return values


@pytest.mark.parametrize(("height", "width", "vectors"), [(5, 7, 1), (4, 4, 3), (1, 9, 2)])
def test_max_pool(kernels: Kernels, target: Target, height: int, width: int, vectors: int) -> None:
    pitch = vectors * kernels.layout.lanes + 3
    values = random_values(kernels, (height + 2) * (width + 2) * pitch + 64)
    image = values[: (height + 2) * (width + 2) * pitch].reshape(height + 2, width + 2, pitch)
    y, x = np.mgrid[:height:2, :width:2]
    windows = ((y * (width + 2) + x) * pitch).astype(np.int32).ravel()
    channels = vectors * kernels.layout.lanes
    output = aligned(len(windows) * channels, kernels.layout.dtype)
    compiled(kernels, kernels.moves.max_pool(), target)(
        source=values,
        windows=windows,
        pixels=len(windows),
        channels=channels,
        row=(width + 2) * pitch,
        pitch=pitch,
        output=output,
        output_offsets=offsets(channels, len(windows)),
    )
    expected = [
        image[top : top + 3, left : left + 3, :channels].max((0, 1))
        for top, left in zip(y.ravel(), x.ravel(), strict=True)
    ]
    assert np.array_equal(output.reshape(-1, channels), expected)


def test_a_nan_counts_in_the_first_pixel_of_a_window() -> None:
    target = TARGETS["float32, 4 lanes"]
    kernels = float_kernels(target)
    values = np.zeros((2, 3, 3, 4), np.float32)
    values[0, 0, 0, 0] = values[1, 1, 1, 0] = np.nan
    output = np.empty((2, 4), np.float32)
    compiled(kernels, kernels.moves.max_pool(), target)(
        source=values,
        windows=offsets(36, 2),
        pixels=2,
        channels=4,
        row=12,
        pitch=4,
        output=output,
        output_offsets=offsets(4, 2),
    )
    assert np.array_equal(np.isnan(output[:, 0]), [True, False])


@pytest.mark.parametrize(
    "slices",
    [[(1, 0)], [(5, 0), (16, 1)], [(1, 1), (1, 0), (2, 1), (29, 0)], [(58, 0), (58, 0)]],
    ids=str,
)
def test_gather(kernels: Kernels, target: Target, slices: list[tuple[int, int]]) -> None:
    layout, pixels = kernels.layout, 6
    channels = sum(count for count, _ in slices)
    pitch = layout.vectors(channels) * layout.lanes
    tables = [offsets(70, pixels, first=8), offsets(75, pixels)]
    sources = [random_values(kernels, 500 + n) for n in range(len(slices))]
    output = aligned(pixels * pitch + 64, layout.dtype)
    layouts = 1 + max(number for _, number in slices)
    compiled(kernels, kernels.moves.gather(slices, pitch), target)(
        **{f"source_{n}": source for n, source in enumerate(sources)},
        **{f"offsets_{n}": tables[n] for n in range(layouts)},
        output=output,
        output_offsets=offsets(pitch, pixels),
        pixels=pixels,
    )
    for pixel, row in enumerate(rows_of(output, pitch, pixels)):
        expected = [
            source[tables[number][pixel] :][:count]
            for source, (count, number) in zip(sources, slices, strict=True)
        ]
        assert np.array_equal(row[:channels], np.concatenate(expected))
    assert not output[pixels * pitch :].any()


@pytest.mark.parametrize(("rows", "elements"), [(1, 1), (3, 16), (5, 45)])
def test_copy(kernels: Kernels, target: Target, rows: int, elements: int) -> None:
    source = random_values(kernels, rows * (elements + 2))
    output = aligned(rows * (elements + 5) + 64, kernels.layout.dtype)
    compiled(kernels, kernels.moves.copy(), target)(
        source=source,
        source_offsets=offsets(elements + 2, rows),
        output=output,
        output_offsets=offsets(elements + 5, rows),
        rows=rows,
        elements=elements,
    )
    expected = rows_of(source, elements + 2, rows)[:, :elements]
    copied = rows_of(output, elements + 5, rows)
    assert np.array_equal(copied[:, :elements], expected)
    assert not copied[:, elements:].any()  # what lies between rows is not written


@pytest.mark.parametrize(("elements", "value"), [(1, 7.0), (64, 0.0), (100, 255.0)])
def test_fill(kernels: Kernels, target: Target, elements: int, value: float) -> None:
    lanes = kernels.layout.lanes
    output = random_values(kernels, elements + 128)
    before = output.copy()
    compiled(kernels, kernels.moves.fill(), target)(output=output, elements=elements, value=value)
    end = -(-elements // lanes) * lanes
    assert (output[:end] == value).all()
    assert np.array_equal(output[end:], before[end:])
