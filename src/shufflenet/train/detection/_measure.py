"""The accuracy of a detector in training, over the validation images of all processes."""

import torch.distributed as dist
from lightning_fabric import Fabric

from shufflenet.boxes import Search
from shufflenet.data.boxes import BoxSet
from shufflenet.errors import ImageError
from shufflenet.evaluate import measure_boxes
from shufflenet.networks import Detector
from shufflenet.runtimes import detect
from shufflenet.runtimes.pytorch import TorchClassifier
from shufflenet.spec import Card, Detection, DetectionAccuracy

__all__ = ["measure_detector"]

_SEARCH = Search(min_score=0.001, k=100)  # as COCO measures: nearly every box, of an image 100

_Found = tuple[Detection, ...]  # in one image


def measure_detector(
    net: Detector, card: Card, images: BoxSet, fabric: Fabric
) -> DetectionAccuracy:
    """Measure a detector on images, each of which one process computes.

    Every process returns the same. In an image that cannot be read nothing is found.

    Args:
        net: The detector; it is in evaluation mode afterwards.
        card: Its card.
        images: The images and boxes, labeled by the card's classes.
        fabric: The processes.
    """
    own = images.samples[fabric.global_rank :: fabric.world_size]
    detector = TorchClassifier(net, card)
    found = [
        () if isinstance(boxes, ImageError) else boxes
        for _, boxes in detect(detector, own, _SEARCH)
    ]
    return measure_boxes(_of_all(found, len(images), fabric), images)


def _of_all(own: list[_Found], count: int, fabric: Fabric) -> list[_Found]:
    """Return what was found in the images of all processes, in their order.

    Image ``i`` is of process ``i % processes``.
    """
    if fabric.world_size == 1:  # else precision needs all: it is not a sum over images
        return own
    everyone: list[list[_Found]] = [[] for _ in range(fabric.world_size)]
    dist.all_gather_object(everyone, own)
    return [everyone[i % len(everyone)][i // len(everyone)] for i in range(count)]
