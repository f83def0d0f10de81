from dataclasses import replace

import pytest
import torch
import torchinfo

from conftest import SPECS
from shufflenet.benchmark import cost
from shufflenet.layers import layers
from shufflenet.models import create_model
from shufflenet.networks import build
from shufflenet.zoo import NETWORKS, find_network


@pytest.mark.parametrize("name", SPECS)
@pytest.mark.parametrize(("size", "stem_stride"), [((224, 224), 4), ((65, 48), 2), ((32, 33), 1)])
def test_costs_are_those_of_the_network_itself(
    name: str, size: tuple[int, int], stem_stride: int
) -> None:
    net = build(replace(SPECS[name], classes=10, stem_stride=stem_stride)).eval()
    seen = []
    for module in net.modules():
        if isinstance(module, torch.nn.Conv2d | torch.nn.Linear):
            module.register_forward_hook(lambda m, x, y: seen.append((m, x[0], y)))
    with torch.no_grad():
        net(torch.zeros(1, 3, *size))
    counted = cost(net.spec, *size)
    multiply_adds = access = 0
    for module, x, y in seen:
        weight = module.weight.numel()
        places = y.shape[2] * y.shape[3] if y.ndim == 4 else 1
        multiply_adds += weight * places
        access += weight + x.numel() + y.numel()
    assert counted.parameters == sum(p.numel() for p in net.parameters())
    assert counted.multiply_adds == multiply_adds
    assert counted.memory_access_bytes == 4 * access


@pytest.mark.parametrize(
    ("name", "millions"),
    [("x0_5", 40.5), ("x1_0", 144.9), ("x1_5", 295.8), ("x2_0", 583.3)],
)
def test_multiply_adds_are_the_convolutions_and_the_classifiers(name: str, millions: float) -> None:
    spec = find_network(f"shufflenet_v2_{name}")
    assert round(cost(spec).multiply_adds / 1e6, 1) == millions
    with torch.device("meta"):
        net = create_model(spec.name)
    counted = torchinfo.summary(net, (1, 3, 224, 224), device="meta", verbose=0).total_mult_adds
    # torchinfo counts a multiply-add for every bias and norm parameter too.
    assert abs(counted / cost(spec).multiply_adds - 1) < 2e-3


@pytest.mark.parametrize("name", NETWORKS)
def test_layers_bear_the_names_of_the_checkpoint(name: str) -> None:
    spec = find_network(name)
    with torch.device("meta"):
        net = create_model(name)
    convolutions = {
        n for n, m in net.named_modules() if isinstance(m, torch.nn.Conv2d | torch.nn.Linear)
    }
    assert {layer.name for layer in layers(spec, 224, 224)} == convolutions
    assert cost(spec).parameters == sum(p.numel() for p in net.parameters())
