"""Thousands of small changes of files: each is refused in a sentence, or means what ONNX means."""

from pathlib import Path

import numpy as np
import onnx
import pytest

pytest.importorskip("llvmlite")

from mutations import mutate
from narrow import NARROW
from random_graphs import quantized, random_model
from shufflenet.codegen import build, check, jit
from shufflenet.errors import ShuffleNetError
from shufflenet.graph import Network, read_network
from shufflenet.machine import host_target
from test_graph_networks import compute, session

RNG = np.random.default_rng
SHAPE = (3, 21, 18)
FLOAT32 = 1e-3  # weights of 1e38 leave few digits
INT8 = 0.1  # one byte of a map of a few channels
QUANTIZABLE = (0, 1, 3, 4, 6, 8)  # seeds of graphs whose int8 form is read


def changed(base: onnx.ModelProto, seed: int) -> onnx.ModelProto | None:
    """Return a model with one to a few changes; None where protobuf cannot hold one."""
    model, rng = onnx.ModelProto(), RNG(seed)
    model.CopyFrom(base)
    try:
        mutate(model, rng)
        while rng.random() < 0.3:
            mutate(model, rng)
    except (IndexError, OverflowError, TypeError, ValueError):
        return None
    return model


def read(model: onnx.ModelProto, path: Path, sentences: list[str]) -> Network | None:
    """Return the layers of a model whose plan is sound too, or add why it is refused."""
    path.write_bytes(model.SerializeToString())
    try:
        network, _ = read_network(path)
        check(network, host_target(int8=np.uint8 in network.dtypes), SHAPE)
    except ShuffleNetError as error:
        sentences.append(str(error))
        return None
    return network


def images() -> np.ndarray:
    return RNG(1).standard_normal((2, *SHAPE), np.float32)


def answer(model: onnx.ModelProto) -> np.ndarray:
    name = model.graph.input[0].name
    return np.asarray(session(model).run(None, {name: images()})[0])


def assert_same(computed: np.ndarray, expected: np.ndarray, tolerance: float) -> None:
    if np.abs(expected).max() < 1e30:
        assert computed.shape == expected.shape
        assert np.abs(computed - expected).max() <= tolerance * np.abs(expected).max()


@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # weights of 1e38
@pytest.mark.parametrize("first", range(0, 500, 100))
def test_a_changed_float_file_is_refused_or_means_the_same(first: int, tmp_path: Path) -> None:
    read_ones, sentences = 0, list[str]()
    for seed in range(first, first + 100):
        model = changed(random_model(seed % 40), seed)
        network = model and read(model, tmp_path / "changed.onnx", sentences)
        if model and network:
            assert_same(compute(network, images()), answer(model), FLOAT32)
            read_ones += 1
    assert 5 < read_ones < 40
    assert all(each.endswith(".") and "\n" not in each for each in sentences)


@pytest.mark.parametrize("base", QUANTIZABLE)
def test_a_changed_int8_file_is_refused_or_means_the_same(base: int, tmp_path: Path) -> None:
    model = quantized(random_model(base), tmp_path / "int8.onnx")
    for seed in range(100 * base, 100 * base + 40):
        other = changed(model, seed)
        network = other and read(other, tmp_path / "changed.onnx", [])
        if other and network:
            assert_same(compute(network, images()), answer(other), INT8)


@pytest.mark.parametrize("base", QUANTIZABLE)
def test_a_changed_file_with_layers_in_float_is_refused_or_means_the_same(
    base: int, tmp_path: Path
) -> None:
    model, read_ones = random_model(base), 0
    layers = [node.output[0] for node in model.graph.node if node.op_type in ("Conv", "Gemm")]
    rng = RNG(base)
    for seed in range(3):
        in_float = [name for name in layers if rng.random() < 0.4]
        mixed = quantized(model, tmp_path / "mixed.onnx", in_float)
        for other in (mixed, *(changed(mixed, 1000 * base + 10 * seed + n) for n in range(10))):
            network = other and read(other, tmp_path / "changed.onnx", [])
            if other and network:
                read_ones += 1
                assert_same(compute(network, images()), answer(other), INT8)
    assert read_ones >= 3


@pytest.mark.parametrize("seed", [6, 9, 15])
def test_changed_files_that_are_read_run_as_they_mean(seed: int, tmp_path: Path) -> None:
    network = None
    while network is None:
        model = changed(random_model(seed % 40), seed)
        network = model and read(model, tmp_path / "changed.onnx", [])
        seed += 1
    compiled = jit(build(network, NARROW, SHAPE))
    expected = compute(network, images()[:1])
    assert_same(compiled.logits_of(images()[0]), expected, 1e-4)
