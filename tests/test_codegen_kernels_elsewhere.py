"""The kernels that resize photos and compute probabilities, on other processors, by qemu."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

pytest.importorskip("llvmlite")
from llvmlite import ir

from bare_metal import BOARDS, FIRMWARE, build_firmware, run_firmware
from cross import build_program, run_program
from seeded import photo
from shufflenet.codegen import _llvm
from shufflenet.codegen._halves import Halves
from shufflenet.codegen.kernels import FLOAT, Library, Resize, expand_halves, sigmoid, softmax
from shufflenet.preprocess import resize_and_crop
from shufflenet.spec import TARGETS, Preprocess

MOST_PX = 200
WAYS = [
    Preprocess(resize_px=32, crop_px=29),
    Preprocess(resize_px=32, crop_px=29, resizer="opencv", longer_side="round"),
]
SIZES = [(1, 1), (40, 57), (200, 113), (31, 33)]
PROGRAM = """
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

typedef void resize(const uint8_t *, int64_t, int64_t, int64_t, int64_t, uint8_t *, uint8_t *);
resize call_resize_0, call_resize_1, call_without_doubles;
void call_softmax(const float *, int64_t, float *), call_sigmoid(const float *, int64_t, float *);
void call_expand(const uint8_t *, const int32_t *, int64_t, uint8_t *);

static void *read_bytes(size_t bytes) {
    void *block = aligned_alloc(64, (bytes + 127) / 64 * 64);
    return fread(block, 1, bytes, stdin) == bytes ? block : NULL;
}

