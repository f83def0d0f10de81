"""Quantized files of torchvision, made by torch's own quantization, and the int8 files of them."""

import contextlib
import hashlib
import pickle
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime
import pytest
import torch
from onnx import numpy_helper
from torch import nn

from shufflenet.cli import main
from shufflenet.convert import convert_checkpoint, convert_quantized
from shufflenet.errors import (
    CheckpointError,
    CheckpointMismatch,
    ForeignFileDamaged,
    ImpossibleScale,
    NotQuantized,
    PublishedInt8,
    QuantizedSource,
    UnknownSource,
    UnsafeContent,
)
from shufflenet.files import read_onnx_card
from shufflenet.hub import resolve
from shufflenet.labels import label_set
from shufflenet.runtimes import OnnxClassifier, OpenVinoClassifier
from shufflenet.zoo import WEIGHTS
from torch_quantized import Quantized, quantized_net, save_state

pytestmark = pytest.mark.xdist_group("torch_quantized")  # a worker makes the networks once


def pictures(count: int, seed: int) -> torch.Tensor:
    coarse = torch.randn(count, 3, 8, 8, generator=torch.Generator().manual_seed(seed))
    return nn.functional.interpolate(coarse, 64)


@pytest.fixture(scope="module")
def net() -> Quantized:
    return quantized_net(pictures(24, 0))


