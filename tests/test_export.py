from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from conftest import SPECS, calmed, card_for, with_seeded_weights
from shufflenet import export
from shufflenet.deploy import compact, deploy
from shufflenet.engine import OnnxClassifier
from shufflenet.errors import ParityError, SpecError, WriteError
from shufflenet.export import export_onnx
from shufflenet.models import create_model
from shufflenet.networks import build
from shufflenet.trunk import ShuffleNet
from tolerance import FLOAT32_RELATIVE


def operators(path: Path) -> Counter[str]:
    return Counter(node.op_type for node in onnx.load(path).graph.node)


@pytest.mark.parametrize(
    "name", ["shufflenet_v2_x0_25", "shufflenet_v2_x1_0", "shufflenet_v2_x1_0_swish"]
)
def test_a_file_computes_what_the_network_does_without_a_shuffle(name: str, tmp_path: Path) -> None:
    net = with_seeded_weights(create_model(name, num_classes=6, stem_stride=2))
    path = tmp_path / "a.onnx"
    card = card_for(net.spec, image_px=64)
    exported = export_onnx(net, card, path)
    assert exported.bytes == path.stat().st_size
    onnx.checker.check_model(onnx.load(path), full_check=True)
    allowed = {"Conv", "Relu", "Sigmoid", "Mul", "Split", "Concat", "ReduceMean", "Gemm"}
    assert operators(path).keys() <= allowed | {"MaxPool", "Flatten"}
    classifier = OnnxClassifier(path)
    assert classifier.card == card
    for shape in ((1, 3, 64, 64), (5, 3, 33, 70)):  # batch and size are free
        images = np.random.default_rng(0).normal(size=shape).astype(np.float32)
        with torch.no_grad():
            expected = net(torch.from_numpy(images)).numpy()
        difference = np.abs(classifier.logits(images) - expected).max()
        assert difference <= FLOAT32_RELATIVE * np.abs(expected).max()


@pytest.mark.parametrize(
    "name",
    [
        "shufflenet_v1_g3_x0_5_megvii",
        "shufflenet_v2_x0_5_megvii",
        "shufflenet_v2_plus_small",
        "shufflenet_v2_large",
    ],
)
def test_every_generation_is_exported(name: str, tmp_path: Path) -> None:
    spec = replace(SPECS[name], classes=7)
    net = calmed(with_seeded_weights(build(spec)))
    path = tmp_path / "a.onnx"
    exported = export_onnx(net, card_for(spec, image_px=64), path)
    assert exported.max_abs_difference <= FLOAT32_RELATIVE * max(exported.max_abs_logit, 1)
    assert operators(path)["Transpose"] == 0
    assert OnnxClassifier(path).card.network == spec


def test_the_shuffle_can_be_kept(small_net: ShuffleNet, tmp_path: Path) -> None:
    exported = export_onnx(
        small_net, card_for(small_net.spec), tmp_path / "a.onnx", shuffle="keep", opset=20
    )
    assert exported.max_abs_difference <= FLOAT32_RELATIVE * exported.max_abs_logit
    assert operators(tmp_path / "a.onnx")["Transpose"] == 16
    assert onnx.load(tmp_path / "a.onnx").opset_import[0].version == 20


def test_float16_weights_take_half_the_room_and_lose_nothing(
    small_net: ShuffleNet, tmp_path: Path
) -> None:
    card = card_for(small_net.spec)
    whole = export_onnx(small_net, card, tmp_path / "a.onnx")
    half = export_onnx(compact(small_net), card, tmp_path / "b.onnx")
    assert half.bytes < 0.62 * whole.bytes
    assert half.max_abs_difference <= FLOAT32_RELATIVE * half.max_abs_logit


def test_no_path_of_the_machine_is_written(small_net: ShuffleNet, tmp_path: Path) -> None:
    export_onnx(small_net, card_for(small_net.spec), tmp_path / "a.onnx")
    assert str(Path(export.__file__).parent).encode() not in (tmp_path / "a.onnx").read_bytes()


def test_a_file_that_computes_something_else_is_not_written(
    small_net: ShuffleNet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def wrong(net: ShuffleNet) -> torch.nn.Module:
        deployed = deploy(net)
        deployed.get_parameter("fc.weight").data *= 1.001
        return deployed

    monkeypatch.setattr(export, "deploy", wrong)
    path = tmp_path / "a.onnx"
    path.write_bytes(b"what stood there")
    with pytest.raises(ParityError, match="nothing was written"):
        export_onnx(small_net, card_for(small_net.spec), path)
    assert path.read_bytes() == b"what stood there"


def test_weights_that_are_no_numbers_are_not_written(small_net: ShuffleNet, tmp_path: Path) -> None:
    small_net.fc.weight.data[0, 0] = torch.nan
    with pytest.raises(ParityError):
        export_onnx(small_net, card_for(small_net.spec), tmp_path / "a.onnx")


def test_an_opset_that_cannot_be_written_is_refused(small_net: ShuffleNet, tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="opset is 9, but must be from 18 to 23"):
        export_onnx(small_net, card_for(small_net.spec), tmp_path / "a.onnx", opset=9)


def test_a_place_that_cannot_be_written_is_told(small_net: ShuffleNet, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(WriteError, match="Cannot write"):
        export_onnx(small_net, card_for(small_net.spec), tmp_path / "file" / "a.onnx")
