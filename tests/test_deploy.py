import copy
import itertools
from dataclasses import replace
from typing import Literal

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from conftest import SPECS, calmed, with_seeded_weights
from shufflenet.deploy import RoutedNetwork, compact, deploy, fold_batch_norms
from shufflenet.files import narrow
from shufflenet.models import create_model
from shufflenet.networks import ShuffleNet, V1Unit, build, state_arrays
from shufflenet.spec import Stage, V1Spec, V2Spec
from tolerance import FLOAT32_RELATIVE, FLOAT64_RELATIVE


def relative(a: torch.Tensor, b: torch.Tensor) -> float:
    return float((a - b).abs().max() / b.abs().max())


@pytest.mark.parametrize("name", SPECS)
@torch.no_grad()
def test_the_deployed_network_computes_the_same(name: str) -> None:
    net = calmed(with_seeded_weights(build(replace(SPECS[name], classes=7)).double()))
    deployed, folded = deploy(net), fold_batch_norms(net)
    for images in (torch.randn(1, 3, 65, 47).double(), torch.randn(1, 3, 64, 64).double()):
        expected = net(images)
        assert relative(deployed(images), expected) <= FLOAT64_RELATIVE
        assert relative(folded(images), expected) <= FLOAT64_RELATIVE
    assert relative(deployed.float()(images.float()), expected) <= FLOAT32_RELATIVE


@settings(max_examples=25, deadline=None)
@given(
    stages=st.lists(st.tuples(st.integers(1, 12), st.integers(1, 6)), min_size=1, max_size=4),
    stem=st.integers(1, 7),
    stride=st.sampled_from([1, 2, 4]),
    activation=st.sampled_from(["relu", "swish"]),
)
@torch.no_grad()
def test_networks_of_any_shape_can_be_deployed(
    stages: list[tuple[int, int]], stem: int, stride: int, activation: str
) -> None:
    spec = V2Spec(
        name="any",
        stages=tuple(Stage(channels=2 * half, repeats=r) for half, r in stages),
        head_channels=5,
        stem_channels=stem,
        stem_stride=stride,
        classes=3,
        activation="swish" if activation == "swish" else "relu",
    )
    net = with_seeded_weights(build(spec).double())
    images = torch.randn(1, 3, 33, 40, dtype=torch.float64)
    assert relative(deploy(net)(images), net(images)) <= FLOAT64_RELATIVE


@settings(max_examples=25, deadline=None)
@given(
    groups=st.integers(1, 5),
    stages=st.lists(st.tuples(st.integers(1, 4), st.integers(1, 3)), min_size=1, max_size=3),
    shuffle=st.sampled_from(["standard", "inverse"]),
    first_grouped=st.booleans(),
)
@torch.no_grad()
def test_v1_of_any_groups_can_be_deployed(
    groups: int,
    stages: list[tuple[int, int]],
    shuffle: Literal["standard", "inverse"],
    first_grouped: bool,
) -> None:
    grown = itertools.accumulate((more for more, _ in stages), initial=1)
    widths = [4 * groups * times for times in grown]  # a quarter of them is grouped too
    spec = V1Spec(
        name="any",
        groups=groups,
        stem_channels=widths[0],
        stages=tuple(
            Stage(channels=width, repeats=repeats)
            for width, (_, repeats) in zip(widths[1:], stages, strict=True)
        ),
        classes=3,
        shuffle=shuffle,
        first_grouped=first_grouped,
    )
    net = with_seeded_weights(build(spec).double())
    images = torch.randn(1, 3, 33, 40, dtype=torch.float64)
    assert relative(deploy(net)(images), net(images)) <= FLOAT64_RELATIVE


def test_where_the_first_convolution_of_v1_is_not_grouped_no_shuffle_is_left() -> None:
    units = [
        m for m in deploy(build(SPECS["shufflenet_v1_g3_x1_0"])).modules() if isinstance(m, V1Unit)
    ]
    assert isinstance(units[0].shuffle, nn.Identity)
    assert not any(isinstance(unit.shuffle, nn.Identity) for unit in units[1:])


def test_channels_are_even_in_fours_where_convolutions_read_them() -> None:
    net = create_model("shufflenet_v2_x1_0")  # whose stage 2 has halves of 58
    convs = [m for m in deploy(net).modules() if isinstance(m, nn.Conv2d)]
    assert all(conv.in_channels % 4 == 0 for conv in convs[1:])
    assert any(conv.in_channels == 60 for conv in convs)


def test_nothing_is_left_to_shuffle_or_normalise(small_net: ShuffleNet) -> None:
    deployed = deploy(small_net)
    assert not any(isinstance(m, nn.BatchNorm2d) for m in deployed.modules())
    program = torch.export.export(deployed, (torch.zeros(1, 3, 32, 32),))
    called = {str(node.target) for node in program.graph.nodes if node.op == "call_function"}
    assert not any(word in name for name in called for word in ("view", "reshape", "transpose"))