@pytest.fixture(scope="module")
def file(net: Quantized, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_state(net, tmp_path_factory.mktemp("torch") / "shufflenetv2_x0.5_fbgemm-1.pth")


def compute(model: onnx.ModelProto, images: torch.Tensor) -> npt.NDArray[np.float32]:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    logits: npt.NDArray[np.float32] = session.run(None, {"images": images.numpy()})[0]
    return logits


def with_float_biases(model: onnx.ModelProto, net: Quantized) -> None:
    """Give every layer the bias that torch adds in float, instead of the one rounded to int32."""
    biases = {
        f"{name}.bias": module.bias()
        for name, module in net.named_modules()
        if callable(getattr(module, "bias", None))
    }
    dequantized = [node for node in model.graph.node if node.output[0] in biases]
    assert len(dequantized) == len(biases) == 57
    for node in dequantized:
        array = biases[node.output[0]].detach().numpy().astype(np.float32)
        model.graph.initializer.append(numpy_helper.from_array(array, node.output[0]))
        model.graph.node.remove(node)


@pytest.mark.parametrize("dead", [0.0, 30.0])
def test_but_for_the_rounding_of_biases_all_logits_are_torchs(dead: float, tmp_path: Path) -> None:
    net = quantized_net(pictures(24, 0), dead=dead)
    file = save_state(net, tmp_path / "a.pth")
    done = convert_quantized(file, tmp_path / "a.onnx")
    images = pictures(10, 1)
    with torch.inference_mode():
        expected = net(images).numpy()
    model = onnx.load(done.path)
    with_float_biases(model, net)
    steps = np.abs(compute(model, images) - expected) / float(net.fc.scale)
    assert steps.max() < 2.5  # a byte that is rounded to the other side moves a few logits
    assert (steps < 0.5).mean() > 0.8


def test_weights_scales_and_zero_points_are_those_of_the_file(
    net: Quantized, file: Path, tmp_path: Path
) -> None:
    model = onnx.load(convert_quantized(file, tmp_path / "a.onnx").path)
    constants = {each.name: numpy_helper.to_array(each) for each in model.graph.initializer}
    layers = {n: m for n, m in net.named_modules() if callable(getattr(m, "weight", None))}
    assert len(layers) == 57
    for name, module in layers.items():
        weight = module.weight()
        codes = weight.int_repr().numpy()
        assert np.array_equal(constants[f"{name}.weight_quantized"], codes)
        scales = weight.q_per_channel_scales().numpy().astype(np.float32)
        assert np.array_equal(constants[f"{name}.weight_scale"], scales)
        assert constants[f"{name}.bytes_scale"] == np.float32(module.scale)
        assert constants[f"{name}.bytes_zero_point"] == module.zero_point
    for name, module in net.named_modules():
        if type(module).__name__ == "QFunctional":
            assert constants[f"{name}.bytes_scale"] == np.float32(module.scale)


@pytest.mark.parametrize("runtime", ["onnxruntime", "openvino"])
def test_every_runtime_answers_as_torch_does(
    runtime: str, net: Quantized, file: Path, tmp_path: Path
) -> None:
    pytest.importorskip(runtime)
    kind = {"onnxruntime": OnnxClassifier, "openvino": OpenVinoClassifier}[runtime]
    model = kind(convert_quantized(file, tmp_path / "a.onnx").path)
    images = pictures(60, 2)
    with torch.inference_mode():
        expected = net(images).numpy()
    logits = model.logits(images.numpy())
    error, spread = ((x - x.mean()).std() for x in (logits - expected, expected))
    assert error < 0.6 * spread  # random weights multiply what rounding a bias moves


def test_the_card_is_the_catalogues_and_says_int8(file: Path, tmp_path: Path) -> None:
    done = convert_quantized(file, tmp_path / "a.onnx")
    card = read_onnx_card(done.path)
    assert card == done.card
    assert card.network.name == "shufflenet_v2_x0_5"
    assert card.labels == label_set("imagenet-1k")
    assert card.int8 is not None
    assert card.int8.calibrator == "torch"
    assert "prepared as for 'shufflenet_v2_x0_5.torchvision_in1k'" in done.remarks[0]


@pytest.mark.parametrize("zipped", [True, False])
def test_files_of_older_versions_of_torch_are_read(
    zipped: bool, net: Quantized, file: Path, tmp_path: Path
) -> None:
    """The archive and the pickles before it; the three places of the classifier's weights."""
    reference = convert_quantized(file, tmp_path / "a.onnx")
    state = net.state_dict()
    weight, bias = state.pop("fc._packed_params._packed_params")
    for number, prefix in enumerate(("fc._packed_params.", "fc.")):
        older = {**state, f"{prefix}weight": weight, f"{prefix}bias": bias}
        path = tmp_path / f"{number}.pth"
        torch.save({"state_dict": older}, path, _use_new_zipfile_serialization=zipped)
        other = convert_quantized(path, tmp_path / "b.onnx")
        models = [onnx.load(each.path) for each in (reference, other)]
        assert models[0].graph == models[1].graph


def changed(file: Path, target: Path, change: Callable[[dict[str, object]], object]) -> Path:
    state = torch.load(file, weights_only=False)
    change(state)
    torch.save(state, target)
    return target


def _put(name: str, value: object) -> Callable[[dict[str, object]], object]:
    return lambda state: state.update({name: value})


SCALE = "stage2.1.cat.scale"


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        (_put(SCALE, torch.tensor(0.0)), ImpossibleScale, "stage2.1.cat"),
        (_put(SCALE, torch.tensor(float("nan"))), ImpossibleScale, "stage2.1.cat"),
        (_put(SCALE, torch.tensor([0.1, 0.2])), ImpossibleScale, "stage2.1.cat"),
        (_put(SCALE, "0.1"), ImpossibleScale, "stage2.1.cat"),
        (_put("conv1.0.zero_point", torch.tensor(256)), ImpossibleScale, "conv1.0"),
        (_put("conv1.0.zero_point", torch.tensor(-1)), ImpossibleScale, "conv1.0"),
        (_put("conv1.0.bias", torch.full((24,), torch.inf)), ImpossibleScale, "conv1.0.bias"),
        (_put("conv1.0.weight", torch.zeros(24, 3, 3, 3)), ImpossibleScale, "conv1.0.weight"),
        (lambda state: state.pop("stage3.2.cat.scale"), ImpossibleScale, "stage3.2.cat"),
        (lambda state: state.pop("conv5.0.weight"), CheckpointMismatch, "the head has 0"),
        (lambda state: state.pop("quant.scale"), UnknownSource, "conv1.0.weight"),
        (_put("conv1.0.bias", torch.zeros(23)), CheckpointMismatch, "conv1.0.weight is"),
    ],
)
def test_damaged_files_are_refused_by_the_name_of_the_tensor(
    change: Callable[[dict[str, object]], object],
    error: type[Exception],
    words: str,
    file: Path,
    tmp_path: Path,
) -> None:
    with pytest.raises(error, match=words):
        convert_quantized(changed(file, tmp_path / "b.pth", change), tmp_path / "b.onnx")
    assert not (tmp_path / "b.onnx").exists()


