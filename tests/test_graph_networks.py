"""Layers read from random graphs and from int8 files, computed by NumPy as they are documented."""

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import helper, numpy_helper

from quantizing import CLASSES, QUICK, pictures, write_float_file, written
from random_graphs import bottleneck, random_model
from shufflenet.errors import CheckpointError
from shufflenet.graph import (
    ChannelSlice,
    Convolution,
    Dequantize,
    Layer,
    Linear,
    MaxPool,
    Mean,
    Network,
    Quantize,
    QuantParams,
    only_reader,
    read_network,
    residual_of,
)
from shufflenet.preprocess import normalize
from shufflenet.quantize import quantize_onnx
from shufflenet.spec import CARD_KEY, Card, NetworkSpec, Stage, V1Spec

RNG = np.random.default_rng


# --- what the layers mean ---


def joined(pieces: tuple[ChannelSlice, ...], values: dict[str, np.ndarray]) -> np.ndarray:
    """Concatenate slices of tensors ``(n, channels, ...)``."""
    return np.concatenate(
        [values[each.tensor][:, each.first : each.first + each.channels] for each in pieces], axis=1
    )


def windows(x: np.ndarray, kernel: int, stride: int, padding: float) -> np.ndarray:
    """Return ``(n, c, h, w, kernel, kernel)``."""
    pad = kernel // 2
    x = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)), constant_values=padding)
    taps = np.lib.stride_tricks.sliding_window_view(x, (kernel, kernel), axis=(2, 3))
    return np.asarray(taps[:, :, ::stride, ::stride])


def convolve(layer: Convolution, values: dict[str, np.ndarray]) -> np.ndarray:
    x = joined(layer.inputs, values)
    taps = windows(x, layer.kernel, layer.stride, layer.padding_value)
    n, _, h, w = taps.shape[:4]
    taps = taps.reshape(n, layer.groups, -1, h, w, layer.kernel, layer.kernel)
    weight = np.asarray(layer.weight, np.float64)
    weight = weight.reshape(layer.groups, -1, *weight.shape[1:])
    sums = np.einsum("ngchwij,gocij->ngohw", taps, weight).reshape(n, -1, h, w)
    scale = 1 if layer.scale is None else layer.scale[:, None, None]
    y = np.clip(sums * scale + layer.bias[:, None, None], *layer.limits)
    if layer.residual:
        y = y + joined(layer.residual, values) * layer.residual_scale
    y = np.rint(y) if layer.weight.dtype == np.int8 else y
    return np.asarray(np.clip(y, layer.floor, layer.ceiling))


def compute(network: Network, images: np.ndarray) -> np.ndarray:
    """Return the logits of images ``(n, 3, h, w)``, in float64."""
    params = network.input_params
    x = np.asarray(images, np.float64)
    if params:
        x = np.clip(np.rint(x / params.scale) + params.zero_point, 0, 255)
    values = {network.layers[0].inputs[0].tensor: x}
    in_float = set() if params else set(values)
    for layer in network.layers:
        is_float = layer.inputs[0].tensor in in_float
        if isinstance(layer, Convolution):
            y = convolve(layer, values)
        elif isinstance(layer, Quantize | Dequantize):
            x, means = joined(layer.inputs, values), layer.params
            is_float = not is_float
            if isinstance(layer, Quantize):
                y = np.clip(np.rint(x / means.scale) + means.zero_point, layer.floor, layer.ceiling)
            else:
                y = (x - means.zero_point) * means.scale
        elif isinstance(layer, MaxPool):
            y = windows(joined(layer.inputs, values), 3, 2, layer.padding_value).max((4, 5))
        else:
            assert isinstance(layer, Mean)
            y = joined(layer.inputs, values).mean((2, 3)) * layer.scale + layer.bias
            y = y if is_float else np.clip(np.rint(y), 0, 255)
        values[layer.output] = y
        if is_float:
            in_float.add(layer.output)
    classifier = network.classifier
    scale = 1 if classifier.scale is None else classifier.scale
    sums = joined(classifier.inputs, values) @ np.asarray(classifier.weight, np.float64).T
    return np.asarray(sums * scale + classifier.bias)


