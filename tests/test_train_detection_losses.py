"""What detectors learn, against slow NumPy that follows the papers' formulas cell by cell."""

import numpy as np
import numpy.typing as npt
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from shufflenet.boxes import iou
from shufflenet.networks import Detector, build_detector, cell_centers
from shufflenet.spec import DetectorSpec
from shufflenet.train.detection._assign import Assigned, assign
from shufflenet.train.detection._losses import (
    detection_loss,
    distribution_focal_loss,
    quality_focal_loss,
)
from shufflenet.train.detection._overlap import generalized_overlap, overlaps
from shufflenet.zoo import find_network

_Array = npt.NDArray[np.float64]

SIZE = 64
CENTERS = cell_centers(SIZE, SIZE)
CELLS = len(CENTERS)
CLASSES = 3
seeds = st.integers(0, 2**32 - 1)


def draw_boxes(rng: np.random.Generator, count: int) -> _Array:
    """Draw boxes, some of them tiny and some beyond the input."""
    corners = rng.uniform(-8, SIZE, (count, 2))
    sides = rng.choice([1.0, 10.0, 40.0], (count, 1)) * rng.uniform(0.2, 1.2, (count, 2))
    return np.concatenate([corners, corners + sides], axis=1)


def slow_giou(one: _Array, other: _Array) -> float:
    width = max(0.0, min(one[2], other[2]) - max(one[0], other[0]))
    height = max(0.0, min(one[3], other[3]) - max(one[1], other[1]))
    shared = width * height
    union = sum((b[2] - b[0]) * (b[3] - b[1]) for b in (one, other)) - shared
    across = max(one[2], other[2]) - min(one[0], other[0])
    around = across * (max(one[3], other[3]) - min(one[1], other[1]))
    return float(shared / union - (around - union) / around)


def slow_assign(scores: _Array, found: _Array, targets: _Array) -> tuple[_Array, _Array, _Array]:
    """Assign one image's boxes: the scores, boxes and weights of cells."""
    learned = [box for box in targets if box[0] >= 0]
    wants: dict[int, dict[int, tuple[float, float]]] = {cell: {} for cell in range(CELLS)}
    for number, box in enumerate(learned):
        label, sides = int(box[0]), box[1:]
        middle, half = (sides[:2] + sides[2:]) / 2, np.maximum((sides[2:] - sides[:2]) / 2, 8.0)
        ranked = []
        for cell in range(CELLS):
            if (np.abs(CENTERS[cell, :2].numpy() - middle) < half).all():
                overlap = float(iou(found[cell][None], sides[None])[0, 0])
                ranked.append((scores[cell, label] * overlap**6, overlap, cell))
        for alignment, overlap, cell in sorted(ranked, key=lambda each: -each[0])[:13]:
            wants[cell][number] = (alignment, overlap)
    owners = {
        cell: max(boxes, key=lambda number: (boxes[number][1], -number))
        for cell, boxes in wants.items()
        if boxes
    }
    result, boxes, weights = np.zeros((CELLS, CLASSES)), np.zeros((CELLS, 4)), np.zeros(CELLS)
    for number, box in enumerate(learned):
        own = [cell for cell, owner in owners.items() if owner == number]
        if not own:
            continue
        largest = max(wants[cell][number][0] for cell in own)
        best = max(wants[cell][number][1] for cell in own)
        for cell in own:
            value = wants[cell][number][0] / max(largest, 1e-9) * best
            result[cell, int(box[0])] = weights[cell] = value
            boxes[cell] = box[1:]
    return result, boxes, weights


