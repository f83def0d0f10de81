"""Object files: of the network that ships and of small ones, for processors not at hand."""

import ctypes
import gc
import struct
import weakref

import numpy as np
import pytest

pytest.importorskip("llvmlite")
from llvmlite import binding

from shufflenet.codegen import Module, build, jit, object_file
from shufflenet.codegen.kernels import aligned
from shufflenet.graph import read_network
from shufflenet.machine import host_target
from shufflenet.recipes import preprocess_for
from shufflenet.spec import TARGETS, Target
from shufflenet.zoo import SHIPPED
from small_networks import small_network

SHAPE = (3, 24, 20)
ELF = {"aarch64": 183, "armv7": 40, "riscv64": 243, "x86_64": 62}  # e_machine of each architecture
X86 = [name for name, target in TARGETS.items() if target.multiplies_bytes]


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
    return {0x8664: "COFF x86_64"}[machine]


EXPECTED = {
    "aarch64-linux": "ELF aarch64",
    "aarch64-macos": "Mach-O arm64",
    "armv7-linux": "ELF armv7",
    "riscv64-linux": "ELF riscv64",
    "wasm32": "WebAssembly",
    "x86-64-windows": "COFF x86_64",
}


@pytest.mark.parametrize("name", ["aarch64-linux", "riscv64-linux", "wasm32"])
def test_the_network_that_ships_becomes_an_object(name: str) -> None:
    assert SHIPPED.onnx
    network, _ = read_network(SHIPPED.onnx)
    module = build(network, TARGETS[name], (3, 80, 80), preprocess_for(80))
    assert "llvm.x86" not in str(module.code)
    content = object_file(module)
    assert kind_of(content) == EXPECTED[name]
    assert len(content) > module.constants.nbytes > 4 * 10**6
    assert module.constants.tobytes() in content
    for symbol in ("run", "run_pixels", "prepare", "arena_bytes", "logits_length"):
        assert f"shufflenet_{symbol}".encode() in content


@pytest.mark.parametrize("name", ["aarch64-macos", "armv7-linux", "x86-64", "x86-64-windows"])
def test_every_target_gets_its_format(name: str) -> None:
    module = build(small_network(), TARGETS[name], SHAPE)
    content = object_file(module, "net")
    assert kind_of(content) == EXPECTED.get(name, "ELF x86_64")
    assert b"net_run" in content
    assert b"net_run_pixels" not in content  # pixels need to be told how they become images


@pytest.mark.parametrize("name", X86)
def test_int8_objects_multiply_by_what_their_target_has(name: str) -> None:
    target = TARGETS[name]
    module = build(small_network(int8=True), target, SHAPE)
    assert kind_of(object_file(module)) == "ELF x86_64"
    multiplies = {"AVX2": "pmadd.ub.sw", "AMX": "tdpbusd"}.get(target.multiplies_bytes, "vpdpbusd")
    assert multiplies in str(module.code)


def test_the_host_is_not_asked_about_other_targets(monkeypatch: pytest.MonkeyPatch) -> None:
    expected = object_file(build(small_network(), TARGETS["wasm32"], SHAPE))
    for name in (
        "get_host_cpu_features",
        "get_host_cpu_name",
        "get_process_triple",
        "get_default_triple",
    ):
        monkeypatch.setattr(binding, name, lambda: pytest.fail("the host was asked"))
    assert object_file(build(small_network(), TARGETS["wasm32"], SHAPE)) == expected


def linked(module: Module) -> binding.ExecutionEngine:
    """Load a module's object into this process, as a linker would."""
    empty = binding.parse_assembly("")
    machine = binding.Target.from_triple(module.target.triple).create_target_machine()
    engine = binding.create_mcjit_compiler(empty, machine)
    engine.add_object_file(binding.ObjectFileRef.from_data(object_file(module)))
    engine.finalize_object()
    return engine


def number(engine: binding.ExecutionEngine, name: str) -> int:
    return ctypes.c_int64.from_address(engine.get_global_value_address(name)).value


def test_what_was_compiled_keeps_neither_code_nor_constants_of_its_module() -> None:
    module = build(small_network(int8=False), host_target(int8=False), SHAPE)
    code, constants = weakref.ref(module.code), weakref.ref(module.constants)
    compiled = jit(module)
    del module
    gc.collect()
    assert (code(), constants()) == (None, None)
    assert np.isfinite(compiled.logits_of(np.zeros(SHAPE, np.float32))).all()


@pytest.mark.parametrize("int8", [False, True], ids=["float32", "int8"])
def test_an_object_computes_what_the_compiled_module_does(int8: bool) -> None:
    target: Target = host_target(int8=int8)
    if int8 and not target.multiplies_bytes:
        pytest.skip("this processor has no instructions that multiply bytes")
    module = build(small_network(int8=int8), target, SHAPE, preprocess_for(32))
    engine, compiled = linked(module), jit(module)
    arena = aligned(number(engine, "shufflenet_arena_bytes"), np.uint8)
    arena[:] = 99  # prepare fills all of it
    logits = np.empty(number(engine, "shufflenet_logits_length"), np.float32)

    def call(name: str, *blocks: np.ndarray) -> None:
        kind = ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * len(blocks))
        function = kind(engine.get_function_address(f"shufflenet_{name}"))
        function(*(block.ctypes.data for block in blocks))

    rng = np.random.default_rng(0)
    image = rng.standard_normal(SHAPE, np.float32)
    pixels = rng.integers(0, 256, (*SHAPE[1:], 3), np.uint8)
    call("prepare", arena)
    call("run", arena, image, logits)
    assert np.array_equal(logits[:7], compiled.logits_of(image)[0])
    call("run_pixels", arena, pixels, logits)
    assert np.array_equal(logits[:7], compiled.logits_of_pixels(pixels)[0])
