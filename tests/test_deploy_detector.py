"""Detectors without shuffles: what they find, how they learn, their weights in order again."""

from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from conftest import SPECS, calmed, with_seeded_weights
from shufflenet.deploy import RoutedNetwork, deploy, fold_batch_norms
from shufflenet.errors import DeployedDiffers, NotDeployable
from shufflenet.networks import Detector, build_detector
from shufflenet.spec import DetectorSpec, Split, Stage, V2Spec
from tolerance import FLOAT64_RELATIVE

SMALL = DetectorSpec(neck_channels=12, bins=4, head_layers=1)
NAMES = (
    "shufflenet_v1_g3_x0_25",
    "shufflenet_v2_x0_5",
    "shufflenet_v2_x0_5_megvii",
    "shufflenet_v2_plus_small",
    "shufflenet_v2_exlarge",
)


def relative(a: Tensor, b: Tensor) -> float:
    return float((a - b).abs().max() / b.abs().max())


def detector_of(name: str) -> Detector:
    net = build_detector(replace(SPECS[name], classes=3), SMALL)
    return calmed(with_seeded_weights(net.double()))


@pytest.mark.parametrize("name", NAMES)
@torch.no_grad()
def test_the_deployed_detector_finds_the_same(name: str) -> None:
    net = detector_of(name)
    images = torch.randn(2, 3, 64, 32, dtype=torch.float64)
    for other in (deploy(net), fold_batch_norms(net)):
        assert relative(other.outputs(images), net.outputs(images)) <= FLOAT64_RELATIVE
        assert relative(other(images), net(images)) <= FLOAT64_RELATIVE
        assert not any(isinstance(module, nn.BatchNorm2d) for module in other.modules())


@settings(max_examples=8, deadline=None)
@given(
    stages=st.lists(st.tuples(st.integers(1, 12), st.integers(1, 6)), min_size=3, max_size=3),
    stem=st.integers(1, 7),
    split=st.sampled_from(["halves", "even-odd"]),
    neck=st.integers(1, 9),
)
@torch.no_grad()
def test_detectors_of_any_shape_can_be_deployed(
    stages: list[tuple[int, int]], stem: int, split: Split, neck: int
) -> None:
    spec = V2Spec(
        name="any",
        stages=tuple(Stage(channels=2 * half, repeats=r) for half, r in stages),
        head_channels=5,
        stem_channels=stem,
        classes=2,
        split=split,
    )
    detector = DetectorSpec(neck_channels=neck, bins=3, head_layers=1)
    net = with_seeded_weights(build_detector(spec, detector).double())
    images = torch.randn(1, 3, 32, 64, dtype=torch.float64)
    assert relative(deploy(net).outputs(images), net.outputs(images)) <= FLOAT64_RELATIVE


def test_the_neck_too_reads_channels_in_fours() -> None:
    net = build_detector(SPECS["shufflenet_v2_x1_0"], DetectorSpec())  # with halves of 58
    convs = [m for m in deploy(net).modules() if isinstance(m, nn.Conv2d)]
    assert all(conv.in_channels % 4 == 0 for conv in convs[1:])


@pytest.mark.parametrize("name", NAMES[:3])
def test_a_routed_detector_learns_what_the_original_does(name: str) -> None:
    net = detector_of(name)
    images = torch.randn(4, 3, 64, 64, dtype=torch.float64)
    way = RoutedNetwork(net)
    for learner in (net, way.net):
        learner.train()
        optimizer = torch.optim.SGD(learner.parameters(), lr=1e-3, momentum=0.9, weight_decay=0.1)
        learner.outputs(images).square().mean().backward()  # type: ignore[no-untyped-call]  # torch's own has no types
        optimizer.step()
    back = way.restore_order(way.net.state_dict())
    expected = net.state_dict()
    assert back.keys() == expected.keys()
    for key, value in expected.items():
        assert torch.allclose(back[key].double(), value.double(), rtol=1e-9, atol=1e-12), key


def test_weights_come_back_from_routing_to_the_bit() -> None:
    net = detector_of("shufflenet_v2_x0_5")
    way = RoutedNetwork(net)
    routed = way.net.state_dict()
    laterals = [f"neck.laterals.{number}.0.weight" for number in range(3)]
    assert not any(torch.equal(routed[key], net.state_dict()[key]) for key in laterals)
    back = way.restore_order(routed)
    assert all(torch.equal(back[key], value) for key, value in net.state_dict().items())


def test_a_detector_that_was_changed_is_refused() -> None:
    net = detector_of("shufflenet_v2_x0_5")
    net.neck.laterals[1] = nn.Conv2d(4, 12, 1).double()
    with pytest.raises(NotDeployable, match=r"neck\.laterals\.1"):
        deploy(net)
    with pytest.raises(NotDeployable, match=r"neck\.laterals\.1"):
        RoutedNetwork(net)


def test_channels_in_wrong_places_are_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """Even in a new detector, whose heads say nearly the same of all cells."""
    torch.manual_seed(0)
    net = build_detector(SPECS["shufflenet_v2_x0_5"], SMALL)
    deploy(net)

    def swap(net: Detector) -> Detector:
        other = fold_batch_norms(net)
        weight = other.neck.laterals[2].get_parameter("0.weight")
        with torch.no_grad():
            weight.copy_(weight.flip(1))
        return other

    monkeypatch.setattr("shufflenet.deploy._rewrite", swap)
    with pytest.raises(DeployedDiffers):
        deploy(net)
