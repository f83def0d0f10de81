"""Object files: of the network that ships and of small ones, for processors not at hand."""

import gc
import struct
import weakref
from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("llvmlite")
from llvmlite import binding

from narrow import NARROW
from object_symbols import symbols_of
from shufflenet.codegen import Facts, ObjectFile, build, jit, object_file
from shufflenet.graph import read_network
from shufflenet.recipes import preprocess_for
from shufflenet.spec import TARGETS, Label
from shufflenet.zoo import SHIPPED
from small_networks import small_network

SHAPE = (3, 24, 20)
FACTS = Facts(labels=[Label(f"n{n}", f"näme {n % 3}") for n in range(7)], card='{"näme": 1}')
ELF = {"aarch64": 183, "armv7": 40, "riscv64": 243, "x86_64": 62}  # e_machine of each architecture
X86 = [name for name in TARGETS if name.startswith("x86-64-") and TARGETS[name].vector_bytes > 16]


def kind_of(content: bytes) -> str:
    """Name an object's format and machine by its first bytes."""
    if content[:4] == b"\x7fELF":
        (machine,) = struct.unpack_from("<H", content, 18)
        return next(f"ELF {name}" for name, number in ELF.items() if number == machine)
    if content[:4] == b"\0asm":
        return "WebAssembly"
    if content[:4] == b"\xcf\xfa\xed\xfe":
        (machine,) = struct.unpack_from("<I", content, 4)
        return {0x0100000C: "Mach-O arm64"}[machine]
    (machine,) = struct.unpack_from("<H", content)
    return {0x8664: "COFF x86_64", 0xAA64: "COFF arm64"}[machine]


EXPECTED = {
    "aarch64-linux": "ELF aarch64",
    "aarch64-macos": "Mach-O arm64",
    "aarch64-windows": "COFF arm64",
    "armv7-linux": "ELF armv7",
    "riscv64-linux": "ELF riscv64",
    "wasm32": "WebAssembly",
    "x86-64-windows": "COFF x86_64",
}


def check_symbols(made: ObjectFile, name: str) -> None:
    """Check that an object defines its functions only, and needs nothing to be linked."""
    found = symbols_of(made.content)
    # On Windows, equal numbers of several objects are stored once, under such names; and one is
    # needed wherever floats are used, which Microsoft's C library defines.
    defined = {each for each in found.defined if not each.startswith(("__real@", "__xmm@"))}
    underscore = "_" if "macos" in name else ""
    assert defined - {"@feat.00"} == {underscore + each for each in made.names}
    assert found.undefined == ({"_fltused"} if name == "x86-64-windows" else set())


def test_the_network_that_ships_becomes_an_object() -> None:
    name = "wasm32"  # of all targets the one that is compiled soonest
    assert SHIPPED.onnx
    network, _ = read_network(SHIPPED.onnx)
    how = preprocess_for(80)
    module = build(network, TARGETS[name], (3, 80, 80), how, batches=False)
    made = object_file(module, replace(FACTS, preprocess=how))
    assert "shufflenet_classify" in made.names
    assert kind_of(made.content) == EXPECTED[name]
    assert len(made.content) > module.constants.nbytes > 4 * 10**6
    assert module.constants.tobytes() in made.content
    assert made.weights_bytes == module.constants.nbytes + module.tables.nbytes
    check_symbols(made, name)


@pytest.mark.parametrize(
    "name",
    [
        "aarch64-linux",
        "aarch64-macos",
        "aarch64-windows",
        "armv7-linux",
        "riscv64-linux",
        "wasm32",
        "x86-64",
        "x86-64-windows",
    ],
)
def test_every_target_gets_its_format(name: str) -> None:
    # Pixels need to be told how they become images.
    how = None if name == "x86-64" else replace(preprocess_for(32), crop_px=SHAPE[1:])
    module = build(small_network(), TARGETS[name], SHAPE, how, batches=False)
    assert "x86" in name or "llvm.x86" not in str(module.code)
    made = object_file(module, replace(FACTS, preprocess=how), "net")
    assert kind_of(made.content) == EXPECTED.get(name, "ELF x86_64")
    assert ("net_logits" in made.names) == (name != "x86-64")
    check_symbols(made, name)


@pytest.mark.parametrize("name", ["x86-64", *X86])
def test_int8_objects_multiply_by_what_their_target_has(name: str) -> None:
    target = TARGETS[name]
    module = build(small_network(int8=True), target, SHAPE, batches=False)
    assert kind_of(object_file(module, FACTS).content) == EXPECTED.get(name, "ELF x86_64")
    multiplies = {"portable": "mul <8 x i32>", "AVX2": "pmadd.ub.sw", "AMX": "tdpbusd"}
    assert multiplies.get(target.multiplies_bytes, "vpdpbusd") in str(module.code)


def test_the_host_is_not_asked_about_other_targets(monkeypatch: pytest.MonkeyPatch) -> None:
    expected = object_file(build(small_network(), TARGETS["wasm32"], SHAPE), FACTS)
    for name in (
        "get_host_cpu_features",
        "get_host_cpu_name",
        "get_process_triple",
        "get_default_triple",
    ):
        monkeypatch.setattr(binding, name, lambda: pytest.fail("the host was asked"))
    assert object_file(build(small_network(), TARGETS["wasm32"], SHAPE), FACTS) == expected


def test_what_was_compiled_keeps_no_code_of_its_module() -> None:
    module = build(small_network(), NARROW, SHAPE)
    code = weakref.ref(module.code)
    compiled = jit(module)
    del module
    gc.collect()
    assert code() is None
    assert np.isfinite(compiled.logits_of(np.zeros(SHAPE, np.float32))).all()
