from collections import Counter
from dataclasses import asdict, replace
from pathlib import Path
from typing import Literal

import numpy as np
import onnx
import onnx_ir
import pytest
import torch
from torch import nn

from conftest import SPECS, calmed, card_for, with_seeded_weights
from programs import compute
from shufflenet import export
from shufflenet.deploy import compact
from shufflenet.errors import NetworkNotNumbers, ParityError, SpecError, WriteError
from shufflenet.export import Exported, ExportOptions, _onnx, _trace, export_file, export_onnx
from shufflenet.graph import load_onnx, read_program
from shufflenet.networks import ShuffleNet, build
from shufflenet.runtimes import OnnxClassifier
from shufflenet.spec import NetworkSpec, Stage, UnitKind, V2PlusSpec, V2Spec
from shufflenet.zoo import NETWORKS
from tolerance import FLOAT32_RELATIVE

UNITS: tuple[tuple[UnitKind, ...], ...] = (
    ("3x3", "xception"),
    ("5x5", "7x7"),
    ("xception", "5x5"),
)
DEPLOYED_V2 = {
    *("Conv", "Relu", "Sigmoid", "Mul", "Split", "Concat", "ReduceMean", "Gemm", "MaxPool"),
    "Flatten",
}


def operators(path: Path) -> Counter[str]:
    return Counter(node.op_type for node in onnx.load(path).graph.node)


def shallow(spec: NetworkSpec) -> NetworkSpec:
    """Leave two units of the first stage and the one that opens the next, which all others repeat.

    Those of a searched network are of every kind; each of the catalogue has all four.
    """
    if isinstance(spec, V2PlusSpec):
        searched = tuple(
            replace(stage, kinds=kinds, middles=())
            for stage, kinds in zip(spec.stages, UNITS, strict=False)
        )
        return replace(spec, stages=searched)
    first, second = spec.stages[:2]
    return replace(spec, stages=(replace(first, repeats=2), replace(second, repeats=1)))


