"""Embeddings without torch: ONNX files without their last layer, against torch and themselves."""

import json
import pickle
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

import shufflenet
from conftest import SPECS, calmed, card_for, saved, with_seeded_weights
from exported import THIN, export
from foreign import onnx_zoo_v1
from originals import ORIGINALS, weights
from quantizing import CLASSES, QUICK, pictures, write_float_file, written
from resealed import save_resealed
from shufflenet.errors import (
    ChangedExport,
    CheckpointError,
    DamagedScale,
    FileMissing,
    LogitsNotNumbers,
    MissingDependency,
    NeedsSuffix,
    NoLastLayer,
    NoMaps,
    SpecError,
)
from shufflenet.export import ExportOptions, export_file, export_onnx_file
from shufflenet.files import read_onnx_metadata
from shufflenet.networks import ShuffleNet, build
from shufflenet.preprocess import normalize
from shufflenet.quantize import quantize_onnx
from shufflenet.runtimes import (
    SCALE_KEY,
    OnnxClassifier,
    OnnxEmbedder,
    open_answering,
    open_embedder,
)
from shufflenet.runtimes.pytorch import TorchClassifier
from shufflenet.zoo import SHIPPED
from test_runtimes_published import publish_as
from tolerance import FLOAT32_RELATIVE

# Float16 maps, through up to 100 layers: 7e-4 of the largest number was seen.
FLOAT16_RELATIVE = 5e-3
# Bytes of every map, rounded to one of 256: 6 % of the largest number was seen.
INT8_RELATIVE = 0.08

Array = npt.NDArray[np.float32]
# One of each order of last layers: with and without a bias, a head, a neck, a squeeze.
GENERATIONS = (
    "shufflenet_v1_g3_x0_5_megvii",
    "shufflenet_v2_x0_25",
    "shufflenet_v2_plus_small",
    "shufflenet_v2_large",
)


def images(count: int, side: int = 32, channels: int = 3) -> Array:
    return np.random.default_rng(1).normal(size=(count, channels, side, side)).astype(np.float32)


@cache
def _network(name: str) -> ShuffleNet:
    spec = SPECS[name]
    stages: Any = spec.stages[:2]  # an export takes seconds a stage
    short = replace(spec, classes=7, stages=stages)
    return calmed(with_seeded_weights(build(short))).eval()


def difference(a: Array, b: Array) -> float:
    assert a.shape == b.shape
    return float(np.abs(a - b).max() / np.abs(b).max())


@pytest.mark.parametrize("name", GENERATIONS)
def test_every_generation_embeds_as_by_torch(name: str, tmp_path: Path) -> None:
    net = _network(name)
    expected = TorchClassifier(net, card_for(net.spec))
    path = tmp_path / "net.onnx"
    export_file(net, card_for(net.spec), path)
    export_onnx_file(path, tmp_path / "half.onnx", options=ExportOptions(precision="float16"))
    export_onnx_file(path, tmp_path / "old.onnx", options=ExportOptions(opset=9))
    batch = images(2)
    relative = {"net": FLOAT32_RELATIVE, "old": FLOAT32_RELATIVE, "half": FLOAT16_RELATIVE}
    for file, allowed in relative.items():
        embedder = open_embedder(tmp_path / f"{file}.onnx", threads=1)
        vectors = embedder.embed(batch)
        assert vectors.dtype == np.float32
        assert vectors.shape == (2, net.spec.embedding_channels)
        assert difference(vectors, expected.embed(batch)) <= allowed
        layer, given = embedder.last_layer(), expected.last_layer()
        assert given.weight.shape == (7, net.spec.embedding_channels)
        assert given.bias.any() == (net.fc.bias is not None)
        rounding = 1e-3 if file == "half" else 0
        assert np.abs(layer.weight - given.weight).max() <= rounding
        assert np.abs(layer.bias - given.bias).max() <= rounding
        if net.spec.hidden_channels:
            for each in (embedder, expected):
                with pytest.raises(NoMaps):
                    each.maps(batch)
            continue
        maps = embedder.maps(batch)
        assert maps.dtype == np.float32
        assert difference(maps, expected.maps(batch)) <= 2 * allowed
        assert difference(maps.mean(axis=(2, 3)), vectors) <= allowed


