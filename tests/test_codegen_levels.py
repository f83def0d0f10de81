"""One object for several levels of x86: which is chosen, and that it computes as it does alone."""

import os
import platform
import shutil
import subprocess
import sys
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

pytest.importorskip("llvmlite")

from cross import build_program
from shufflenet.codegen import Code, Facts, ObjectFile, build, object_file, object_of_levels
from shufflenet.compile._link import link  # alone, for what it links is not what is tested
from shufflenet.machine import host_target
from shufflenet.spec import TARGETS, Label, Target
from small_networks import small_network

pytestmark = pytest.mark.skipif(
    platform.machine() != "x86_64" or platform.system() != "Linux", reason="this is no such machine"
)

SHAPE, CLASSES = (3, 24, 20), 7
STAMP_BYTES = 16
FACTS = Facts(labels=[Label(f"n{n}", f"n{n}") for n in range(CLASSES)], card="{}")
ANY = TARGETS["x86-64-any"]
LEVELS = {int8: ANY.levels_for(float32=not int8, int8=int8) for int8 in (False, True)}
# What a processor's features, as LLVM names them, must hold for a level.
NEEDS = {
    "x86-64": set[str](),
    "x86-64-v3": {"avx2", "fma", "bmi", "bmi2", "f16c", "lzcnt", "movbe"},
    "x86-64-v4": {"avx2", "fma", "avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"},
}
PROGRAM = """
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
int32_t net_prepare(void *, size_t);
int32_t net_logits_of_image(void *, const float *, float *);
static _Alignas(64) unsigned char memory[MEMORY_BYTES];
static float image[3 * 24 * 20], logits[7];
int main(void) {
    if (fread(image, sizeof image, 1, stdin) != 1) return 1;
    if (net_logits_of_image(memory, image, logits) != 4) return 2;
    if (net_logits_of_image(NULL, image, logits) != 1) return 3;
    if (net_prepare(memory, sizeof memory - 1) != 2) return 4;
    if (net_prepare(memory + 1, sizeof memory) != 3) return 5;
    int32_t code = net_prepare(memory, sizeof memory);
    if (code != 0) return putchar(code), 6;
    if (net_logits_of_image(memory, NULL, logits) != 1) return 7;
    if (net_logits_of_image(memory, image, logits) != 0) return 8;
    fwrite(memory, 16, 1, stdout);  /* the stamp, which differs between levels */
    fwrite(logits, sizeof logits, 1, stdout);
    return 0;
}
"""


def image() -> npt.NDArray[np.float32]:
    return np.random.default_rng(0).standard_normal(SHAPE, np.float32)


@cache
def made_for(first: int, end: int, *, int8: bool) -> ObjectFile:
    """Return the object of neighboring levels."""
    network, targets = small_network(int8=int8), LEVELS[int8][first:end]
    modules = [build(network, target, SHAPE, batches=False) for target in targets]
    return object_of_levels(modules, FACTS, "net")


def program(made: ObjectFile, folder: Path) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "net.o").write_bytes(made.content)
    source = PROGRAM.replace("MEMORY_BYTES", str(made.memory_bytes))
    (folder / "main.c").write_text(source)
    return build_program("x86-64", [folder / "main.c", folder / "net.o"], folder / "program")


def run(path: Path, *before: str) -> bytes:
    """Return the stamp of the level that a program chose, and the logits."""
    command = [*before, str(path)]
    return subprocess.run(command, input=image().tobytes(), capture_output=True, check=True).stdout


def level_here(targets: list[Target]) -> int:
    """Return the last level that this processor has."""
    features = set(host_target(int8=True).features.replace("+", "").split(","))
    has = [
        features >= NEEDS[each.cpu] | ({each.features[1:]} if each.features else set())
        for each in targets
    ]
    return max(number for number, is_there in enumerate(has) if is_there)


@pytest.mark.parametrize("int8", [False, True], ids=["float32", "int8"])
def test_each_level_computes_what_it_does_alone(tmp_path: Path, *, int8: bool) -> None:
    every = len(LEVELS[int8])
    chosen = level_here(LEVELS[int8])
    results = []
    for last, end in ((1, 2), (chosen, every)):
        if last > chosen:
            pytest.skip("this processor is of the first level")
        together = program(made_for(0, end, int8=int8), tmp_path / "together")
        alone = program(made_for(last, last + 1, int8=int8), tmp_path / "alone")
        results.append(run(alone))
        assert run(together) == results[-1]
    assert chosen == 1 or results[0][:STAMP_BYTES] != results[1][:STAMP_BYTES]


@pytest.mark.parametrize(("processor", "expected"), [("Nehalem", 0), ("Haswell", 1)])
def test_other_processors_choose_theirs(tmp_path: Path, processor: str, expected: int) -> None:
    if not shutil.which("qemu-x86_64"):
        pytest.skip("qemu-x86_64 is not installed")
    before = ["qemu-x86_64", "-cpu", processor]
    together = program(made_for(0, 3, int8=False), tmp_path / "all")
    alone = program(made_for(expected, expected + 1, int8=False), tmp_path / "alone")
    assert run(together, *before) == run(alone, *before)