def structure(spec: NetworkSpec) -> str:
    """Return what decides which operators are written: all but names, widths and depth."""
    facts = asdict(shallow(spec))
    for field in ("name", "dropout", "norm_eps", "stem_channels", "head_channels"):
        facts.pop(field, None)
    for stage in facts["stages"]:
        del stage["channels"]
    padded = isinstance(spec, V2Spec) and any(stage.channels // 2 % 4 for stage in spec.stages)
    return repr((type(spec), padded, facts))


# An export takes seconds, most of them for sizes that are left free, and a unit costs as much as
# the one before it, which is written alike. So a network is exported for every structure of the
# catalogue, with few units. At its real depth, each of the 48 is deployed in tests/test_deploy.py,
# and one is exported here.
STRUCTURES: dict[str, str] = {}
for name, spec in NETWORKS.items():
    STRUCTURES.setdefault(structure(spec), name)


def assert_parity(net: ShuffleNet, path: Path) -> None:
    """The file computes what the network does, for any batch and size."""
    classifier = OnnxClassifier(path)
    for shape in ((1, 3, 64, 64), (5, 3, 33, 70)):
        images = np.random.default_rng(0).normal(size=shape).astype(np.float32)
        with torch.no_grad():
            expected = net(torch.from_numpy(images)).numpy()
        difference = np.abs(classifier.logits(images) - expected).max()
        assert difference <= FLOAT32_RELATIVE * np.abs(expected).max()


def test_a_file_computes_what_the_network_does_without_a_shuffle(tmp_path: Path) -> None:
    spec = replace(NETWORKS["shufflenet_v2_x1_0"], classes=6, stem_stride=2)
    net = with_seeded_weights(build(spec))
    path = tmp_path / "a.onnx"
    exported = export_onnx(net, card_for(spec, image_px=64), path)
    assert exported.bytes == path.stat().st_size
    onnx.checker.check_model(onnx.load(path), full_check=True)
    assert operators(path).keys() <= DEPLOYED_V2
    assert_parity(net, path)


@pytest.mark.parametrize("name", STRUCTURES.values())
def test_every_network_of_the_catalogue_is_exported(name: str, tmp_path: Path) -> None:
    spec = shallow(replace(SPECS[name], classes=7))
    net = calmed(with_seeded_weights(build(spec)))
    path = tmp_path / "a.onnx"
    card = card_for(spec, image_px=64)
    exported = export_onnx(net, card, path)
    assert exported.max_abs_difference <= FLOAT32_RELATIVE * max(exported.max_abs_logit, 1)
    onnx.checker.check_model(onnx.load(path), full_check=True)
    assert operators(path)["Transpose"] == 0
    assert OnnxClassifier(path).card == card
    assert_parity(net, path)
    program = read_program(load_onnx(path), 1, (64, 64))
    images = np.random.default_rng(1).normal(size=(1, 3, 64, 64)).astype(np.float32)
    difference = np.abs(compute(program, images) - OnnxClassifier(path).logits(images)).max()
    assert difference <= FLOAT32_RELATIVE * max(exported.max_abs_logit, 1)


# --- what holds for any network, of one that is exported fast ---


def shallowest(split: Literal["halves", "even-odd"] = "halves") -> ShuffleNet:
    """One stage of two units, most of whose bytes are weights."""
    stages = (Stage(channels=128, repeats=2),)
    spec = V2Spec(
        name="small", stages=stages, head_channels=512, stem_stride=1, split=split, classes=3
    )
    return with_seeded_weights(build(spec))


@pytest.fixture
def net() -> ShuffleNet:
    return shallowest()


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Exported:
    made = shallowest()
    return export_onnx(made, card_for(made.spec), tmp_path_factory.mktemp("whole") / "a.onnx")


@pytest.fixture
def exported_before(whole: Exported, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the exporter write the graph of the fixture ``net``, whatever network it gets."""

    def graph(*_: object) -> onnx_ir.Model:
        model = onnx_ir.load(whole.path)
        model.metadata_props.clear()
        return model

    monkeypatch.setattr(_onnx, "_graph", graph)


def test_the_shuffle_can_be_kept(net: ShuffleNet, tmp_path: Path) -> None:
    path = tmp_path / "a.onnx"
    exported = export_onnx(net, card_for(net.spec), path, shuffle="keep", opset=20)
    assert exported.max_abs_difference <= FLOAT32_RELATIVE * exported.max_abs_logit
    assert operators(path)["Transpose"] == 2
    shuffles = [node.op for node in read_program(load_onnx(path), 1, (32, 32)).nodes]
    assert shuffles.count("ChannelShuffle") == 2
    assert onnx.load(path).opset_import[0].version == 20


@pytest.fixture
def traces(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """The sizes that torch left open, of each time that it traced a network."""
    traced: list[object] = []
    trace = _trace.trace

    def counted(
        deployed: nn.Module, net: ShuffleNet, *, sizes: dict[int, str] | None = None
    ) -> onnx_ir.Model:
        traced.append(sizes)
        return trace(deployed, net, sizes=sizes)

    monkeypatch.setattr(_trace, "trace", counted)
    return traced


def test_a_network_that_slices_channels_is_traced_once(
    traces: list[object], tmp_path: Path
) -> None:
    net, path = shallowest("even-odd"), tmp_path / "a.onnx"
    export_onnx(net, card_for(net.spec), path, shuffle="keep")
    assert operators(path)["Slice"] == 2
    assert traces == [None]
    assert_parity(net, path)


class Above(nn.Module):
    """Averages the upper half of images, whatever their height."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return images[:, :, : images.shape[2] // 2].mean((2, 3))


def test_a_network_that_slices_height_is_traced_with_sizes_left_open(
    net: ShuffleNet, traces: list[object]
) -> None:
    model = _trace.traced_classifier(Above(), net)
    assert traces == [None, _trace.SIZES]
    compute = _onnx._onnxruntime_logits(onnx_ir.to_proto(model).SerializeToString())
    for height in (32, 64, 90):
        images = np.random.default_rng(0).standard_normal((2, 3, height, 40), np.float32)
        assert np.allclose(compute(images), images[:, :, : height // 2].mean((2, 3)), atol=1e-6)


def test_float16_weights_take_half_the_room_and_lose_nothing(
    net: ShuffleNet, whole: Exported, tmp_path: Path
) -> None:
    half = export_onnx(compact(net), card_for(net.spec), tmp_path / "b.onnx")
    assert half.bytes < 0.62 * whole.bytes
    assert half.max_abs_difference <= FLOAT32_RELATIVE * half.max_abs_logit


def test_no_path_of_the_machine_is_written(whole: Exported) -> None:
    assert str(Path(export.__file__).parent).encode() not in Path(whole.path).read_bytes()


@pytest.mark.usefixtures("exported_before")
def test_a_file_that_computes_something_else_is_not_written(
    net: ShuffleNet, tmp_path: Path
) -> None:
    path = tmp_path / "a.onnx"
    path.write_bytes(b"what stood there")
    net.fc.weight.data *= 1.001
    with pytest.raises(ParityError, match="nothing was written"):
        export_onnx(net, card_for(net.spec), path)
    assert path.read_bytes() == b"what stood there"


def test_weights_that_are_nan_are_not_written(net: ShuffleNet, tmp_path: Path) -> None:
    net.fc.weight.data[0, 0] = torch.nan
    with pytest.raises(NetworkNotNumbers, match="logits that are infinite or NaN"):
        export_onnx(net, card_for(net.spec), tmp_path / "a.onnx")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("opset", [0, 8, 29])
def test_an_opset_that_cannot_be_written_is_refused(
    opset: int, net: ShuffleNet, tmp_path: Path
) -> None:
    sentence, path = f"opset is {opset}, but must be from 9 to 28", tmp_path / "a.onnx"
    with pytest.raises(SpecError, match=sentence):
        export_onnx(net, card_for(net.spec), path, opset=opset)
    with pytest.raises(SpecError, match=sentence):
        export_file(net, card_for(net.spec), path, ExportOptions(opset=opset))


@pytest.mark.usefixtures("exported_before")
def test_a_path_that_cannot_be_written_is_refused(net: ShuffleNet, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(WriteError, match="Cannot write"):
        export_onnx(net, card_for(net.spec), tmp_path / "file" / "a.onnx")
