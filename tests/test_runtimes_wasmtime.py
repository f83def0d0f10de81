"""WebAssembly modules run by Wasmtime: what they answer, and what strangers' ones cannot do."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("llvmlite")
pytest.importorskip("torch")
pytest.importorskip("wasmtime")
pytest.importorskip("ziglang")

import wasmtime

from conftest import take_away
from quantizing import write_float_file
from seeded import photo
from shufflenet import open_model
from shufflenet.compile import CompiledFile, compile_network
from shufflenet.compile._gate import check_module, reference  # the gate alone, for wrong answers
from shufflenet.errors import (
    CheckpointError,
    MissingDependency,
    NotCompiledNetwork,
    NotLoadable,
    ParityError,
    SpecError,
)
from shufflenet.files import read_onnx_card
from shufflenet.preprocess import normalize
from shufflenet.runtimes import OnnxClassifier, WasmClassifier, _wasmtime, verify_file

PIXELS = np.random.default_rng(0).integers(0, 256, (5, 32, 32, 3), np.uint8)


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_float_file(tmp_path_factory.mktemp("net"))


@pytest.fixture(scope="module", params=["wasm32", "wasm32-relaxed"])
def compiled(network: Path, request: pytest.FixtureRequest) -> CompiledFile:
    path = network.parent / f"{request.param}.wasm"
    return compile_network(network, path, request.param, prefix="my_net")


@pytest.fixture
def module(compiled: CompiledFile) -> Path:
    return Path(compiled.path)


def test_a_module_answers_as_its_network_does(network: Path, module: Path) -> None:
    reference, model = OnnxClassifier(network), WasmClassifier(module, threads=2)
    assert model.card == reference.card
    expected = reference.logits_from_pixels(PIXELS)
    found = model.logits_from_pixels(PIXELS)
    assert np.abs(found - expected).max() <= 2e-5 * np.abs(expected).max()
    assert np.array_equal(model.logits_from_pixels(PIXELS[2:3]), found[2:3])
    batch = normalize(PIXELS, reference.card.preprocess)
    assert np.abs(model.logits(batch) - expected).max() <= 2e-5 * np.abs(expected).max()
    assert model.logits(batch[:0]).shape == (0, expected.shape[1])
    with ThreadPoolExecutor(4) as pool:
        for each in pool.map(model.logits_from_pixels, [PIXELS] * 8):
            assert np.array_equal(each, found)


def test_a_module_is_a_model_and_is_verified(network: Path, module: Path) -> None:
    pictures = [photo(f"wasm{number}", 50, 70) for number in range(3)]
    expected = open_model(network, runtime="onnxruntime").classify(pictures, k=1)
    found = open_model(module).classify(pictures, k=1)
    assert [a[0].label for a in found] == [e[0].label for e in expected]
    verified = verify_file(module)
    assert (verified.runtime, verified.agrees) == ("wasmtime", True)


def test_a_module_is_compared_with_its_network_before_it_is_written(
    compiled: CompiledFile, network: Path
) -> None:
    assert compiled.max_abs_difference is not None
    assert 0 < compiled.max_abs_difference < 2e-5 * max(1, compiled.max_abs_logit)
    content = Path(compiled.path).read_bytes()
    expected = reference(network, read_onnx_card(network))
    assert check_module(content, "net.wasm", expected) == compiled.max_abs_difference
    expected.logits[1, 2] += 1e-3
    with pytest.raises(ParityError, match="compiled file differs"):
        check_module(content, "net.wasm", expected)


def test_images_of_another_size_are_refused(module: Path) -> None:
    with pytest.raises(
        SpecError, match="size of images is '40x32 px', but must be 32x32 px, the only"
    ):
        WasmClassifier(module).logits_from_pixels(np.zeros((1, 32, 40, 3), np.uint8))


def test_without_the_package_it_is_named(
    module: Path, network: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    take_away("wasmtime", monkeypatch)
    with pytest.raises(MissingDependency, match=r"shufflenet\[wasm\]"):
        open_model(module)
    expected = reference(network, read_onnx_card(network))
    assert check_module(module.read_bytes(), "net.wasm", expected) is None


def opened(content: bytes, folder: Path) -> WasmClassifier:
    (folder / "strange.wasm").write_bytes(content)
    return WasmClassifier(folder / "strange.wasm", threads=1)


def test_a_module_that_is_cut_or_none_is_refused(module: Path, tmp_path: Path) -> None:
    whole = module.read_bytes()
    for content in (bytes(99), b"\0asm\2\0\0\0", whole[:7], whole[:100], whole[: 1 << 14]):
        with pytest.raises(NotCompiledNetwork, match=r"no WebAssembly module, or is cut short\. "):
            opened(content, tmp_path)
    with pytest.raises(CheckpointError, match="does not exist"):
        open_model(tmp_path / "none.wasm")


_STRANGER = """
import sys, numpy
from shufflenet.errors import CheckpointError
from shufflenet.runtimes import _wasmtime
_wasmtime._MOST_STEPS = 1 << 28
_wasmtime.check_sealed = lambda *_: None
try:
    model = _wasmtime.WasmClassifier(f"{sys.argv[1]}/strange.wasm", threads=1)
    result = model.logits_from_pixels(numpy.load(f"{sys.argv[1]}/pixels.npy")).shape
