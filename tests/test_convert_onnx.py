"""ONNX files of other exporters: of fixed sizes, with norms folded, with constants for weights."""

import warnings
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import helper, numpy_helper
from PIL import Image

from conftest import with_seeded_weights
from foreign import LIGHT
from shufflenet import zoo
from shufflenet.cli import main
from shufflenet.convert import convert_checkpoint
from shufflenet.errors import CheckpointError, ParityError
from shufflenet.labels import label_set
from shufflenet.networks import ShuffleNet, build, build_with
from shufflenet.zoo import NETWORKS


def network() -> ShuffleNet:
    return with_seeded_weights(build(NETWORKS["shufflenet_v2_x0_25"])).eval()


def exported(net: torch.nn.Module, shape: tuple[int, ...], folder: Path) -> onnx.ModelProto:
    """Return what torch's own exporter makes: norms folded, names numbered, sizes fixed."""
    path = folder / "exported.onnx"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch is going to remove this exporter
        torch.onnx.export(net, (torch.zeros(shape),), path, dynamo=False)
    return onnx.load(path)


@pytest.fixture(scope="module")
def folded(tmp_path_factory: pytest.TempPathFactory) -> onnx.ModelProto:
    return exported(network(), (10, 3, 64, 96), tmp_path_factory.mktemp("exported"))


@torch.no_grad()
def test_a_file_of_fixed_sizes_and_folded_norms_is_converted(
    folded: onnx.ModelProto, tmp_path: Path
) -> None:
    path = tmp_path / "a.onnx"
    onnx.save(folded, path)
    converted = convert_checkpoint(path)
    assert converted.remarks[0].startswith("Its batch norms are part of its convolutions")
    checkpoint = converted.checkpoint
    assert checkpoint.card.network.name == "shufflenet_v2_x0_25"
    pixels = torch.rand(10, 3, 64, 96)
    session = onnxruntime.InferenceSession(folded.SerializeToString())
    (theirs,) = session.run(None, {session.get_inputs()[0].name: pixels.numpy()})
    ours = build_with(checkpoint.card.network, checkpoint.tensors).eval()(pixels).numpy()
    assert np.abs(ours - theirs).max() <= 1e-5 * np.abs(theirs).max()


def test_a_graph_that_computes_something_else_is_refused(
    folded: onnx.ModelProto, tmp_path: Path
) -> None:
    path = tmp_path / "a.onnx"
    changed = onnx.load_from_string(folded.SerializeToString())
    next(node for node in changed.graph.node if node.op_type == "Relu").op_type = "Sigmoid"
    onnx.save(changed, path)
    with pytest.raises(ParityError):
        convert_checkpoint(path)


@pytest.mark.parametrize(
    "shape", [(1000, 3, 64, 64), (1, 3, 5000, 64), (1, 4, 64, 64), (3, 64, 64)]
)
def test_images_of_other_shapes_are_refused(
    shape: tuple[int, ...], folded: onnx.ModelProto, tmp_path: Path
) -> None:
    path = tmp_path / "a.onnx"
    changed = onnx.load_from_string(folded.SerializeToString())
    images = changed.graph.input[0]
    images.CopyFrom(helper.make_tensor_value_info(images.name, onnx.TensorProto.FLOAT, shape))
    onnx.save(changed, path)
    with pytest.raises(CheckpointError, match="its input has the shape"):
        convert_checkpoint(path)


def test_a_node_that_makes_too_many_numbers_is_refused_before_it_runs(tmp_path: Path) -> None:
    model = onnx.load(LIGHT)
    last = model.graph.node[-1].input[0]
    doubled = [
        helper.make_node("Concat", [last if i == 0 else f"d{i}"] * 2, [f"d{i + 1}"], axis=1)
        for i in range(40)
    ]
    final = model.graph.node.pop()
    model.graph.node.extend(doubled)
    final.input[0] = "d40"
    model.graph.node.append(final)
    path = tmp_path / "a.onnx"
    onnx.save(model, path)
    with pytest.raises(CheckpointError, match="cannot be computed"):
        convert_checkpoint(path)
    shapes = [t for t in model.graph.initializer if t.name.endswith("__SHAPE")]
    shapes[0].CopyFrom(numpy_helper.from_array(np.full(4, 1 << 40), shapes[0].name))
    onnx.save(model, path)
    with pytest.raises(CheckpointError, match="an array of an impossible shape"):
        convert_checkpoint(path)


@torch.no_grad()
def test_the_graph_with_constant_weights_is_known_for_what_it_is(tmp_path: Path) -> None:
    """It is the zoo's V1; ``onnx`` carries it with stand-ins for most weights."""
    converted = convert_checkpoint(LIGHT)
    checkpoint = converted.checkpoint
    assert checkpoint.card.network.name == "shufflenet_v1_g4_x0_5_onnx"
    assert checkpoint.card.labels == label_set("imagenet-1k")
    assert converted.remarks[0].startswith("Its weights are constants")
    pixels = torch.rand(1, 3, 224, 224)
    session = onnxruntime.InferenceSession(str(LIGHT))
    (theirs,) = session.run(None, {"gpu_0/data_0": pixels.numpy()})
    net = build_with(checkpoint.card.network, checkpoint.tensors).eval()
    ours = net(pixels).softmax(1).numpy()
    assert np.abs(ours - theirs).max() <= 1e-6


def test_remedies_do_not_go_in_a_circle(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every command names the one that works, and the file that it writes works everywhere."""
    monkeypatch.chdir(tmp_path)
    photo = tmp_path / "photo.jpg"
    Image.new("RGB", (300, 300)).save(photo)
    for command in (
        ["predict", str(photo), "--model", str(LIGHT)],
        ["show", str(LIGHT)],
        ["export", str(LIGHT), "--to", "a.onnx"],
        ["embed", str(photo), "--model", str(LIGHT), "--to", "a.npy"],
    ):
        assert main(command) == 1
        told = capsys.readouterr().err
        assert told.endswith(f"shufflenet convert {LIGHT} --to light_shufflenet.safetensors.\n")
    assert main(["convert", str(LIGHT), "--to", "light_shufflenet.safetensors"]) == 0
    assert main(["show", "light_shufflenet.safetensors"]) == 0
    capsys.readouterr()
    assert main(["predict", str(photo), "--model", "light_shufflenet.safetensors"]) == 0


def test_a_file_that_this_package_exported_is_not_converted() -> None:
    with pytest.raises(CheckpointError, match=r"Name the \.safetensors file that it was exported"):
        convert_checkpoint(Path(zoo.__file__).parent / "default.onnx")


def test_what_onnx_runtime_says_of_a_file_reaches_nobody(
    folded: onnx.ModelProto, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Neither on standard output, which programs may read, nor beside the error."""
    path = tmp_path / "a.onnx"
    concat = next(node for node in folded.graph.node if node.op_type == "Concat")
    name = concat.output[0].encode()
    broken = onnx.load_from_string(folded.SerializeToString())
    next(node for node in broken.graph.node if node.op_type == "Concat").attribute[0].i = 9
    capfd.readouterr()
    for content in (
        folded.SerializeToString().replace(name, b"\xff" * len(name), 1),
        broken.SerializeToString(),
    ):
        path.write_bytes(content)
        with pytest.raises(CheckpointError):
            convert_checkpoint(path)
        assert capfd.readouterr() == ("", "")
