"""Detectors: the order of their cells, what they decode, and the switches of a trunk."""

import copy
import math

import numpy as np
import pytest
import torch
from torch import nn

from detectors import SMALL, seeded_detector
from shufflenet.errors import SpecError
from shufflenet.networks import Detector, build_detector, cell_centers
from shufflenet.spec import STRIDES, DetectorSpec


@pytest.fixture
def net() -> Detector:
    return seeded_detector()


@torch.no_grad()
def test_boxes_are_what_a_loop_over_cells_finds(net: Detector) -> None:
    images = torch.randn(2, 3, 64, 32)
    outputs, rows = net.outputs(images).numpy(), net(images).numpy()
    cells = [
        (stride * (column + 0.5), stride * (row + 0.5), stride)
        for stride in STRIDES
        for row in range(64 // stride)
        for column in range(32 // stride)
    ]
    assert rows.shape == (2, len(cells), 4 + 2) == (2, SMALL.cells(64, 32), 6)
    assert np.array_equal(cell_centers(64, 32).numpy(), np.array(cells, np.float32))
    for image in range(2):
        for cell, (x, y, stride) in enumerate(cells):
            logits = outputs[image, cell].tolist()
            away = [stride * expected(logits[2 + 4 * side :][:4]) for side in range(4)]
            box = (x - away[0], y - away[1], x + away[2], y + away[3])
            scores = [1 / (1 + math.exp(-logit)) for logit in logits[:2]]
            assert np.allclose(rows[image, cell], (*box, *scores), rtol=1e-4, atol=1e-4)


def expected(logits: list[float]) -> float:
    powers = [math.exp(logit) for logit in logits]
    return sum(number * power for number, power in enumerate(powers)) / sum(powers)


@torch.no_grad()
def test_each_cell_answers_for_its_place(net: Detector) -> None:
    """What is painted at a corner changes the cells of that corner most, at every stride."""
    images = torch.zeros(2, 3, 192, 192)
    images[1, :, 160:, :32] = 3
    changes = (net.outputs(images)[1] - net.outputs(images)[0]).abs().mean(dim=1)
    for stride, part in zip(STRIDES, torch.split(changes, [24**2, 12**2, 6**2]), strict=True):
        side = 192 // stride
        row, column = divmod(int(part.argmax()), side)
        assert row >= side // 2
        assert column < side // 2


@torch.no_grad()
def test_a_new_detector_scores_all_cells_low() -> None:
    torch.manual_seed(0)
    net = build_detector(seeded_detector().spec, DetectorSpec()).eval()
    scores = net(torch.randn(1, 3, 64, 64))[..., 4:]
    assert float((scores - 0.01).abs().max()) < 0.005


@pytest.mark.parametrize("size", [(64, 48), (100, 96), (31, 32)])
def test_sizes_that_are_no_multiple_of_32_are_refused(net: Detector, size: tuple[int, int]) -> None:
    with pytest.raises(SpecError, match=r"the size of a detector's images is .* multiples of 32"):
        net(torch.zeros(1, 3, *size))


def test_frozen_parts_do_not_learn(net: Detector) -> None:
    net.freeze(1).freeze_norms().train()
    learns = {name for name, each in net.named_parameters() if each.requires_grad}
    assert {name.partition(".")[0] for name in learns} == {"stage3", "stage4", "neck", "heads"}
    norms = [module for module in net.modules() if isinstance(module, nn.BatchNorm2d)]
    assert norms
    assert not any(norm.training for norm in norms)


def test_recomputed_gradients_are_the_same_to_the_bit(net: Detector) -> None:
    images = torch.randn(2, 3, 64, 64)
    nets = [net.train(), copy.deepcopy(net).checkpoint_gradients().train()]
    for each in nets:
        each.outputs(images).square().mean().backward()  # type: ignore[no-untyped-call]  # torch's own has no types
    pairs = zip(nets[0].parameters(), nets[1].parameters(), strict=True)
    for one, other in pairs:
        assert one.grad is not None
        assert other.grad is not None
        assert torch.equal(one.grad, other.grad)
    states = zip(nets[0].state_dict().values(), nets[1].state_dict().values(), strict=True)
    assert all(torch.equal(a, b) for a, b in states)


@torch.no_grad()
def test_halves_and_other_memory_formats_are_computed(net: Detector) -> None:
    images = torch.randn(1, 3, 64, 64)
    rows = net(images)
    last = net.to(memory_format=torch.channels_last)(images)  # type: ignore[call-overload]  # missing in torch's stub
    assert torch.allclose(rows, last, rtol=1e-4, atol=1e-3)
    halved = net.to(torch.bfloat16)(images.bfloat16())
    assert halved.dtype is torch.float32
    assert float((halved - rows)[..., 4:].abs().mean()) < 0.05