def test_a_kept_shuffle_is_cut_as_well(tmp_path: Path) -> None:
    net = with_seeded_weights(build(replace(THIN, stages=(replace(THIN.stages[0], repeats=1),))))
    path = tmp_path / "net.onnx"
    export_file(net, card_for(net.spec), path, ExportOptions(shuffle="keep"))
    assert "Transpose" in {node.op_type for node in onnx.load(path).graph.node}
    vectors = open_embedder(path, threads=1).embed(images(2))
    expected = TorchClassifier(net, card_for(net.spec)).embed(images(2))
    assert difference(vectors, expected) <= FLOAT32_RELATIVE


def test_the_last_layer_makes_logits_of_embeddings_and_of_maps(tmp_path: Path) -> None:
    path = export(THIN, tmp_path / "thin.onnx")
    embedder, batch = open_embedder(path, threads=1), images(3)
    layer = embedder.last_layer()
    weight, bias = layer.weight, layer.bias
    logits = OnnxClassifier(path, threads=1).logits(batch)
    assert difference(embedder.embed(batch) @ weight.T + bias, logits) <= FLOAT32_RELATIVE
    shown = np.einsum("kd,ndhw->nkhw", weight, embedder.maps(batch))
    assert difference(shown.mean(axis=(2, 3)) + bias, logits) <= FLOAT32_RELATIVE


def test_the_shipped_model_embeds_as_its_checkpoint_does() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (5, 80, 80, 3), np.uint8)
    embedder = shufflenet.open_embedder(threads=1)
    assert isinstance(embedder, OnnxEmbedder)
    assert SHIPPED.checkpoint
    expected = open_embedder(SHIPPED.checkpoint)
    assert isinstance(expected, TorchClassifier)
    vectors = embedder.embed_from_pixels(pixels)
    assert difference(vectors, expected.embed_from_pixels(pixels)) <= FLOAT32_RELATIVE
    prepared = normalize(pixels, embedder.card.preprocess)
    assert np.array_equal(embedder.embed(prepared), vectors)


@pytest.mark.parametrize("pixels", [False, True])
def test_an_int8_file_embeds_within_its_rounding(pixels: bool, tmp_path: Path) -> None:
    source, path = write_float_file(tmp_path), tmp_path / "int8.onnx"
    patterns = written(tmp_path / "patterns", pictures(60), CLASSES)
    quantize_onnx(source, patterns, path, replace(QUICK, pixels=pixels))
    embedder, batch = open_embedder(path, threads=1), pictures(8)
    vectors = embedder.embed_from_pixels(batch)
    expected = open_embedder(source, threads=1).embed_from_pixels(batch)
    # Equalizing made channels larger or smaller, which the file's scale undoes.
    assert difference(vectors, expected) <= INT8_RELATIVE
    scale = np.array(json.loads(read_onnx_metadata(path)[SCALE_KEY]), np.float32)
    assert scale.max() > 2 * scale.min()
    told = open_answering(path, threads=1).rows(batch)[:, 3:]
    assert difference(told, vectors) <= FLOAT32_RELATIVE
    layer, ours = open_embedder(source).last_layer(), embedder.last_layer()
    assert difference(ours.weight, layer.weight) <= INT8_RELATIVE
    prepared = normalize(batch, embedder.card.preprocess)
    model = onnx.load(path)
    arrays = {each.name: numpy_helper.to_array(each) for each in model.graph.initializer}
    rounding = np.abs(embedder.maps(prepared).mean(axis=(2, 3)) - vectors) / scale
    assert rounding.max() <= 0.501 * arrays["mean_scale"]  # to the nearest byte
    reads = model.graph.node[-1].input[0]
    model.graph.output.append(onnx.ValueInfoProto(name=reads))  # what the layer itself was given
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    given = batch.transpose(0, 3, 1, 2) if pixels else prepared
    (exact,) = session.run([reads], {"images": given})
    assert difference(vectors, exact * scale) <= FLOAT32_RELATIVE


