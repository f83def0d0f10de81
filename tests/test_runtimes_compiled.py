"""Libraries of compiled networks: what they answer, and what is refused without being loaded."""

import ctypes
import json
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

pytest.importorskip("llvmlite")
pytest.importorskip("ziglang")
pytest.importorskip("torch")

import shufflenet
from quantizing import write_float_file
from resealed import save_resealed
from seeded import photo
from shufflenet.compile import compile_network
from shufflenet.errors import (
    ChangedExport,
    CheckpointError,
    NotCompiledNetwork,
    NotLoadable,
    SpecError,
)
from shufflenet.files import SEAL_KEY, UNSEALED, seal
from shufflenet.preprocess import normalize
from shufflenet.runtimes import CompiledClassifier, OnnxClassifier, find_runtimes, verify_file
from shufflenet.spec import BINARIES, RUNTIMES

PIXELS = np.random.default_rng(0).integers(0, 256, (5, 32, 32, 3), np.uint8)


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_float_file(tmp_path_factory.mktemp("net"))


@pytest.fixture(scope="module")
def library(network: Path) -> Path:
    path = network.parent / "net.so"
    compile_network(network, path, prefix="my_net")
    return path


def test_a_library_answers_as_its_network_does(network: Path, library: Path) -> None:
    reference, model = OnnxClassifier(network), CompiledClassifier(library, threads=2)
    assert model.card == reference.card
    expected = reference.logits_from_pixels(PIXELS)
    largest = np.abs(expected).max()
    found = model.logits_from_pixels(PIXELS)
    assert np.abs(found - expected).max() <= 2e-5 * largest
    assert np.array_equal(model.logits_from_pixels(PIXELS[2:3]), found[2:3])
    batch = normalize(PIXELS, reference.card.preprocess)
    assert np.abs(model.logits(batch) - expected).max() <= 2e-5 * largest
    assert model.logits(batch[:0]).shape == (0, expected.shape[1])


def test_a_library_is_a_model_of_its_own_runtime(network: Path, library: Path) -> None:
    assert RUNTIMES["compiled"] in find_runtimes("auto")
    assert set(RUNTIMES["compiled"].suffixes) < set(BINARIES)
    pictures = [photo(f"compiled{number}", 50, 70) for number in range(3)]
    expected = shufflenet.open_model(network, runtime="onnxruntime").classify(pictures, k=1)
    found = shufflenet.open_model(library).classify(pictures, k=1)
    assert [a[0].label for a in found] == [e[0].label for e in expected]


def test_many_threads_compute_in_memory_of_their_own(library: Path) -> None:
    model = CompiledClassifier(library, threads=1)
    expected = model.logits_from_pixels(PIXELS)
    with ThreadPoolExecutor(8) as pool:
        for found in pool.map(model.logits_from_pixels, [PIXELS] * 24):
            assert np.array_equal(found, expected)


def test_images_of_another_size_are_refused(library: Path) -> None:
    model = CompiledClassifier(library)
    with pytest.raises(
        SpecError, match="size of images is '40x32 px', but must be 32x32 px, the only"
    ):
        model.logits_from_pixels(np.zeros((1, 32, 40, 3), np.uint8))
    with pytest.raises(SpecError, match="size of images is '32x31 px'"):
        model.logits(np.zeros((1, 3, 31, 32), np.float32))


@pytest.mark.parametrize("content", [b"\x7fELF", b"\x7fELF" + bytes(4096), bytes(99)])
def test_a_file_without_the_functions_is_not_loaded(
    content: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ctypes, "CDLL", lambda _: pytest.fail("it was loaded"))
    path = tmp_path / "strange.so"
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match=r"'[^']*strange.so' is no compiled network\. Write"):
        shufflenet.open_model(path)


def test_names_of_two_networks_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "two.so"
    path.write_bytes(b"\x7fELF\0a_logits_of_image\0b_logits_of_image\0")
    with pytest.raises(NotCompiledNetwork, match="holds several networks"):
        shufflenet.open_model(path)