@given(seeds)
def test_cells_learn_what_the_slow_assignment_says(seed: int) -> None:
    """Scores and boxes are random, so that no two alignments are equal but for those of 0."""
    rng = np.random.default_rng(seed)
    images, most = 2, int(rng.integers(1, 6))
    scores = rng.uniform(0.05, 0.95, (images, CELLS, CLASSES))
    reach = rng.uniform(4, 30, (images, CELLS, 4)) * (-1, -1, 1, 1)
    found = np.tile(CENTERS[:, :2].numpy(), 2) + reach
    targets = np.full((images, most, 5), -1.0)
    for each in targets:
        count = int(rng.integers(0, most + 1))
        each[:count, 0] = rng.integers(0, CLASSES, count)
        each[:count, 1:] = draw_boxes(rng, count)
    given_scores, given_boxes = torch.from_numpy(scores), torch.from_numpy(found)
    centers = CENTERS[:, :2].double()
    assigned = assign(given_scores, given_boxes, centers, torch.from_numpy(targets))
    for image in range(images):
        result, boxes, weights = slow_assign(scores[image], found[image], targets[image])
        np.testing.assert_allclose(assigned.scores[image], result, atol=1e-9)
        np.testing.assert_allclose(assigned.weights[image], weights, atol=1e-9)
        learns = weights > 0
        np.testing.assert_allclose(assigned.boxes[image][torch.from_numpy(learns)], boxes[learns])


def assigned_by(scores: torch.Tensor, found: torch.Tensor, targets: torch.Tensor) -> Assigned:
    return assign(scores, found, CENTERS[:, :2], targets)


@given(seeds)
def test_an_assignment_is_no_more_than_it_promises(seed: int) -> None:
    rng = np.random.default_rng(seed)
    boxes = draw_boxes(rng, 4)
    targets = torch.from_numpy(np.column_stack([rng.integers(0, CLASSES, 4), boxes]))[None].float()
    scores = torch.from_numpy(rng.uniform(0, 1, (1, CELLS, CLASSES))).float()
    reach = torch.from_numpy(rng.uniform(4, 30, (1, CELLS, 4))).float()
    found = CENTERS[:, :2].repeat(1, 2) + reach * torch.tensor([-1, -1, 1, 1])
    assigned = assigned_by(scores, found, targets)
    assert (assigned.weights >= 0).all()
    assert (assigned.weights <= 1 + 1e-6).all()
    torch.testing.assert_close(assigned.scores.amax(dim=2), assigned.weights)
    assert int((assigned.scores > 0).sum()) <= 13 * 4
    order = torch.from_numpy(rng.permutation(4))
    again = assigned_by(scores, found, targets[:, order])  # the order of boxes is of no account
    torch.testing.assert_close(again.scores, assigned.scores)


def test_nothing_is_learned_where_there_is_no_box() -> None:
    found = CENTERS[:, :2].repeat(1, 2)[None] + torch.tensor([-9.0, -9, 9, 9])
    nothing = assigned_by(torch.full((1, CELLS, CLASSES), 0.5), found, torch.full((1, 2, 5), -1.0))
    assert not nothing.scores.any()
    assert not nothing.weights.any()


@given(seeds)
def test_overlaps_are_those_of_numpy(seed: int) -> None:
    rng = np.random.default_rng(seed)
    one, other = draw_boxes(rng, 5), draw_boxes(rng, 5)
    found = overlaps(torch.from_numpy(one)[None], torch.from_numpy(other)[None])[0]
    np.testing.assert_allclose(found, iou(one, other), atol=1e-12)
    generalized = generalized_overlap(torch.from_numpy(one), torch.from_numpy(other))
    slow = [slow_giou(a, b) for a, b in zip(one, other, strict=True)]
    np.testing.assert_allclose(generalized, slow, atol=1e-9)


@given(seeds)
def test_quality_focal_loss_is_the_formula(seed: int) -> None:
    """Li et al. 2020, equation 3: ``-|y - p|**2 ((1 - y) log(1 - p) + y log p)``."""
    rng = np.random.default_rng(seed)
    logits, y = rng.uniform(-8, 8, (4, 3)), rng.uniform(0, 1, (4, 3))
    p = 1 / (1 + np.exp(-logits))
    slow = -(np.abs(y - p) ** 2) * ((1 - y) * np.log(1 - p) + y * np.log(p))
    found = quality_focal_loss(torch.from_numpy(logits), torch.from_numpy(y))
    np.testing.assert_allclose(found, slow, rtol=1e-9, atol=1e-12)