def test_files_without_a_scale_embed_as_they_did_and_a_damaged_one_is_refused(
    tmp_path: Path,
) -> None:
    source, path = write_float_file(tmp_path), tmp_path / "int8.onnx"
    patterns = written(tmp_path / "patterns", pictures(60), CLASSES)
    quantize_onnx(source, patterns, path, QUICK)
    batch = pictures(4)
    expected = open_embedder(path, threads=1).embed_from_pixels(batch)
    scale = json.loads(read_onnx_metadata(path)[SCALE_KEY])
    export_onnx_file(path, tmp_path / "again.onnx", options=ExportOptions(batch=2))
    again = open_embedder(tmp_path / "again.onnx", threads=1).embed_from_pixels(batch)
    assert difference(again, expected) <= FLOAT32_RELATIVE

    def with_scale(text: str | None) -> Path:
        model = onnx.load(path)
        entries = [(e.key, e.value) for e in model.metadata_props if e.key != SCALE_KEY]
        del model.metadata_props[:]
        for key, value in [*entries, *([(SCALE_KEY, text)] if text is not None else [])]:
            model.metadata_props.add(key=key, value=value)
        onnx.save(model, tmp_path / "other.onnx")
        return tmp_path / "other.onnx"

    old = open_embedder(with_scale(None), threads=1)
    assert difference(old.embed_from_pixels(batch) * np.float32(scale), expected) <= 1e-6
    logits = OnnxClassifier(path, threads=1).logits_from_pixels(batch)
    layer = old.last_layer()
    by_layer = old.embed_from_pixels(batch) @ layer.weight.T + layer.bias
    assert difference(by_layer, logits) <= INT8_RELATIVE
    damaged = ("", "1", "[1, 2]", "[" + "1," * 500, json.dumps([0, *scale[1:]]))
    for text in (*damaged, json.dumps([-1, *scale[1:]]), json.dumps([1e39, *scale[1:]])):
        for opened in (open_embedder, open_answering):
            with pytest.raises(DamagedScale):
                opened(with_scale(text))


def test_no_images_make_no_rows(tmp_path: Path) -> None:
    net = _network("shufflenet_v2_x0_25")
    checkpoint = saved(net, tmp_path / "net.safetensors")
    for embedder in (shufflenet.open_embedder(), open_embedder(checkpoint)):
        width = embedder.card.network.embedding_channels
        assert embedder.embed(images(0)).shape == (0, width)
        assert embedder.maps(images(0)).shape == (0, width, 0, 0)


def test_an_embedder_is_pickled_and_shared_by_threads() -> None:
    embedder = shufflenet.open_embedder(threads=1)
    again = pickle.loads(pickle.dumps(embedder))  # noqa: S301  # made here
    batch = images(4)
    expected = embedder.embed(batch)
    assert np.array_equal(again.embed(batch), expected)
    with ThreadPoolExecutor(4) as pool:
        for vectors in pool.map(lambda _: embedder.embed(batch), range(16)):
            assert np.array_equal(vectors, expected)


@pytest.mark.parametrize("options", [{"batch": 2}, {"image_px": (32, 32)}])
def test_files_of_fixed_sizes_embed_as_others_do(
    options: dict[str, object], tmp_path: Path
) -> None:
    path = export(THIN, tmp_path / "thin.onnx")
    fixed = tmp_path / "fixed.onnx"
    export_onnx_file(path, fixed, options=ExportOptions(**options))  # type: ignore[arg-type]  # either
    embedder, other = open_embedder(fixed, threads=1), open_embedder(path, threads=1)
    assert difference(embedder.embed(images(3)), other.embed(images(3))) <= FLOAT32_RELATIVE
    assert difference(embedder.maps(images(3)), other.maps(images(3))) <= FLOAT32_RELATIVE
    if "image_px" in options:
        with pytest.raises(SpecError, match="32x32 px, the only size"):
            embedder.embed(images(1, side=48))