def session(model: onnx.ModelProto) -> onnxruntime.InferenceSession:
    """Open a model that is computed node by node: int8 in float32 between roundings."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    return onnxruntime.InferenceSession(model.SerializeToString(), options)


# --- float32 ---


@pytest.mark.parametrize("seed", range(40))
def test_a_random_graph_is_read_as_layers_that_compute_the_same(seed: int, tmp_path: Path) -> None:
    model = random_model(seed)
    onnx.save(model, tmp_path / "random.onnx")
    network, _ = read_network(tmp_path / "random.onnx")
    images = RNG(seed).normal(size=(2, 3, 21, 18)).astype(np.float32)
    (expected,) = session(model).run(None, {"images": images})
    assert np.abs(compute(network, images) - expected).max() <= 1e-5 * np.abs(expected).max()
    assert network.input_params is None


def test_metadata_is_returned(tmp_path: Path) -> None:
    model = random_model(0)
    model.metadata_props.add(key="author", value="somebody")
    onnx.save(model, tmp_path / "random.onnx")
    assert read_network(tmp_path / "random.onnx")[1] == {"author": "somebody"}


@pytest.mark.parametrize(("channels", "used"), [(16, 11), (8, 7), (8, 8), (4, 2)])
def test_channels_multiplied_by_zeros_alone_are_removed(
    channels: int, used: int, tmp_path: Path
) -> None:
    model = bottleneck(channels, used)
    onnx.save(model, tmp_path / "padded.onnx")
    network, _ = read_network(tmp_path / "padded.onnx")
    shapes = [layer.weight.shape[:2] for layer in network.layers if isinstance(layer, Convolution)]
    assert shapes == [(4, 3), (used, 4), (used, 1), (6, used)]
    images = RNG(0).normal(size=(2, 3, 9, 12)).astype(np.float32)
    (expected,) = session(model).run(None, {"images": images})
    assert np.abs(compute(network, images) - expected).max() <= 1e-5 * np.abs(expected).max()


def test_channels_of_zeros_between_others_stay(tmp_path: Path) -> None:
    model = bottleneck(8, 8)
    last = [node for node in model.graph.node if node.op_type == "Conv"][-1]
    (constant,) = (each for each in model.graph.initializer if each.name == last.input[1])
    weight = numpy_helper.to_array(constant).copy()
    weight[:, 3] = 0
    constant.CopyFrom(numpy_helper.from_array(weight, constant.name))
    onnx.save(model, tmp_path / "zeros.onnx")
    network, _ = read_network(tmp_path / "zeros.onnx")
    *_, last_layer, _ = network.layers
    assert isinstance(last_layer, Convolution)
    assert last_layer.weight.shape == (6, 8, 1, 1)


def layer(output: str, *inputs: str, residual: str = "") -> Convolution:
    """Return a convolution of two channels."""
    return Convolution(
        output=output,
        inputs=tuple(ChannelSlice(name, 0, 2) for name in inputs),
        weight=np.ones((2, 2, 1, 1), np.float32),
        bias=np.zeros(2, np.float32),
        stride=1,
        groups=1,
        residual=(ChannelSlice(residual, 0, 2),) if residual else (),
    )


@pytest.mark.parametrize(
    ("others", "found"),
    [
        ([layer("b", "a")], 0),
        ([layer("b", "images"), layer("c", "a")], 1),
        ([], None),
        ([layer("b", "a"), layer("c", "a")], None),
        ([layer("b", "a", "images")], None),
        ([layer("b", "images", residual="a")], None),
        ([layer("b", "a", residual="a")], None),
    ],
)
def test_only_a_layer_that_alone_reads_the_whole_output_is_its_reader(
    others: list[Layer], found: int | None
) -> None:
    first = layer("a", "images")
    reader = only_reader([first, *others], first)
    assert reader is (None if found is None else others[found])


def test_only_convolutions_have_a_residual() -> None:
    assert residual_of(layer("a", "images", residual="b")) == (ChannelSlice("b", 0, 2),)
    assert residual_of(MaxPool(output="a", inputs=(ChannelSlice("images", 0, 2),))) == ()


# --- int8 ---


# V1 adds and averages. What it adds is rounded twice in the file, and once in the layers.
V1 = V1Spec(
    name="v1",
    groups=2,
    stages=tuple(Stage(channels=width, repeats=2) for width in (32, 64)),
    stem_channels=8,
    classes=3,
)


@pytest.mark.parametrize(("spec", "tolerance"), [(None, 0.02), (V1, 0.15)], ids=["V2", "V1"])
def test_int8_layers_compute_what_the_file_means(
    spec: NetworkSpec | None, tolerance: float, tmp_path: Path
) -> None:
    photos = written(tmp_path / "photos", pictures(12), CLASSES)
    path = tmp_path / "int8.onnx"
    quantize_onnx(write_float_file(tmp_path, spec), photos, path, QUICK)
    network, metadata = read_network(path)
    card = Card.from_json(metadata[CARD_KEY])
    images = normalize(pictures(6), card.preprocess)
    (expected,) = session(onnx.load(path)).run(None, {"images": images})
    assert np.abs(compute(network, images) - expected).max() <= tolerance * np.abs(expected).max()
    for each in (*network.layers, network.classifier):
        if isinstance(each, Convolution | Linear):
            assert each.weight.dtype == np.int8
            assert each.scale is not None
        if isinstance(each, Convolution):
            assert 0 <= each.floor < each.ceiling <= 255
            assert each.padding_value in range(256)


def test_bytes_stand_for_values_of_a_range() -> None:
    assert QuantParams(scale=0.5, zero_point=10).range == (-5.0, 122.5)


def test_bytes_that_no_layer_reads_in_a_float_file_are_refused(tmp_path: Path) -> None:
    model = random_model(0)
    constants = {"scale": np.float32(0.1), "zero_point": np.uint8(0)}
    model.graph.initializer.extend(
        numpy_helper.from_array(np.array(array), name) for name, array in constants.items()
    )
    node = helper.make_node("QuantizeLinear", ["images", *constants], ["bytes"])
    model.graph.node.insert(0, node)
    onnx.save(model, tmp_path / "mixed.onnx")
    with pytest.raises(
        CheckpointError, match="has a Conv among int8 and float layers, which the LLVM runtime"
    ):
        read_network(tmp_path / "mixed.onnx")