def test_a_library_that_is_cut_short_is_refused(library: Path, tmp_path: Path) -> None:
    whole, path = library.read_bytes(), tmp_path / "cut.so"
    for end in (100, 1000, len(whole) // 4, len(whole) // 2, len(whole) * 3 // 4):
        path.write_bytes(whole[:end])
        with pytest.raises((NotLoadable, NotCompiledNetwork), match=r"cut short|no compiled netw"):
            shufflenet.open_model(path)


def test_a_library_of_another_processor_is_refused(library: Path, tmp_path: Path) -> None:
    content = bytearray(library.read_bytes())
    content[18:20] = (247).to_bytes(2, "little")  # e_machine: a processor for BPF
    (tmp_path / "other.so").write_bytes(resealed(bytes(content)))
    with pytest.raises(NotLoadable, match=r"cannot be loaded here \(.*\)\. Compile it for this"):
        shufflenet.open_model(tmp_path / "other.so")


def test_paths_that_are_no_library_are_refused(network: Path, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="does not exist"):
        shufflenet.open_model(tmp_path / "none.so")
    (tmp_path / "folder.so").mkdir()
    with pytest.raises(CheckpointError, match="is a folder"):
        shufflenet.open_model(tmp_path / "folder.so")
    (tmp_path / "onnx.so").write_bytes(network.read_bytes())
    with pytest.raises(CheckpointError, match=r"\.onnx"):
        shufflenet.open_model(tmp_path / "onnx.so")


def test_a_library_is_verified_and_a_changed_one_does_not_agree(
    network: Path, library: Path, tmp_path: Path
) -> None:
    found = verify_file(library)
    assert (found.runtime, found.agrees) == ("compiled", True)
    model = onnx.load(network)
    node = next(each for each in model.graph.node if each.op_type == "Gemm")
    bias = next(each for each in model.graph.initializer if each.name == node.input[2])
    values = numpy_helper.to_array(bias).astype("<f4").tobytes()
    content = library.read_bytes()
    assert content.count(values)
    changed = content.replace(values, bytes(len(values)))
    (tmp_path / "other.so").write_bytes(resealed(changed))
    assert not verify_file(tmp_path / "other.so").agrees


def resealed(content: bytes) -> bytes:
    """Return a library with the hash that fits it."""
    stated = json.loads(content[content.index(b'{"interface"') :].partition(b"\0")[0])[SEAL_KEY]
    return seal({"": content.replace(stated.encode(), UNSEALED.encode())})[""]


def test_a_flipped_bit_anywhere_is_found_before_the_library_is_loaded(
    library: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ctypes, "CDLL", lambda _: pytest.fail("it was loaded"))
    whole, path = library.read_bytes(), tmp_path / "flipped.so"
    key, rng = whole.index(SEAL_KEY.encode()), np.random.default_rng(0)
    for at in [key, key + 20, key + len(SEAL_KEY) + 9, *rng.integers(0, len(whole), 60)]:
        content = bytearray(whole)
        content[at] ^= 1 << rng.integers(8)
        path.write_bytes(content)
        with pytest.raises((ChangedExport, NotCompiledNetwork, NotLoadable)):
            verify_file(path)
    assert resealed(whole) == whole


def with_bias(network: Path, path: Path, added: float) -> Path:
    """Write a network with another bias of the classifier."""
    model = onnx.load(network)
    node = next(each for each in model.graph.node if each.op_type == "Gemm")
    bias = next(each for each in model.graph.initializer if each.name == node.input[2])
    values = numpy_helper.to_array(bias) + np.float32(added)
    bias.CopyFrom(numpy_helper.from_array(values, bias.name))
    return save_resealed(model, path)


def test_a_library_that_was_replaced_is_loaded_anew(
    network: Path, library: Path, tmp_path: Path
) -> None:
    path, other = tmp_path / "net.so", tmp_path / "other.so"
    compile_network(with_bias(network, tmp_path / "other.onnx", 1.0), other)
    shutil.copyfile(library, path)
    first = CompiledClassifier(path)
    expected = first.logits_from_pixels(PIXELS)
    other.replace(path)
    second = CompiledClassifier(path)
    assert np.allclose(second.logits_from_pixels(PIXELS), expected + 1, atol=1e-4)
    assert np.array_equal(first.logits_from_pixels(PIXELS), expected)
    assert np.allclose(CompiledClassifier(path).logits_from_pixels(PIXELS), expected + 1, atol=1e-4)


def test_a_library_that_was_overwritten_in_its_place_is_refused(
    library: Path, tmp_path: Path
) -> None:
    path = tmp_path / "net.so"
    shutil.copyfile(library, path)
    CompiledClassifier(path)
    with path.open("r+b") as file:
        file.write(resealed(library.read_bytes() + b"\0"))
    with pytest.raises(NotLoadable, match="was overwritten while this process used it"):
        CompiledClassifier(path)


def test_a_broken_library_is_loaded_once_it_is_mended(library: Path, tmp_path: Path) -> None:
    path, whole = tmp_path / "net.so", library.read_bytes()
    path.write_bytes(resealed(whole[:18] + (247).to_bytes(2, "little") + whole[20:]))
    with pytest.raises(NotLoadable):
        CompiledClassifier(path)
    path.write_bytes(whole)  # in its place
    assert CompiledClassifier(path).logits_from_pixels(PIXELS).shape[0] == len(PIXELS)
