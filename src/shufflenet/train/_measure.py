"""The accuracy of a network in training, over the validation images of all processes."""

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import torch
from lightning_fabric import Fabric

from shufflenet.evaluate import compute_logits, evaluate, measure_label_sets, right_classes
from shufflenet.networks import AnyNetwork, Detector
from shufflenet.runtimes.pytorch import TorchClassifier
from shufflenet.spec import Accuracy, AnyAccuracy, Card, DetectionAccuracy
from shufflenet.train._devices import own_share, sum_counts
from shufflenet.train._setup import Setup
from shufflenet.train.detection import measure_detector

__all__ = ["measure_network", "measured_card", "percentages", "score"]

_Rows = npt.NDArray[np.float32]


def measure_network(net: AnyNetwork, setup: Setup, fabric: Fabric) -> AnyAccuracy:
    """Measure a network on the validation images, each of which one process computes.

    Every process returns the same.
    """
    if isinstance(net, Detector) and setup.boxes:
        return measure_detector(net, setup.card, setup.boxes.validation, fabric)
    images, classifier = own_share(setup.validation, fabric), TorchClassifier(net, setup.card)
    if setup.card.task == "classification":
        return sum_counts(evaluate(classifier, images), fabric)
    logits, right = compute_logits(classifier, images), right_classes(images)
    if fabric.world_size > 1:  # precision is not a sum over images: each needs all of them
        count = len(setup.validation)
        logits = _gather(logits, count, fabric)
        right = _gather(right.astype(np.float32), count, fabric) > 0
    return measure_label_sets(logits, right)


def _gather(own: _Rows, count: int, fabric: Fabric) -> _Rows:
    """Return the rows of all processes, ``(count, columns)``, in the order of their images.

    Row ``i`` is of process ``i % processes``, as ``own_share`` gives; the others add zeros to it.
    """
    rows = torch.zeros((count, own.shape[1]), device=fabric.device)
    rows[fabric.global_rank :: fabric.world_size] = torch.from_numpy(own).to(fabric.device)
    whole: _Rows = torch.as_tensor(fabric.all_reduce(rows, reduce_op="sum")).cpu().numpy()
    return whole


def score(accuracy: AnyAccuracy) -> float:
    """Return what the best epoch has most of: correct images, or mean average precision."""
    return accuracy.top1 if isinstance(accuracy, Accuracy) else accuracy.map


def percentages(accuracy: AnyAccuracy) -> dict[str, float]:
    """Return the figures of an epoch that are drawn, by name, in percent."""
    if isinstance(accuracy, Accuracy):
        return {"top1_percent": accuracy.top1_percent, "top5_percent": accuracy.top5_percent}
    if isinstance(accuracy, DetectionAccuracy):
        return {"map_percent": 100 * accuracy.map, "map50_percent": 100 * accuracy.map50}
    return {"map_percent": 100 * accuracy.map, "f1_percent": 100 * accuracy.f1}


def measured_card(card: Card, accuracy: AnyAccuracy) -> Card:
    """Return a card with the accuracy that was measured."""
    if isinstance(accuracy, Accuracy):
        return replace(card, accuracy=accuracy)
    if isinstance(accuracy, DetectionAccuracy):
        return replace(card, detection=accuracy)
    return replace(card, multi_label=accuracy)
