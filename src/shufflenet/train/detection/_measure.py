"""The accuracy of a detector in training, over the validation images of all processes."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
import torch.distributed as dist
from lightning_fabric import Fabric

from shufflenet.boxes import Search, find_detections
from shufflenet.data import Sample, load
from shufflenet.data.boxes import BoxSet
from shufflenet.errors import ImageError
from shufflenet.evaluate import measure_boxes
from shufflenet.networks import Detector
from shufflenet.preprocess import Pixels, normalize, placement
from shufflenet.spec import Card, Detection, DetectionAccuracy, Preprocess

__all__ = ["measure_detector"]

_SEARCH = Search(min_score=0.001, k=100)  # as COCO measures: nearly every box, at most 100
_BATCH = 16

_Found = list[Detection]


def measure_detector(
    net: Detector, card: Card, images: BoxSet, fabric: Fabric
) -> DetectionAccuracy:
    """Measure a detector on images, each of which one process computes.

    Every process returns the same.

    Args:
        net: The detector; it is in evaluation mode afterwards.
        card: Its card, with the preprocessing and the classes.
        images: The images and boxes.
        fabric: The processes.
    """
    own = list(images.samples[fabric.global_rank :: fabric.world_size])
    batches = [own[start : start + _BATCH] for start in range(0, len(own), _BATCH)]
    found = [boxes for batch in batches for boxes in _find(net.eval(), card, batch)]
    if fabric.world_size > 1:  # precision is not a sum over images: each needs all of them
        everyone: list[list[_Found]] = [[] for _ in range(fabric.world_size)]
        dist.all_gather_object(everyone, found)
        found = [everyone[i % len(everyone)][i // len(everyone)] for i in range(len(images))]
    return measure_boxes(found, images)


def _find(net: Detector, card: Card, samples: Sequence[Sample]) -> list[_Found]:
    """Return the boxes in each image; none where it cannot be read."""
    how, names = card.preprocess, [label.name for label in card.labels]
    loaded = [_load(sample, how) for sample in samples]
    pixels = [each.pixels for each in loaded if each is not None]
    rows = iter(_rows(net, normalize(np.stack(pixels), how)) if pixels else ())
    return [
        []
        if each is None
        else find_detections(next(rows), names, placement(*each.size, how), _SEARCH)
        for each in loaded
    ]


class _Loaded(NamedTuple):
    pixels: Pixels
    size: tuple[int, int]  # width and height of the image, px


def _load(sample: Sample, how: Preprocess) -> _Loaded | None:
    sizes: list[tuple[int, int]] = []
    pixels = load(sample, how, on_size=lambda width, height: sizes.append((width, height)))
    return None if isinstance(pixels, ImageError) else _Loaded(pixels, sizes[0])


@torch.inference_mode()
def _rows(net: Detector, batch: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Compute the rows ``(n, cells, 4 + classes)`` of prepared images."""
    first = next(net.parameters())
    images = torch.from_numpy(batch).to(first, memory_format=torch.channels_last)
    rows: npt.NDArray[np.float32] = net(images).float().cpu().numpy()
    return rows