def test_published_files_are_embedded_unconverted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The V1 of the ONNX model zoo ends with a softmax, and takes one image at a time."""
    original = next(o for o in ORIGINALS if o.source == "onnxzoo")
    path = tmp_path / "shufflenet-9.onnx"
    onnx.save(onnx_zoo_v1(weights(original)), path)
    publish_as("shufflenet_v1_g4_x0_5_onnx.onnx_zoo_9", path, monkeypatch)
    embedder, batch = open_embedder(path, threads=1), images(2, side=224)
    vectors = embedder.embed(batch)
    assert vectors.shape == (2, embedder.card.network.embedding_channels)
    layer = embedder.last_layer()
    logits = vectors @ layer.weight.T + layer.bias
    probabilities = np.exp(OnnxClassifier(path, threads=1).logits(batch))
    scores = np.exp(logits - logits.max(axis=1, keepdims=True))
    expected = scores / scores.sum(axis=1, keepdims=True)
    assert difference(probabilities, expected) <= FLOAT32_RELATIVE
    # Its mean is an AveragePool of the whole map.
    assert difference(embedder.maps(batch).mean(axis=(2, 3)), vectors) <= FLOAT32_RELATIVE


def test_the_published_int8_file_is_embedded(real_data: Path) -> None:
    """Its classifier multiplies bytes; the embedding is what they were rounded from."""
    path = real_data / "published" / "shufflenet-v2-12-int8.onnx"
    if not path.exists():
        pytest.skip("the published file is not there")
    embedder, batch = open_embedder(path, threads=1), images(2, side=224)
    vectors = embedder.embed(batch)
    assert vectors.shape == (2, 1024)
    assert np.allclose(embedder.maps(batch).mean(axis=(2, 3)), vectors, atol=1e-5)
    model = onnx.load(path)
    arrays = {each.name: numpy_helper.to_array(each) for each in model.graph.initializer}
    layer = embedder.last_layer()
    for ours, name in ((layer.weight.T, "fc.weight"), (layer.bias, "fc.bias")):
        quantized, scale, zero = (
            arrays[f"{name}_{part}"] for part in ("quantized", "scale", "zero_point")
        )
        assert np.allclose(ours, (quantized.astype(np.float32) - zero) * scale, rtol=1e-6)


# --- the last layer ---


def _adds_its_bias(graph: onnx.GraphProto) -> None:
    """Compute what a Gemm does by a MatMul of transposed weights and an Add."""
    weight = next(each for each in graph.initializer if each.name == "fc.weight")
    weight.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(weight).T.copy(), "fc.weight"))
    graph.node.pop()
    graph.node.append(helper.make_node("MatMul", ["mean", "fc.weight"], ["product"]))
    graph.node.append(helper.make_node("Add", ["fc.bias", "product"], ["logits"]))


def _multiplies(graph: onnx.GraphProto) -> None:
    inputs, outputs = graph.node[-1].input, graph.node[-1].output
    gemm = helper.make_node("Gemm", inputs, outputs, alpha=-2.0, beta=3.0, transB=1)
    graph.node[-1].CopyFrom(gemm)


def _averages_a_window(graph: onnx.GraphProto) -> None:
    """Take the mean of 2 x 2 positions: all those of images of 64 px, and no others'."""
    at = next(i for i, node in enumerate(graph.node) if "mean" in node.output)
    source = graph.node[at].input[0]
    pool = helper.make_node("AveragePool", [source], ["pooled"], kernel_shape=[2, 2])
    flat = helper.make_node("Flatten", ["pooled"], ["mean"])
    del graph.node[at]
    graph.node.insert(at, flat)
    graph.node.insert(at, pool)


@pytest.mark.parametrize("change", [_adds_its_bias, _multiplies, _averages_a_window])
def test_other_forms_of_the_last_layer_are_read(
    change: Callable[[onnx.GraphProto], None], tmp_path: Path
) -> None:
    path, batch = changed(tmp_path, change), images(3, side=64)
    embedder, layer = open_embedder(path, threads=1), open_embedder(path, threads=1).last_layer()
    logits = OnnxClassifier(path, threads=1).logits(batch)
    assert (
        difference(embedder.embed(batch) @ layer.weight.T + layer.bias, logits) <= FLOAT32_RELATIVE
    )
    means = embedder.maps(batch).mean(axis=(2, 3))
    assert difference(means, embedder.embed(batch)) <= FLOAT32_RELATIVE


