"""What published costs count, and that our networks cost that."""

import re
from typing import Any

import pytest

from shufflenet.benchmark import cost
from shufflenet.layers import layers
from shufflenet.spec import NetworkSpec
from shufflenet.zoo import WEIGHTS, PublishedCost, find_network


def costed(source: str, exclude: str = r"$^") -> list[Any]:
    """A test's parameters: the networks that a source states costs of, and the costs."""
    return [
        pytest.param(find_network(weights.network), weights.cost, id=weights.name)
        for weights in WEIGHTS.values()
        if weights.source == source and weights.cost and not re.search(exclude, weights.name)
    ]


def counted(spec: NetworkSpec) -> tuple[float, float]:
    found = cost(spec)
    return found.parameters / 1e6, found.multiply_adds / 1e6


def norm_outputs(spec: NetworkSpec) -> int:
    """How many values batch norms put out."""
    normed = [layer for layer in layers(spec, 224, 224) if layer.extras == 2]
    return sum(layer.out_channels * layer.out_size[0] * layer.out_size[1] for layer in normed)


@pytest.mark.parametrize(("spec", "stated"), costed("torchvision"))
def test_torchvision_counts_as_we_do(spec: NetworkSpec, stated: PublishedCost) -> None:
    params, multiply_adds = counted(spec)
    assert stated.params_millions == params
    assert stated.flops_millions == round(multiply_adds)


@pytest.mark.parametrize(("spec", "stated"), costed("paddleclas"))
def test_paddleclas_counts_norms_the_last_pool_and_statistics(
    spec: NetworkSpec, stated: PublishedCost
) -> None:
    """To the last digit.

    Source: paddle.flops, python/paddle/hapi/dynamic_flops.py: count_bn counts 2 for a value, and
    count_adap_avgpool as many additions as there are values and a division; parameters of a
    batch norm are four a channel.
    """
    params, multiply_adds = counted(spec)
    everything = list(layers(spec, 224, 224))
    statistics = 2 * sum(layer.out_channels for layer in everything if layer.extras == 2)
    pool = (7 * 7 + 1) * everything[-1].in_channels
    flops = multiply_adds + (2 * norm_outputs(spec) + pool) / 1e6
    assert round(flops, 2) == stated.flops_millions
    assert round(params + statistics / 1e6, 2) == stated.params_millions


def test_paddleclas_states_the_costs_of_224_channels_and_not_of_244() -> None:
    """The published 571.70 M, which the test before finds with 224 channels in stage 2."""
    spec = find_network("shufflenet_v2_x2_0")
    flops = counted(spec)[1] + (2 * norm_outputs(spec) + 50 * 2048) / 1e6
    assert round(flops, 2) == 590.84


@pytest.mark.parametrize(("spec", "stated"), costed("mmpretrain"))
def test_mmpretrain_counts_something_besides_convolutions(
    spec: NetworkSpec, stated: PublishedCost
) -> None:
    """Parameters to the digit; FLOPs only between bounds, since no rule is known that fits both.

    At most there are two operations a value for batch norm and one for what is behind it.
    """
    params, multiply_adds = counted(spec)
    assert round(params, 2) == stated.params_millions
    assert multiply_adds < stated.flops_millions < multiply_adds + 3 * norm_outputs(spec) / 1e6


# Their tables are rounded now up, now down: 37.6 to 38, 137.5 to 138, but 40.5 to 40 and to 41.
@pytest.mark.parametrize(("spec", "stated"), costed("megvii", "detnas|2_(plus|large|exlarge)"))
def test_megvii_counts_as_we_do(spec: NetworkSpec, stated: PublishedCost) -> None:
    params, multiply_adds = counted(spec)
    assert stated.params_millions == round(params, 1)
    assert abs(stated.flops_millions - multiply_adds) < 0.55


@pytest.mark.parametrize("size", ["small", "medium", "large"])
def test_megvii_cuts_off_the_parameters_of_v2_plus(size: str) -> None:
    weights = WEIGHTS[f"shufflenet_v2_plus_{size}.megvii_in1k"]
    params, multiply_adds = counted(find_network(weights.network))
    assert weights.cost
    assert weights.cost.params_millions == int(params * 10) / 10
    assert weights.cost.flops_millions == round(multiply_adds)


@pytest.mark.parametrize(("spec", "stated"), costed("megvii", "^(?!.*detnas)"))
def test_detnas_states_other_costs_than_its_code_has(
    spec: NetworkSpec, stated: PublishedCost
) -> None:
    """Parameters agree but for the last; multiply-adds are those of the catalog."""
    params, multiply_adds = counted(spec)
    match = re.search(r"its code has ([\d.]+) ([MG]) multiply-adds", stated.counts)
    assert match
    shown = f"{multiply_adds:.0f}" if match[2] == "M" else f"{multiply_adds / 1000:.2f}"
    assert match[1] == shown
    if spec.name.endswith("3_8g_coco_fpn"):
        assert f"{params:.1f}" == "31.4"
        assert stated.params_millions == 29.5
    else:
        assert stated.params_millions == round(params, 1)


def test_large_counts_three_auxiliary_heads() -> None:
    """Each has a 1x1 and a 3x3 with batch norm, and a classifier: ExtraLabelPredict.

    Source: megvii-model/ShuffleNet-Series, ShuffleNetV2.Large/network.py
    """
    stated = WEIGHTS["shufflenet_v2_large.megvii_in1k"].cost
    params, multiply_adds = counted(find_network("shufflenet_v2_large"))
    heads = sum(10 * c * c + 4 * c + 1000 * c + 1000 for c in (256, 512, 1024))
    assert stated
    assert stated.params_millions == round(params + heads / 1e6, 1)
    assert stated.flops_millions == int(multiply_adds / 100) * 100


def test_exlarge_counts_weights_alone() -> None:
    stated = WEIGHTS["shufflenet_v2_exlarge.megvii_in1k"].cost
    spec = find_network("shufflenet_v2_exlarge")
    weights = sum(layer.weights for layer in layers(spec, 224, 224))
    assert stated
    assert stated.params_millions == round(weights / 1e6, 1)
    assert stated.flops_millions == round(counted(spec)[1], -2)


def test_every_published_cost_is_compared() -> None:
    compared = {"torchvision", "paddleclas", "mmpretrain", "megvii"}
    assert {weights.source for weights in WEIGHTS.values() if weights.cost} == compared
