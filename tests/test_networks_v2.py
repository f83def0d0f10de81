from pathlib import Path

import numpy as np
import pytest
import torch

from conftest import with_seeded_weights
from reference import Reference
from seeded import photo
from shufflenet.models import create_model
from shufflenet.networks import state_arrays
from shufflenet.spec import V2Spec
from shufflenet.zoo import NETWORKS
from tolerance import FLOAT64_RELATIVE

GOLDEN = np.load(Path(__file__).parent / "golden" / "torchvision.npz")


@pytest.mark.parametrize("width", ["x0_5", "x1_0", "x1_5", "x2_0"])
def test_keys_and_logits_are_torchvisions(width: str) -> None:
    net = with_seeded_weights(create_model(f"shufflenet_v2_{width}", num_classes=10).double())
    assert list(state_arrays(net)) == str(GOLDEN[f"keys {width}"]).splitlines()
    image = torch.from_numpy(photo("network", 65, 96) / 255.0).permute(2, 0, 1)[None]
    with torch.no_grad():
        logits = net(image).numpy()
    expected = GOLDEN[f"logits {width}"]
    assert np.abs(logits - expected).max() <= FLOAT64_RELATIVE * np.abs(expected).max()


HALVES = [
    name
    for name, spec in NETWORKS.items()
    if isinstance(spec, V2Spec) and spec.split == "halves" and spec.classifier_bias
]


@pytest.mark.parametrize("name", HALVES)
@pytest.mark.parametrize("stem_stride", [1, 2, 4])
def test_every_network_computes_what_the_paper_says(name: str, stem_stride: int) -> None:
    net = create_model(name, num_classes=5, in_channels=2, stem_stride=stem_stride)
    net = with_seeded_weights(net.double())
    images = np.random.default_rng(0).normal(size=(2, 2, 35, 32))
    stride = 1 if name == "shufflenet_v2_50" else 2
    expected = Reference(state_arrays(net), "swish" in name)(images, stem_stride, stride)
    with torch.no_grad():
        logits = net(torch.from_numpy(images)).numpy()
    assert np.abs(logits - expected).max() <= FLOAT64_RELATIVE * np.abs(expected).max()


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("shufflenet_v2_x0_25", 603_688),  # PaddleClas: 0.61 M
        ("shufflenet_v2_x0_33", 647_272),  # PaddleClas: 0.65 M
        ("shufflenet_v2_x0_5", 1_366_792),  # from here on torchvision's weights metadata
        ("shufflenet_v2_x1_0", 2_278_604),
        ("shufflenet_v2_x1_0_swish", 2_278_604),
        ("shufflenet_v2_x1_5", 3_503_624),
        ("shufflenet_v2_x2_0", 7_393_996),
    ],
)
def test_parameters_are_those_published(name: str, parameters: int) -> None:
    with torch.device("meta"):
        net = create_model(name)
    assert sum(p.numel() for p in net.parameters()) == parameters


@pytest.mark.parametrize("size", [32, 33, 224])
def test_any_image_size_from_32_px_gives_one_row_of_logits_an_image(size: int) -> None:
    net = create_model("shufflenet_v2_x0_25").eval()
    with torch.no_grad():
        assert net(torch.zeros(2, 3, size, size)).shape == (2, 1000)
