"""Targets: rows, triples, and what LLVM knows of processors."""

import subprocess
import sys

import pytest

pytest.importorskip("llvmlite")
from llvmlite import binding

from shufflenet.compile import find_target, object_format, words_of
from shufflenet.compile._instructions import with_instructions
from shufflenet.compile._words import check_words
from shufflenet.errors import UnknownProcessor, UnknownTarget
from shufflenet.spec import BINARIES, TARGETS

# What is not seen in what LLVM makes of simple functions.
UNSEEN = {"AMX": "AVX-512 VNNI"}


@pytest.mark.parametrize("name", TARGETS)
def test_llvm_knows_every_target_and_what_its_processor_has(name: str) -> None:
    target = TARGETS[name]
    binding.initialize_all_targets()
    binding.Target.from_triple(target.triple)
    check_words(target.triple, target.cpu, target.features)
    assert any(object_format(target) in each.formats for each in BINARIES.values())
    assert find_target(name) == target
    found = with_instructions(target)
    assert found.vector_bytes == target.vector_bytes
    assert found.multiplies_bytes == UNSEEN.get(target.multiplies_bytes, target.multiplies_bytes)


@pytest.mark.parametrize(
    ("cpu", "features", "vector_bytes", "multiplies"),
    [
        ("x86-64-v2", "", 16, "portable"),
        ("sandybridge", "", 32, "portable"),
        ("haswell", "", 32, "AVX2"),
        ("alderlake", "", 32, "AVX-VNNI"),
        ("skylake-avx512", "", 64, "AVX2"),
        ("znver4", "", 64, "AVX-512 VNNI"),
        ("", "+avx2,+fma", 32, "AVX2"),
    ],
)
def test_a_named_processor_gets_its_vectors(
    cpu: str, features: str, vector_bytes: int, multiplies: str
) -> None:
    target = find_target("x86-64", cpu, features)
    assert (target.vector_bytes, target.multiplies_bytes) == (vector_bytes, multiplies)
    assert target.registers == (32 if vector_bytes == 64 else 16)


def test_a_named_arm_gets_its_products() -> None:
    for cpu, multiplies in (
        ("cortex-a53", "NEON"),
        ("cortex-a76", "NEON dotprod"),
        ("neoverse-v1", "NEON i8mm"),
    ):
        assert find_target("aarch64-linux", cpu).multiplies_bytes == multiplies
    assert find_target("aarch64-linux-musl", "", "+dotprod").multiplies_bytes == "NEON dotprod"


def test_where_there_are_no_vectors_none_are_written() -> None:
    for triple, cpu in (
        ("thumbv7em-none-eabihf", "cortex-m7"),
        ("armv7-linux-gnueabihf", "cortex-a9"),
        ("thumbv8.1m.main-none-eabihf", "cortex-m55"),
        ("wasm32-unknown-unknown", "mvp"),
        ("wasm32-unknown-unknown", "bleeding-edge"),
    ):
        assert find_target(triple, cpu).vector_bytes == (4 if cpu in ("cortex-m7", "mvp") else 16)


@pytest.mark.parametrize(
    "name", ["aarch64-linx", "vax-dec-ultrix", "x86_64", "", "mips-linux-gnu", "-linux", "\0-linux"]
)
def test_what_is_no_target_is_refused(name: str) -> None:
    with pytest.raises(UnknownTarget):
        find_target(name)


@pytest.mark.parametrize(
    ("triple", "cpu", "multiplies"),
    [
        ("thumbv7em-none-eabihf", "cortex-m7", "SMLAD"),
        ("thumbv7m-none-eabi", "cortex-m3", "portable"),
        ("thumbv8.1m.main-none-eabihf", "cortex-m55", "portable"),
        ("armv7-linux-gnueabihf", "cortex-a7", "NEON"),
        ("armv7-linux-gnueabihf", "cortex-a9", "NEON"),
    ],
)
def test_triples_of_32_bit_arm_get_a_vendor_and_its_products(
    triple: str, cpu: str, multiplies: str
) -> None:
    target = find_target(triple, cpu)
    assert target.triple.split("-")[1] == "unknown"
    assert target.multiplies_bytes == multiplies


def test_a_processor_is_found_before_anything_else_asked_llvm() -> None:
    ask = "from shufflenet.compile import find_target; print(find_target(*{}).multiplies_bytes)"
    for named, multiplies in (
        (("aarch64-linux", "cortex-a76"), "NEON dotprod"),
        (("x86-64", "", ","), "portable"),
    ):
        command = [sys.executable, "-c", ask.format(named)]
        found = subprocess.run(command, check=True, capture_output=True, text=True)
        assert found.stdout.strip() == multiplies


def test_words_that_llvm_would_ignore_are_refused() -> None:
    assert "cortex-a76" in words_of("aarch64-linux-gnu").cpus
    assert "dotprod" in words_of("aarch64-linux-gnu").features
    for cpu, features, near in (
        ("cortex-a761", "", "'cortex-a76'"),
        ("", "+dotprodd", "'+dotprod'"),
        ("", "dotprod", "'+dotprod'"),
        ("", "+dotprod,-neonn", "'-neon'"),
    ):
        with pytest.raises(UnknownProcessor, match="Did you mean") as caught:
            find_target("aarch64-linux", cpu, features)
        assert near in str(caught.value)