except CheckpointError:
    result = "refused"
print(result, end="")
"""


@pytest.mark.parametrize("seed", range(12))
def test_flipped_bytes_are_found(
    module: Path, tmp_path: Path, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_wasmtime, "_MOST_STEPS", 1 << 28)
    rng, content = np.random.default_rng(seed), bytearray(module.read_bytes())
    for at in rng.integers(8, len(content) if seed % 2 else 9000, 3):
        content[at] ^= 1 << rng.integers(8)
    with pytest.raises(CheckpointError, match=r"strange\.wasm"):
        opened(bytes(content), tmp_path)
    # Also where it is a stranger's, with a hash that fits, nothing is harmed. In a process of its
    # own: code that traps raises signals, whose handlers other libraries of this process replace.
    np.save(tmp_path / "pixels.npy", PIXELS)
    command = [sys.executable, "-c", _STRANGER, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert (done.returncode, done.stdout) in ((0, "(5, 3)"), (0, "refused")), done.stderr


def stranger(body: str = "i32.const 0", before: str = "", pages: int = 1) -> bytes:
    """Return a module with the functions of a compiled network, which all do the same."""
    names = ("proof", "card", "message", "prepare", "logits_of_image", "logits")
    takes = {"message": "i32", "prepare": "i32 i32", "logits": "i32 i32 i32"}
    takes["logits_of_image"] = takes["logits"]
    functions = "".join(
        f'(func (export "net_{name}") (param {takes.get(name, "")}) (result i32) {body})'
        for name in names
    )
    text = f'(module {before} (memory (export "memory") {pages})'
    text += f'(global (export "__heap_base") i32 (i32.const 1024)) {functions})'
    content: bytes = bytes(wasmtime.wat2wasm(text))
    return content


def test_an_endless_loop_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_wasmtime, "_MOST_STEPS", 1 << 20)
    for content in (
        stranger("(loop br 0) unreachable"),
        stranger("call 0"),  # until its stack is full
        stranger(before="(func $forever (loop br 0)) (start $forever)"),
    ):
        with pytest.raises(NotLoadable, match="fuel|stack"):
            opened(content, tmp_path)


def test_memory_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_wasmtime, "_MOST_MEMORY_BYTES", 1 << 20)
    with pytest.raises(NotLoadable, match="memory"):
        opened(stranger(pages=17), tmp_path)
    # Where no more is given, memory.grow returns -1, whose address is beyond the memory.
    with pytest.raises(NotCompiledNetwork, match="is of another version"):
        opened(stranger("i32.const 17 memory.grow"), tmp_path)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (stranger(before='(import "env" "f" (func))'), "needs functions of others"),
        (stranger(before='(func (export "x_logits_of_image"))'), "holds several networks"),
        (bytes(wasmtime.wat2wasm("(module)")), "is no compiled network"),
        (stranger(), "is of another version"),
        (stranger("i32.const -1"), "is of another version"),
        (stranger().replace(b"__heap_base", b"__heap_bose"), "lacks Global '__heap_base'"),
        (stranger() + b"\0\x0b\x0ashufflenet", "is the code of a page, whose weights are in anoth"),
        (stranger() + b"\x0a\x80\x80\x80\x02" + bytes(4 << 20), "has more code than any compiled"),
    ],
)
def test_what_is_no_compiled_network_is_refused(
    content: bytes, problem: str, tmp_path: Path
) -> None:
    with pytest.raises(NotCompiledNetwork, match=problem):
        opened(content, tmp_path)


def test_a_function_that_traps_or_returns_something_else_is_told(tmp_path: Path) -> None:
    for body, says in (("unreachable", "wasm trap"), ("i32.const 0 i32.load offset=70000", "trap")):
        with pytest.raises(NotLoadable, match=says):
            opened(stranger(body), tmp_path)
    content = bytes(wasmtime.wat2wasm('(module (func (export "net_logits_of_image")))'))
    with pytest.raises(NotCompiledNetwork, match="lacks Memory 'memory'"):
        opened(content, tmp_path)