def test_cut_and_flipped_files_are_refused_or_read(file: Path, tmp_path: Path) -> None:
    whole, rng = file.read_bytes(), np.random.default_rng(0)
    read = 0
    for number in range(60):
        content = bytearray(whole)
        if number % 3 == 0:
            content = content[: int(rng.integers(len(whole)))]
        else:
            # Names and numbers of the pickle and the archive, then any byte.
            last = 60_000 if number % 3 == 1 else len(whole)
            content[int(rng.integers(last))] ^= 1 << int(rng.integers(8))
        (tmp_path / "c.pth").write_bytes(content)
        with contextlib.suppress(CheckpointError, CheckpointMismatch):
            convert_quantized(tmp_path / "c.pth", tmp_path / "c.onnx")
            read += 1
    assert read < 50  # what is flipped may be a weight, or a part of the archive without meaning


def test_nothing_but_tensors_is_built(tmp_path: Path) -> None:
    class Attack:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return subprocess.getoutput, ("echo ran",)

    (tmp_path / "a.pth").write_bytes(pickle.dumps({"quant.scale": Attack()}, protocol=2))
    with pytest.raises((UnsafeContent, ForeignFileDamaged)):
        convert_quantized(tmp_path / "a.pth", tmp_path / "a.onnx")


def test_each_kind_of_file_is_sent_to_its_own_target(file: Path, tmp_path: Path) -> None:
    with pytest.raises(QuantizedSource, match=r"--to FILE\.onnx"):
        convert_checkpoint(file)
    torch.save({"conv1.0.weight": torch.zeros(24, 3, 3, 3)}, tmp_path / "float.pth")
    with pytest.raises(NotQuantized, match=r"--to FILE\.safetensors"):
        convert_quantized(tmp_path / "float.pth", tmp_path / "a.onnx")


def test_the_catalogues_names_are_converted_once(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = "shufflenet_v2_x0_5.torchvision_in1k_fbgemm"
    content = file.read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    entry = replace(WEIGHTS[name], sha256=digest, url="")
    monkeypatch.setitem(WEIGHTS, name, entry)
    monkeypatch.setenv("SHUFFLENET_HOME", str(tmp_path))
    kept = tmp_path / "downloads" / name / entry.filename
    kept.parent.mkdir(parents=True)
    kept.write_bytes(content)
    path = resolve(name, (".onnx",))
    card = read_onnx_card(path)
    assert card.name == name
    assert card.published == entry.published
    assert card.origin.licence == "BSD-2-Clause"
    before = path.stat().st_mtime_ns
    assert resolve(name, (".onnx", ".safetensors")).stat().st_mtime_ns == before
    with pytest.raises(PublishedInt8, match=r"--to FILE\.onnx"):
        resolve(name, (".safetensors",))
    assert main(["convert", name, "--to", str(tmp_path / "b.onnx")]) == 0
    assert read_onnx_card(tmp_path / "b.onnx") == card


def test_the_command_writes_what_predict_runs(
    file: Path, tmp_path: Path, class_folders: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / "int8.onnx"
    assert main(["convert", str(file), "--to", str(target)]) == 0
    assert "shufflenet_v2_x0_5 in int8 with 1000 classes" in capsys.readouterr().out
    image = next(class_folders.rglob("*.*"))
    assert main(["predict", str(image), "--model", str(target)]) == 0
    assert main(["convert", str(file), "--to", str(target), "--network", "x"]) == 2