int main(void) {
    int32_t n[3];
    static uint8_t scratch[SCRATCH_BYTES] __attribute__((aligned(64))), output[29 * 29 * 3];
    resize *all[] = {call_resize_0, call_resize_1, call_without_doubles};
    while (fread(n, sizeof *n, 3, stdin) == 3 && n[0] < 3) {
        const uint8_t *pixels = read_bytes(n[1] * n[2] * 3);
        all[n[0]](pixels, n[1] * 3, 3, n[1], n[2], scratch, output);
        fwrite(output, 1, sizeof output, stdout);
    }
    float *logits = read_bytes(4 * n[1]), *probabilities = malloc(4 * n[1]);
    call_softmax(logits, n[1], probabilities);
    fwrite(probabilities, 4, n[1], stdout);
    call_sigmoid(logits, n[1], probabilities);
    fwrite(probabilities, 4, n[1], stdout);
    fread(n, sizeof *n, 3, stdin);
    int32_t *runs = read_bytes(4 * n[0]);
    uint8_t *stored = read_bytes(n[1]), *expanded = malloc(n[2]);
    call_expand(stored, runs, n[0] / 2, expanded);
    fwrite(expanded, 1, n[2], stdout);
    return 0;
}
"""


def write_kernels(target: str, to: Path) -> int:
    """Write an object with the kernels, and return the bytes of the largest scratch."""
    module = ir.Module()
    library = Library(module, FLOAT, 4)
    kernels, needed = {"softmax": softmax(library), "sigmoid": sigmoid(library)}, []
    kernels["expand"] = expand_halves(library)
    for name, how, has_doubles in (
        ("resize_0", WAYS[0], True),
        ("resize_1", WAYS[1], True),
        ("without_doubles", WAYS[0], False),
    ):
        # One library has one kernel of a name, be it of either kind.
        own = Library(module, FLOAT, 4)
        resize = Resize(own, has_doubles=has_doubles)
        kernels[name] = resize.kernel(how, MOST_PX)
        needed.append(resize.scratch_bytes(how, MOST_PX))
    for name, kernel in kernels.items():
        f = library.function(f"call_{name}", kernel.signature)
        kernel.forward(f)
        f.ret_void()
    write_object(module, target, to)
    return max(needed)


def write_object(module: ir.Module, target: str, to: Path) -> None:
    machine = _llvm.target_machine(TARGETS[target], jit=False)
    code = _llvm.optimize(module, TARGETS[target], machine, freestanding=True)
    to.write_bytes(machine.emit_object(code))


@pytest.mark.parametrize("target", ["x86-64", "aarch64-linux", "armv7-linux", "riscv64-linux"])
def test_every_processor_computes_the_same(target: str, tmp_path: Path) -> None:
    source, code = tmp_path / "main.c", tmp_path / "kernels.o"
    source.write_text(PROGRAM.replace("SCRATCH_BYTES", str(write_kernels(target, code))))
    program = build_program(target, [source, code], tmp_path / "program")
    content, expected = b"", b""
    for number, how in enumerate([*WAYS, WAYS[0]]):
        for width, height in SIZES:
            pixels = photo(f"{width}x{height}", height, width)
            content += np.array([number, width, height], "<i4").tobytes() + pixels.tobytes()
            expected += resize_and_crop(Image.fromarray(pixels), how).tobytes()
    logits = np.random.default_rng(0).normal(0, 30, 1000).astype("<f4")
    content += np.array([3, logits.size, 0], "<i4").tobytes() + logits.tobytes()
    every: npt.NDArray[np.uint16] = np.arange(1 << 15, dtype=np.uint16)
    finite = every.view(np.float16)[np.isfinite(every.view(np.float16))].astype("<f4")
    constants = np.concatenate([np.full(16, np.nan, "<f4"), finite]).view(np.uint8)
    halves = Halves.of(constants)
    sizes = [halves.runs.size, halves.stored.size, constants.size]
    content += np.array(sizes, "<i4").tobytes() + halves.runs.tobytes() + halves.stored.tobytes()
    found = run_program(target, program, content=content)
    assert found[: len(expected)] == expected
    probabilities = np.frombuffer(found, "<f4", 2 * logits.size, len(expected)).reshape(2, -1)
    powers = np.exp(logits.astype(np.float64) - logits.max())
    assert np.abs(probabilities[0] - powers / powers.sum()).max() < 1e-6
    assert np.abs(probabilities[1] - 1 / (1 + np.exp(-logits.astype(np.float64)))).max() < 1e-6
    assert found[len(expected) + probabilities.nbytes :] == constants.tobytes()


@pytest.mark.parametrize("target", BOARDS)
def test_boards_resize_with_or_without_float64(target: str, tmp_path: Path) -> None:
    module = ir.Module()
    library, how = Library(module, FLOAT, 1), replace(WAYS[0], crop_px=28)
    width, height = SIZES[1]
    has_doubles = _llvm.has_doubles(_llvm.target_machine(TARGETS[target], jit=False))
    assert has_doubles == (target == "cortex-m7")
    resize = Resize(library, has_doubles=has_doubles)
    kernel = resize.kernel(how, MOST_PX)
    f = library.function("call_resize", kernel.signature)
    kernel.forward(f)
    f.ret_void()
    write_object(module, target, tmp_path / "resize.o")
    pixels, words = photo("board", height, width), 28 * 28 * 3 // 4
    scratch_bytes = resize.scratch_bytes(how, MOST_PX)
    (tmp_path / "photo.c").write_text(
        "#include <stdint.h>\n"
        f"const int32_t width = {width}, height = {height}, output_words = {words};\n"
        f"const uint8_t photo[] = {{{', '.join(map(str, pixels.ravel()))}}};\n"
        f"_Alignas(64) uint8_t scratch[{scratch_bytes}];\n"
    )
    sources = [FIRMWARE / "resize.c", tmp_path / "photo.c", tmp_path / "resize.o"]
    printed = run_firmware(target, build_firmware(target, sources, tmp_path / "firmware.elf"))
    counted, *found = (int(word, 16) for word in printed.split())
    image = resize_and_crop(Image.fromarray(pixels), how)
    assert np.array(found, "<u4").tobytes() == image.tobytes()
    # The counter may have begun anew in between. About ten for each product of three colors.
    instructions = (counted - (counted >> 31 << 32)) % 671_088_640
    assert 100_000 < instructions < 2_000_000