def test_deploying_leaves_the_network_as_it_was(small_net: ShuffleNet) -> None:
    before = copy.deepcopy(small_net.state_dict())
    deploy(small_net)
    compact(small_net)
    after = small_net.state_dict()
    assert all(torch.equal(before[key], after[key]) for key in before)


@torch.no_grad()
def test_a_compact_network_has_float16_weights_and_almost_the_same_logits(
    small_net: ShuffleNet,
) -> None:
    images = torch.randn(4, 3, 32, 32)
    small = compact(small_net)
    assert relative(small(images), small_net(images)) < 5e-3  # 2**-11 a weight, over 56 layers
    for net in (small, deploy(small)):
        weights = [p.detach().numpy() for p in net.parameters() if p.ndim > 1]
        assert all(narrow(weight).dtype == np.float16 for weight in weights)


@torch.no_grad()
@pytest.mark.parametrize("toward", [0.0, 2.0])
def test_a_compact_network_stays_compact_where_square_roots_round_otherwise(
    toward: float, small_net: ShuffleNet
) -> None:
    small = compact(small_net)
    expected = deploy(small).state_dict()
    for norm in small.modules():
        if isinstance(norm, nn.BatchNorm2d):
            norm.weight.copy_(torch.nextafter(norm.weight, toward * norm.weight))
    found = deploy(small).state_dict()
    assert all(torch.equal(found[key], expected[key]) for key in expected)


@torch.no_grad()
def test_a_scale_that_is_more_than_a_rounding_from_one_is_folded(small_net: ShuffleNet) -> None:
    conv, norm = small_net.conv1[0], small_net.conv1[1]
    assert isinstance(conv, nn.Conv2d)
    assert isinstance(norm, nn.BatchNorm2d)
    assert norm.running_var is not None
    norm.weight.copy_(1.00001 * (norm.running_var + norm.eps).sqrt())
    folded = fold_batch_norms(small_net).conv1[0]
    assert isinstance(folded, nn.Conv2d)
    assert torch.allclose(folded.weight, 1.00001 * conv.weight, rtol=1e-6, atol=0)


def test_a_compact_network_trains_on_from_where_it_was(small_net: ShuffleNet) -> None:
    """Its norms know the statistics of what they now see, so training mode agrees too."""
    images = torch.randn(16, 3, 32, 32)
    nets = [small_net.train()]
    for layer in small_net.modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.momentum = 1.0  # the running statistics become those of the images at once
    with torch.no_grad():
        small_net(images)
        nets.append(compact(small_net).train())
        first, second = (net(images) for net in nets)
    assert relative(second, first) < 5e-2
    assert state_arrays(nets[1]).keys() == state_arrays(nets[0]).keys()


@pytest.mark.parametrize(
    "name",
    [
        "shufflenet_v2_x0_5",
        "shufflenet_v2_oneshot",
        "shufflenet_v2_plus_small",
        "shufflenet_v1_g3_x0_5",
    ],
)
def test_a_routed_network_learns_what_the_original_does(name: str) -> None:
    """In training, statistics and all; and its weights go back to where they came from."""
    net = with_seeded_weights(build(replace(SPECS[name], classes=7)).double())
    net.dropout.p = 0.0
    images, labels = torch.randn(8, 3, 64, 64, dtype=torch.float64), torch.arange(8) % 7
    way = RoutedNetwork(net)
    assert any(not torch.equal(a, b) for a, b in _pairs(net, way.net)) is ("v2" in name)
    for learner in (net, way.net):
        learner.train()
        optimizer = torch.optim.SGD(learner.parameters(), lr=1e-3, momentum=0.9, weight_decay=0.1)
        nn.functional.cross_entropy(learner(images), labels).backward()  # type: ignore[no-untyped-call]  # torch's own has no types
        optimizer.step()
    back = way.restore_order(way.net.state_dict())
    expected = net.state_dict()
    assert back.keys() == expected.keys()
    for key, value in expected.items():
        assert relative(back[key].double(), value.double()) <= 1e-10, key


def test_weights_come_back_from_routing_to_the_bit(small_net: ShuffleNet) -> None:
    way = RoutedNetwork(small_net)
    back = way.restore_order(way.net.state_dict())
    assert all(torch.equal(back[key], value) for key, value in small_net.state_dict().items())


def _pairs(one: nn.Module, other: nn.Module) -> list[tuple[torch.Tensor, torch.Tensor]]:
    return list(zip(one.parameters(), other.parameters(), strict=True))