@pytest.mark.parametrize(
    ("processor", "level"),
    [("Nehalem", "x86-64-v3"), ("Haswell", "x86-64-v4")],
)
def test_a_processor_that_lacks_instructions_gets_a_code(
    tmp_path: Path, processor: str, level: str
) -> None:
    if not shutil.which("qemu-x86_64"):
        pytest.skip("qemu-x86_64 is not installed")
    module = build(small_network(), TARGETS[level], SHAPE, batches=False)
    path = program(object_file(module, FACTS, "net"), tmp_path)
    done = subprocess.run(
        ["qemu-x86_64", "-cpu", processor, str(path)],
        input=image().tobytes(),
        capture_output=True,
        check=False,
    )
    assert done.returncode == 6  # other codes before were right, and ``prepare`` did not return 0
    assert done.stdout == bytes([Code.UNSUPPORTED_PROCESSOR])


def test_amx_is_asked_for_by_the_file_itself(tmp_path: Path) -> None:
    """A process of its own, which has not asked Linux; without AMX its code is the answer."""
    module = build(small_network(int8=True), TARGETS["x86-64-amx"], SHAPE, batches=False)
    path = program(object_file(module, FACTS, "net"), tmp_path)
    done = subprocess.run([str(path)], input=image().tobytes(), capture_output=True, check=False)
    if done.returncode == 6:
        assert done.stdout == bytes([Code.UNSUPPORTED_PROCESSOR])
        return
    assert done.returncode == 0
    portable = build(small_network(int8=True), TARGETS["x86-64"], SHAPE, batches=False)
    expected = run(program(object_file(portable, FACTS, "net"), tmp_path / "portable"))
    found, right = (np.frombuffer(each[STAMP_BYTES:], "<f4") for each in (done.stdout, expected))
    assert np.allclose(found, right, rtol=1e-5, atol=1e-5)


def test_an_object_of_levels_has_the_functions_of_one_and_shares_weights() -> None:
    modules = [build(small_network(), each, SHAPE, batches=False) for each in LEVELS[False]]
    one = object_file(modules[-1], FACTS, "net")
    sizes = [module.constants.nbytes + module.tables.nbytes for module in modules]
    made = made_for(0, 3, int8=False)
    assert made.names == one.names
    assert made.memory_bytes >= one.memory_bytes
    # The weights of the first two levels lie alike.
    assert made.weights_bytes == sizes[1] + sizes[2]
    assert made.content.count(modules[0].constants.tobytes()) == 1


def test_levels_are_those_that_differ() -> None:
    assert [each.cpu for each in LEVELS[False]] == ["x86-64", "x86-64-v3", "x86-64-v4"]
    instructions = [each.multiplies_bytes for each in LEVELS[True]]
    assert instructions == ["portable", "AVX2", "AVX-VNNI", "AVX-512 VNNI"]
    assert TARGETS["x86-64-v3"].levels_for(float32=True, int8=True) == [TARGETS["x86-64-v3"]]


AS_ON_ANOTHER_HOST = """
import sys
from llvmlite import binding
binding.initialize_native_asmparser = lambda: None  # LLVM there reads another assembly
binding.get_default_triple = lambda: "aarch64-unknown-linux-gnu"
for name in ("get_host_cpu_features", "get_host_cpu_name"):
    setattr(binding, name, None)
from test_codegen_levels import LEVELS, made_for
for int8 in (False, True):
    made = made_for(0, len(LEVELS[int8]), int8=int8)
    open(f"{sys.argv[1]}/{int8}.o", "wb").write(made.content)
"""


def test_another_host_compiles_all_levels_too(tmp_path: Path) -> None:
    """What an ARM machine would write chooses the same level, and computes the same."""
    path = os.pathsep.join([str(Path(__file__).parent), *sys.path])
    command = [sys.executable, "-c", AS_ON_ANOTHER_HOST, str(tmp_path)]
    subprocess.run(command, env=os.environ | {"PYTHONPATH": path}, check=True)
    for int8 in (False, True):
        made = made_for(0, len(LEVELS[int8]), int8=int8)
        there = replace(made, content=(tmp_path / f"{int8}.o").read_bytes())
        assert int8 or there == made
        here = run(program(made, tmp_path / "here"))
        assert run(program(there, tmp_path / "there")) == here


@pytest.mark.parametrize("name", ["x86-64-macos-any", "x86-64-windows-any"])
def test_levels_of_other_systems_are_compiled_and_linked(name: str) -> None:
    """They are not run: no such system is at hand."""
    pytest.importorskip("ziglang")
    targets = TARGETS[name].levels_for(float32=True, int8=False)
    modules = [build(small_network(), target, SHAPE, batches=False) for target in targets]
    made = object_of_levels(modules, FACTS, "net")
    content = link(made.content, "net.dylib" if "macos" in name else "net.dll", made.names).content
    assert content.startswith(b"MZ" if "windows" in name else b"\xcf\xfa\xed\xfe")
    # Arguments as the system passes them, then CPUID, and no byte of a variable.
    passed = "89c889d1" if "windows" in name else "4989d089f889f1"
    assert content.count(bytes.fromhex(f"{passed}4989d90fa2")) == 1
    assert content.count(bytes.fromhex("31c90f01d0c3")) == 1
