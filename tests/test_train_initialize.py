"""The random weights of each project: spreads, biases and norms by their formulas."""

import dataclasses
import math
from pathlib import Path

import pytest
import torch
from torch import nn

from shufflenet.errors import SpecError
from shufflenet.networks import ShuffleNet, SqueezeExcite, build
from shufflenet.recipes import Initialization, find_recipe
from shufflenet.train import Job
from shufflenet.train._initialize import initialize
from shufflenet.train._job import open_setup
from shufflenet.zoo import find_network


def started(kind: Initialization, name: str = "shufflenet_v2_x1_0", seed: int = 0) -> ShuffleNet:
    torch.manual_seed(5)
    net = build(dataclasses.replace(find_network(name), classes=50))
    initialize(net, kind, torch.Generator().manual_seed(seed))
    return net


def check_normal(weight: torch.Tensor, std: float) -> None:
    """Check mean and spread of a sample of a normal distribution to five standard errors."""
    count = weight.numel()
    assert abs(float(weight.detach().mean())) < 5 * std / math.sqrt(count)
    assert abs(float(weight.detach().square().mean().sqrt()) / std - 1) < 5 / math.sqrt(2 * count)


def check_norms(net: ShuffleNet, bias: float) -> None:
    norms = [module for module in net.modules() if isinstance(module, nn.BatchNorm2d)]
    assert norms
    for norm in norms:
        assert torch.equal(norm.weight, torch.ones_like(norm.weight))
        assert torch.equal(norm.bias, torch.full_like(norm.bias, bias))
        assert norm.running_mean is not None
        assert norm.running_var is not None
        assert not norm.running_mean.any()
        assert bool((norm.running_var == 1).all())


@pytest.mark.parametrize(("kind", "norm_bias"), [("megvii", 1e-4), ("mmpretrain", 0.0)])
def test_megvii_and_mmpretrain_divide_by_the_input_channels(
    kind: Initialization, norm_bias: float
) -> None:
    net = started(kind)
    weights = net.state_dict()
    check_normal(weights["conv1.0.weight"], 0.01)
    check_normal(weights["stage2.1.branch2.0.weight"], 1 / 58)  # 1x1 of 58 channels
    check_normal(weights["stage3.0.branch1.2.weight"], 1 / 116)
    check_normal(weights["stage3.1.branch2.3.weight"], 1.0)  # depthwise: one input channel
    check_normal(weights["conv5.0.weight"], 1 / 464)
    check_normal(weights["fc.weight"], 0.01)
    assert not weights["fc.bias"].any()
    check_norms(net, norm_bias)


def test_megvii_starts_squeeze_and_excite_and_the_neck_small() -> None:
    net = started("megvii", "shufflenet_v2_plus_small")
    gates = [m for m in net.modules() if isinstance(m, SqueezeExcite)]
    convolutions = [c for gate in gates for c in gate.modules() if isinstance(c, nn.Conv2d)]
    assert len(convolutions) == 2 * 13  # of 12 units and of the neck
    for convolution in convolutions:
        check_normal(convolution.weight, 0.01)
    assert {m.weight.shape for m in net.neck.modules() if isinstance(m, nn.Linear)} == {
        (1280, 1280)
    }
    check_normal(net.get_parameter("neck.hidden.weight"), 0.01)


def test_paddleclas_has_he_for_convolutions_and_glorot_for_the_classifier() -> None:
    net = started("paddleclas")
    weights = net.state_dict()
    check_normal(weights["conv1.0.weight"], math.sqrt(2 / 27))
    check_normal(weights["stage2.1.branch2.0.weight"], math.sqrt(2 / 58))
    check_normal(weights["stage3.1.branch2.3.weight"], math.sqrt(2 / 9))
    limit = math.sqrt(6 / (1024 + 50))
    largest = float(weights["fc.weight"].abs().max())
    assert 0.999 * limit < largest <= limit
    check_normal(weights["fc.weight"], limit / math.sqrt(3))
    assert not weights["fc.bias"].any()
    check_norms(net, 0.0)


def test_every_layer_is_filled_from_the_seed_alone() -> None:
    for kind in ("megvii", "mmpretrain", "paddleclas"):
        before = started("torchvision").state_dict()
        first, again, other = (started(kind, seed=seed).state_dict() for seed in (0, 0, 1))
        for name, value in first.items():
            assert torch.equal(value, again[name])
            if value.ndim > 1:
                assert not torch.equal(value, before[name]), name
                assert not torch.equal(value, other[name]), name


def test_torchvision_is_what_a_network_has_and_draws_nothing() -> None:
    torch.manual_seed(5)
    net = build(dataclasses.replace(find_network("shufflenet_v2_x1_0"), classes=50))
    state = torch.get_rng_state()
    for kind in ("torchvision", "megvii"):
        other = started(kind)
        assert torch.equal(torch.get_rng_state(), state)
        same = torch.equal(net.fc.weight, other.fc.weight)
        assert same == (kind == "torchvision")


def test_a_recipe_starts_as_its_project_does(class_folders: Path) -> None:
    for name in ("megvii", "mmpretrain", "paddleclas"):
        recipe = dataclasses.replace(find_recipe(name), train_px=(32,), image_px=32)
        assert recipe.initialization == name
        net = open_setup(Job(data=class_folders, model="shufflenet_v2_x0_25"), recipe, "run").net
        assert isinstance(net, ShuffleNet)
        assert not net.fc.bias.any()
    assert find_recipe("torchvision").initialization == "torchvision"
    plain = find_recipe("small-images")
    assert plain.initialization == "torchvision"
    net = open_setup(Job(data=class_folders, model="shufflenet_v2_x0_25"), plain, "run").net
    assert isinstance(net, ShuffleNet)
    torch.manual_seed(plain.seed)
    assert torch.equal(net.fc.weight, build(net.spec).fc.weight)
    with pytest.raises(SpecError, match="initialization is 'zero', but must be 'torchvision' or"):
        dataclasses.replace(plain, initialization="zero")  # type: ignore[arg-type]  # wrong on purpose
