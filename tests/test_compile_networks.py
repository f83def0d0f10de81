"""Mixed, searched and grouped networks in C and WebAssembly, for images that are not square."""

from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

pytest.importorskip("llvmlite")
pytest.importorskip("torch")

from cross import build_program, run_program
from exported import export
from shufflenet.compile import compile_network
from shufflenet.runtimes import INT8_AGREEMENT, OnnxClassifier, WasmModule
from shufflenet.spec import FLOAT32_TOLERANCE
from test_codegen_float import OTHERS
from test_codegen_mixed import KEPT, KEPT_V1, V1, quantised

pytestmark = pytest.mark.xdist_group("networks in C")  # a worker makes each file once
PROGRAM = r"""
#include <stdio.h>
#include "net.h"
static _Alignas(NET_MEMORY_ALIGNMENT) unsigned char memory[NET_MEMORY_BYTES];
static uint8_t image[NET_HEIGHT * NET_WIDTH * 3];
static float logits[NET_CLASSES];
int main(void) {
    int32_t code = net_prepare(memory, sizeof memory);
    while (!code && fread(image, sizeof image, 1, stdin) == 1) {
        code = net_logits(memory, image, logits);
        if (!code) fwrite(logits, sizeof logits, 1, stdout);
    }
    return code;
}
"""
Pixels = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]
FileOf = Callable[[str], Path]


@pytest.fixture(scope="module")
def file_of(tmp_path_factory: pytest.TempPathFactory) -> FileOf:
    @cache
    def of(name: str) -> Path:
        folder = tmp_path_factory.mktemp("network")
        if name in OTHERS:
            return export(OTHERS[name], folder / "float.onnx")
        return quantised(folder, KEPT[name]) if name in KEPT else of_v1(folder, name)

    def of_v1(folder: Path, name: str) -> Path:
        return quantised(folder, KEPT_V1[name], V1)

    return of


def in_c(path: Path, target: str, pixels: Pixels, folder: Path, *, least: bool) -> Floats:
    """Compile a file for a target, and return what a program in C computes."""
    size = (pixels.shape[1], pixels.shape[2])
    compile_network(path, folder / "net.a", target, image_px=size, prefix="net", least_memory=least)
    (folder / "main.c").write_text(PROGRAM)
    sources = [folder / "main.c", folder / "net.a"]
    program = build_program(target, sources, folder / "program")
    computed = run_program(target, program, content=pixels.tobytes())
    return np.frombuffer(computed, np.float32).reshape(len(pixels), -1)


def assert_same(computed: Floats, path: Path, pixels: Pixels) -> None:
    reference = OnnxClassifier(path, threads=1)
    expected = reference.logits_from_pixels(pixels)
    of_all = INT8_AGREEMENT if reference.card.int8 else FLOAT32_TOLERANCE
    assert np.abs(computed - expected).max() <= of_all * max(1, float(np.abs(expected).max()))


def pixels_of(height: int, width: int) -> Pixels:
    return np.random.default_rng(height).integers(0, 256, (2, height, width, 3), np.uint8)


@pytest.mark.parametrize(
    ("name", "target", "size", "least"),
    [
        ("searched", "aarch64-linux", (41, 33), False),
        ("many", "aarch64-linux-dotprod", (40, 31), True),
        ("joined, reordered and added", "aarch64-linux", (32, 48), False),
    ],
)
def test_in_c_for_images_that_are_not_square(
    name: str,
    target: str,
    size: tuple[int, int],
    least: bool,
    file_of: FileOf,
    tmp_path: Path,
) -> None:
    path, pixels = file_of(name), pixels_of(*size)
    assert_same(in_c(path, target, pixels, tmp_path, least=least), path, pixels)


@pytest.mark.parametrize(("name", "size"), [("searched", (33, 50)), ("many", (50, 33))])
def test_in_webassembly(name: str, size: tuple[int, int], file_of: FileOf, tmp_path: Path) -> None:
    pytest.importorskip("wasmtime")
    pytest.importorskip("ziglang")
    path, pixels = file_of(name), pixels_of(*size)
    to = tmp_path / "net.wasm"
    compile_network(path, to, "wasm32-relaxed", image_px=size)
    module = WasmModule(to, to.read_bytes())
    computed = np.stack([module.compute("logits", image) for image in pixels])
    assert_same(computed, path, pixels)