def test_a_mean_over_a_part_of_the_maps_is_none_over_all(tmp_path: Path) -> None:
    embedder = open_embedder(changed(tmp_path, _averages_a_window), threads=1)
    with pytest.raises(NoMaps):
        embedder.maps(images(1, side=96))


def _has_infinite_weights(graph: onnx.GraphProto) -> None:
    weight = next(each for each in graph.initializer if each.name == "fc.bias")
    infinite = np.full(tuple(weight.dims), np.inf, np.float32)
    weight.CopyFrom(numpy_helper.from_array(infinite, "fc.bias"))


def _has_one_bias_too_many(graph: onnx.GraphProto) -> None:
    graph.node[-1].input[2] = ""
    graph.node[-1].output[0] = "product"
    graph.initializer.append(numpy_helper.from_array(np.ones((1, 2, 1), np.float32), "twice"))
    graph.node.append(helper.make_node("Add", ["product", "twice"], ["logits"]))


def _multiplies_from_the_left(graph: onnx.GraphProto) -> None:
    graph.node[-1].op_type = "MatMul"
    graph.node[-1].input[:] = ["fc.weight", "mean"]
    del graph.node[-1].attribute[:]


STRANGE = {
    "infinite": (_has_infinite_weights, "has a last layer with infinities or NaN"),
    "biases": (_has_one_bias_too_many, "has a last layer of 2 biases, not"),
    "left": (_multiplies_from_the_left, "has a last MatMul that does not read its weights second"),
}


@pytest.mark.parametrize("case", STRANGE)
def test_a_last_layer_of_other_weights_is_refused(case: str, tmp_path: Path) -> None:
    change, problem = STRANGE[case]
    with pytest.raises(NoLastLayer) as refused:
        open_embedder(changed(tmp_path, change), threads=1).last_layer()
    assert problem in str(refused.value)


# --- what cannot be embedded ---


def changed(folder: Path, change: Callable[[onnx.GraphProto], None]) -> Path:
    """Write the thin network with another graph, as if it had been exported so."""
    path = export(THIN, folder / "thin.onnx")
    model = onnx.load(path)
    change(model.graph)
    return save_resealed(model, path)


def _ends_with_mean(graph: onnx.GraphProto) -> None:
    graph.node[-1].CopyFrom(helper.make_node("Relu", ["mean"], ["logits"]))


def _adds_two(graph: onnx.GraphProto) -> None:
    last = graph.node.pop()
    for name in ("one", "two"):
        graph.node.append(helper.make_node("Gemm", last.input, [name], transB=1))
    graph.node.append(helper.make_node("Add", ["one", "two"], ["logits"]))


def _reads_images(graph: onnx.GraphProto) -> None:
    graph.node[-1].input[0] = graph.input[0].name


def _outputs_a_weight(graph: onnx.GraphProto) -> None:
    graph.output[0].name = "fc.weight"


def _outputs_nothing(graph: onnx.GraphProto) -> None:
    del graph.output[:]


def _reads_fewer(graph: onnx.GraphProto) -> None:
    """Multiply by the first three channels of the weights alone."""
    starts = numpy_helper.from_array(np.array([0]), "starts")
    ends = numpy_helper.from_array(np.array([3]), "ends")
    axes = numpy_helper.from_array(np.array([1]), "axes")
    graph.initializer.extend([starts, ends, axes])
    last = graph.node.pop()
    for name, source in (("some", "mean"), ("weights", "fc.weight")):
        inputs = [source, "starts", "ends", "axes"]
        graph.node.append(helper.make_node("Slice", inputs, [name]))
    last.input[0], last.input[1] = "some", "weights"
    graph.node.append(last)


def _has_no_node(graph: onnx.GraphProto) -> None:
    del graph.node[:]


