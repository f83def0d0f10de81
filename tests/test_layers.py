"""Layers computed from a spec are those that torch runs."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from conftest import SPECS
from shufflenet.layers import Layer, layers
from shufflenet.networks import AnyNetwork, build, build_detector
from shufflenet.spec import DetectorSpec

# A network of each generation, of each kind of unit, and of each kind of stem, head and neck.
NAMES = (
    "shufflenet_v1_g1_x1_0",
    "shufflenet_v1_g3_x0_25",
    "shufflenet_v1_g4_x0_5_onnx",
    "shufflenet_v2_x0_25",
    "shufflenet_v2_x0_5_megvii",
    "shufflenet_v2_50",
    "shufflenet_v2_plus_small",
    "shufflenet_v2_oneshot",
    "shufflenet_v2_large",
    "shufflenet_v2_exlarge",
)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("stem_stride", "size"), [(4, (65, 96)), (2, (33, 50)), (1, (32, 35))])
def test_layers_are_those_that_a_forward_pass_runs(
    name: str, stem_stride: int, size: tuple[int, int]
) -> None:
    spec = replace(SPECS[name], stem_stride=stem_stride, in_channels=2, classes=7)
    with torch.device("meta"):
        net = build(spec).eval()
        ran = _ran(net, size)
    expected = {layer.name: layer for layer in layers(spec, *size)}
    assert {name: replace(layer, extras=0) for name, layer in expected.items()} == ran
    parameters = sum(each.numel() for each in net.parameters())
    assert sum(layer.parameters for layer in expected.values()) == parameters


@pytest.mark.parametrize(
    "name", ["shufflenet_v2_x1_0", "shufflenet_v1_g3_x0_25", "shufflenet_v2_plus_small"]
)
@pytest.mark.parametrize("head_layers", [0, 3])
def test_layers_of_a_detector_are_those_that_it_runs(name: str, head_layers: int) -> None:
    spec = replace(SPECS[name], in_channels=2, classes=7)
    detector, size = DetectorSpec(neck_channels=20, bins=5, head_layers=head_layers), (96, 64)
    with torch.device("meta"):
        net = build_detector(spec, detector).eval()
        ran = _ran(net, size)
    expected = list(layers(spec, *size, detector))
    assert [replace(layer, extras=0) for layer in expected] == list(ran.values())
    parameters = sum(each.numel() for each in net.parameters())
    assert sum(layer.parameters for layer in expected) == parameters


def _ran(net: AnyNetwork, size: tuple[int, int]) -> dict[str, Layer]:
    """Return the layers that a network runs on an image of that size, by name, in order."""
    ran: dict[str, Layer] = {}
    for module_name, module in net.named_modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            module.register_forward_hook(
                lambda module, inputs, output, name=module_name: ran.update(
                    {name: _layer(name, module, inputs[0], output)}
                )
            )
    net(torch.zeros(1, 2, *size))
    return ran


def _layer(name: str, module: nn.Conv2d | nn.Linear, source: Tensor, output: Tensor) -> Layer:
    convolution = isinstance(module, nn.Conv2d)
    return Layer(
        name=name,
        in_channels=source.shape[1],
        out_channels=output.shape[1],
        kernel=module.kernel_size[0] if isinstance(module, nn.Conv2d) else 1,
        groups=module.groups if isinstance(module, nn.Conv2d) else 1,
        in_size=(source.shape[2], source.shape[3]) if convolution else (1, 1),
        out_size=(output.shape[2], output.shape[3]) if convolution else (1, 1),
        extras=0,
    )


def test_a_layer_counts_its_weights_operations_and_memory() -> None:
    layer = Layer(
        name="dw",
        in_channels=6,
        out_channels=6,
        kernel=3,
        groups=6,
        in_size=(8, 4),
        out_size=(4, 2),
    )
    assert layer.weights == 6 * 9
    assert layer.parameters == 6 * 9 + 2 * 6  # with a batch norm
    assert layer.multiply_adds == 6 * 9 * 8
    assert layer.memory_access == 6 * 32 + 6 * 8 + 6 * 9
    assert layer.memory_access_bytes == 4 * layer.memory_access