@given(seeds)
def test_distribution_focal_loss_is_the_formula(seed: int) -> None:
    """Li et al. 2020, equation 6; a distance beyond the last bin counts as that."""
    rng = np.random.default_rng(seed)
    bins = int(rng.integers(2, 12))
    logits, values = rng.uniform(-3, 3, (5, 4, bins)), rng.uniform(-1, bins + 1, (5, 4))
    shares = np.exp(logits) / np.exp(logits).sum(axis=2, keepdims=True)
    slow = np.zeros((5, 4))
    for place in np.ndindex(5, 4):
        y = float(np.clip(values[place], 0, bins - 1 - 1e-3))
        i = int(y)
        left, right = shares[place][i], shares[place][i + 1]
        slow[place] = -((i + 1 - y) * np.log(left) + (y - i) * np.log(right))
    found = distribution_focal_loss(torch.from_numpy(logits), torch.from_numpy(values))
    np.testing.assert_allclose(found, slow, rtol=1e-6, atol=1e-9)


@pytest.fixture(scope="module")
def net() -> Detector:
    torch.manual_seed(0)
    spec = find_network("shufflenet_v2_x0_25")
    return build_detector(spec, DetectorSpec(neck_channels=16, head_layers=1)).double()


def test_the_loss_is_the_sum_of_its_parts(net: Detector) -> None:
    torch.manual_seed(1)
    classes, bins = net.spec.classes, net.detector.bins
    outputs = torch.randn(2, CELLS, classes + 4 * bins).double()
    targets = torch.tensor(
        [[[1, 8, 8, 40, 36], [4, 30, 20, 60, 60]], [[2, 10, 6, 28, 50], [-1, 0, 0, 0, 0]]]
    ).double()
    found = detection_loss(net, outputs, targets, (SIZE, SIZE))
    boxes = net.boxes(outputs, SIZE, SIZE)
    logits = outputs[..., :classes]
    assigned = assign(logits.sigmoid(), boxes, CENTERS[:, :2].double(), targets)
    total = max(1.0, float(assigned.weights.sum()))
    slow = float(quality_focal_loss(logits, assigned.scores).sum())
    for image, cell in torch.nonzero(assigned.weights).tolist():
        weight, aim = float(assigned.weights[image, cell]), assigned.boxes[image, cell].numpy()
        x, y, stride = CENTERS[cell].tolist()
        away = [[x - aim[0], y - aim[1], aim[2] - x, aim[3] - y]]
        sides = torch.tensor(away).double() / stride
        own = outputs[image, cell, classes:].reshape(1, 4, bins)
        off = float(distribution_focal_loss(own, sides).mean())
        slow += weight * (2 * (1 - slow_giou(boxes[image, cell].numpy(), aim)) + off / 4)
    assert float(found) == pytest.approx(slow / total, rel=1e-9)


def test_an_image_without_boxes_has_a_loss_and_gradients(net: Detector) -> None:
    images = torch.randn(2, 3, SIZE, SIZE).double()
    loss = detection_loss(net, net.outputs(images), torch.full((2, 1, 5), -1.0), (SIZE, SIZE))
    loss.backward()  # type: ignore[no-untyped-call]  # torch's own has no types
    assert float(loss.detach()) > 0
    assert all(parameter.grad is not None for parameter in net.parameters())


def test_processes_that_share_a_batch_have_its_loss_in_the_mean(net: Detector) -> None:
    """With the mean sum of scores, as ``Fabric.all_reduce`` gives it, here of two processes."""
    torch.manual_seed(2)
    outputs = torch.randn(2, CELLS, net.spec.classes + 4 * net.detector.bins)
    targets = torch.tensor([[[1.0, 8, 8, 40, 36]], [[2.0, 0, 0, 60, 60]]])
    sums: list[torch.Tensor] = []

    def note(own: torch.Tensor) -> torch.Tensor:
        sums.append(own)
        return own

    parts = [(outputs[i : i + 1], targets[i : i + 1]) for i in range(2)]
    whole = detection_loss(net, outputs, targets, (SIZE, SIZE))
    for part in parts:
        detection_loss(net, *part, (SIZE, SIZE), note)
    mean = torch.stack(sums).mean()
    losses = [detection_loss(net, *part, (SIZE, SIZE), lambda _: mean) for part in parts]
    total = float(torch.stack(sums).sum())
    assert total > 2  # else the least sum counts, of a batch and of its parts
    assert float(torch.stack(losses).mean()) == pytest.approx(float(whole), rel=1e-5)
