"""WebAssembly modules, run by Node, against the same network compiled for this machine."""

import json
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

pytest.importorskip("llvmlite")
pytest.importorskip("ziglang")

from narrow import NARROW
from shufflenet.codegen import Facts, build, jit, object_file
from shufflenet.compile._link import link  # alone, for how modules are linked is not what is tested
from shufflenet.graph import Network, read_network
from shufflenet.spec import TARGETS, Label, Target
from shufflenet.zoo import SHIPPED
from small_networks import small_network

pytestmark = pytest.mark.skipif(not shutil.which("node"), reason="Node is not installed")

Floats = npt.NDArray[np.float32]

RUN = """
const [file, image, memory, classes] = process.argv.slice(1);
const { readFileSync } = require("fs");
const { exports: e } = new WebAssembly.Instance(new WebAssembly.Module(readFileSync(file)), {});
const pixels = new Uint8Array(readFileSync(image));
const at = (e.__heap_base.value + 63) & ~63, from = at + (Number(memory) + 63 & ~63);
const to = from + pixels.length, end = to + 4 * classes;
e.memory.grow(Math.ceil(Math.max(0, end - e.memory.buffer.byteLength) / 65536));
new Uint8Array(e.memory.buffer).set(pixels, from);
const codes = [e.net_prepare(at, memory), e.net_logits_of_image(at, from, to)];
const logits = [...new Float32Array(e.memory.buffer, to, classes)];
console.log(JSON.stringify({ codes, logits }));
"""


def by_node(
    network: Network, name: str, image: Floats, folder: Path, compiler: str
) -> tuple[list[int], Floats, int]:
    """Return the codes and logits of an image, ``(channels, height, width)``, and bytes of code."""
    classes = len(network.classifier.weight)
    facts = Facts(labels=[Label("", str(n)) for n in range(classes)], card="{}")
    module = build(network, TARGETS[name], image.shape, batches=False)
    made = object_file(module, facts, "net")
    content = link(made.content, "net.wasm", list(made.names)).content
    (folder / "net.wasm").write_bytes(content)
    image.tofile(folder / "image")
    # Of Node 20: what browsers have since 2023.
    command = ["node", "--experimental-wasm-relaxed-simd", compiler, "-e", RUN]
    arguments = [folder / "net.wasm", folder / "image", made.memory_bytes, classes]
    done = subprocess.run([*command, *map(str, arguments)], capture_output=True, check=True)
    found = json.loads(done.stdout)
    logits = np.array(found["logits"], np.float32)
    return found["codes"], logits, len(content) - made.weights_bytes


def computed_by_node(
    network: Network, name: str, image: Floats, folder: Path
) -> tuple[Floats, int]:
    """Return the logits of an image, and the bytes of the code."""
    codes, logits, code_bytes = by_node(network, name, image, folder, "--no-liftoff")
    assert codes == [0, 0]
    return logits, code_bytes


def random_image(*shape: int) -> Floats:
    return np.random.default_rng(shape).standard_normal(shape, np.float32)


def without_fused_multiply_adds() -> Target:
    """This processor as the first of its architecture."""
    if not NARROW.triple.startswith("x86_64"):
        pytest.skip("only the first of x86-64 had no fused multiply-adds")
    return replace(TARGETS["x86-64"], triple=NARROW.triple)


@pytest.mark.parametrize("int8", [False, True], ids=["float32", "int8"])
def test_wasm_computes_what_every_processor_does_to_the_bit(int8: bool, tmp_path: Path) -> None:
    network, image = small_network(int8=int8), random_image(3, 24, 20)
    module = build(network, without_fused_multiply_adds(), image.shape, batches=False)
    found, _ = computed_by_node(network, "wasm32", image, tmp_path)
    assert np.array_equal(found, jit(module).logits_of(image)[0])


@pytest.mark.parametrize("int8", [False, True], ids=["float32", "int8"])
def test_relaxed_wasm_may_fuse_multiply_adds(int8: bool, tmp_path: Path) -> None:
    network, image = small_network(int8=int8), random_image(3, 24, 20)
    expected = jit(build(network, NARROW, image.shape, batches=False)).logits_of(image)[0]
    found, _ = computed_by_node(network, "wasm32-relaxed", image, tmp_path)
    most = 0.02 if int8 else 2e-5  # a byte may be another by one
    assert np.abs(found - expected).max() <= most * np.abs(expected).max()


def test_an_engine_that_multiplies_wrongly_is_refused(tmp_path: Path) -> None:
    network, image = small_network(int8=True), random_image(3, 24, 20)
    expected, _ = computed_by_node(network, "wasm32-relaxed", image, tmp_path)
    codes, found, _ = by_node(network, "wasm32-relaxed", image, tmp_path, "--liftoff-only")
    assert codes == ([0, 0] if np.array_equal(found, expected) else [7, 4])
    network = small_network()  # without bytes nothing is multiplied wrongly
    codes, _, _ = by_node(network, "wasm32-relaxed", image, tmp_path, "--liftoff-only")
    assert codes == [0, 0]


def test_the_network_that_ships(tmp_path: Path) -> None:
    assert SHIPPED.onnx
    network, image = read_network(SHIPPED.onnx)[0], random_image(3, 80, 80)
    expected = jit(build(network, NARROW, image.shape, batches=False)).logits_of(image)[0]
    found, code_bytes = computed_by_node(network, "wasm32", image, tmp_path)
    assert code_bytes < 50_000  # of which a page is loaded before its weights
    assert np.abs(found - expected).max() <= 2e-5 * np.abs(expected).max()