REFUSED = {
    "a Relu": (_ends_with_mean, "has a Relu in place of its last layer"),
    "two": (_adds_two, "has a last Add of 2 computed inputs"),
    "images": (_reads_images, "has a last layer that reads the images themselves"),
    "a weight": (_outputs_a_weight, "has an output that nothing computes"),
    "no output": (_outputs_nothing, "has an output that nothing computes"),
    "three numbers": (_reads_fewer, "has a last layer that reads 3 numbers, not 145 as its card's"),
    "no node": (_has_no_node, "has an output that nothing computes"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_graph_without_one_last_layer_is_refused_in_a_sentence(case: str, tmp_path: Path) -> None:
    change, problem = REFUSED[case]
    with pytest.raises(NoLastLayer) as refused:
        open_embedder(changed(tmp_path, change))
    assert f"{problem}, so that it has no embedding." in str(refused.value)


def test_a_changed_or_damaged_file_is_refused(tmp_path: Path) -> None:
    path = export(THIN, tmp_path / "thin.onnx")
    model = onnx.load(path)
    fc = next(each for each in model.graph.initializer if each.name == "fc.weight")
    fc.CopyFrom(numpy_helper.from_array(1 - numpy_helper.to_array(fc), "fc.weight"))
    onnx.save(model, tmp_path / "changed.onnx")
    with pytest.raises(ChangedExport):
        open_embedder(tmp_path / "changed.onnx")
    (tmp_path / "short.onnx").write_bytes(path.read_bytes()[:-1000])
    (tmp_path / "empty.onnx").write_bytes(b"")
    for name in ("short", "empty"):
        with pytest.raises(CheckpointError):
            open_embedder(tmp_path / f"{name}.onnx")
    with pytest.raises(FileMissing):
        open_embedder(tmp_path / "none.onnx")
    (tmp_path / "net.tflite").write_bytes(b"TFL3")
    with pytest.raises(NeedsSuffix):
        open_embedder(tmp_path / "net.tflite")
    with pytest.raises(SpecError):
        open_embedder(path, threads=0)


def test_numbers_that_are_none_are_refused(tmp_path: Path) -> None:
    def diverge(graph: onnx.GraphProto) -> None:
        bias = next(each for each in graph.initializer if each.name == "conv5.0.bias")
        infinite = np.full(145, np.inf, np.float32)
        bias.CopyFrom(numpy_helper.from_array(infinite, bias.name))

    embedder = open_embedder(changed(tmp_path, diverge), threads=1)
    for compute in (embedder.embed, embedder.maps):
        with pytest.raises(LogitsNotNumbers):
            compute(images(1))


def test_what_is_given_is_checked() -> None:
    embedder = shufflenet.open_embedder(threads=1)
    with pytest.raises(SpecError):
        embedder.embed(images(1, channels=1))
    with pytest.raises(SpecError):
        embedder.maps(images(1).astype(np.float64))
    with pytest.raises(SpecError):
        embedder.embed_from_pixels(np.zeros((1, 80, 80, 1), np.uint8))


def test_a_checkpoint_needs_torch_and_an_onnx_file_does_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoint = saved(_network("shufflenet_v2_x0_25"), tmp_path / "net.safetensors")
    monkeypatch.setitem(__import__("sys").modules, "torch", None)
    monkeypatch.delitem(__import__("sys").modules, "shufflenet.runtimes.pytorch")
    assert shufflenet.open_embedder(threads=1).embed(images(1)).shape == (1, 1024)
    with pytest.raises(MissingDependency, match="Or write it as .onnx where torch is"):
        open_embedder(checkpoint)


def test_the_kind_of_an_output_is_not_asked_for(tmp_path: Path) -> None:
    """The file states a type for its logits; that of the embedding, float16 here, is inferred."""
    path = export(THIN, tmp_path / "thin.onnx")
    half = tmp_path / "half.onnx"
    export_onnx_file(path, half, options=ExportOptions(precision="float16"))
    assert onnx.load(half).graph.output[0].type.tensor_type.elem_type == TensorProto.FLOAT
    vectors = open_embedder(half, threads=1).embed(images(2))
    expected = open_embedder(path, threads=1).embed(images(2))
    assert vectors.dtype == np.float32
    assert difference(vectors, expected) <= FLOAT16_RELATIVE
