"""Small detectors with random weights that are the same every time, and their cards."""

from dataclasses import replace

import torch

from conftest import SPECS, calmed, card_for, with_seeded_weights
from shufflenet.networks import Detector, build_detector
from shufflenet.spec import Card, DetectorSpec, Label, Preprocess, Stage, V2Spec

__all__ = ["SMALL", "detector_card", "seeded_detector"]

SMALL = DetectorSpec(neck_channels=12, bins=4, head_layers=1)
# The least that a detector is put on: torch traces it in a second. With halves of 5, 6 and 7.
_SHALLOW = V2Spec(
    name="shallow",
    stages=tuple(Stage(channels=channels, repeats=2) for channels in (10, 12, 14)),
    head_channels=8,
    stem_channels=8,
)


def seeded_detector(name: str = "", classes: int = 2) -> Detector:
    """Build a detector whose scores are of all sizes, a shallow one unless a name is given."""
    spec = replace(SPECS[name] if name else _SHALLOW, classes=classes)
    spec = replace(spec, stem_stride=SMALL.stem_stride(spec))
    net = calmed(with_seeded_weights(build_detector(spec, SMALL)))
    with torch.no_grad():
        outputs = net.outputs(torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(0)))
        for head in net.heads:
            head.get_parameter("output.weight").mul_(3 / outputs.std())
            head.get_parameter("output.bias").mul_(0.1)
    return net


def detector_card(net: Detector, size: int | tuple[int, int] = 64) -> Card:
    """Make the card of a detector that takes images padded to that size."""
    shorter = size if isinstance(size, int) else min(size)
    names = ("cat", "dog", "bird")[: net.spec.classes]
    return replace(
        card_for(net.spec, 64),
        task="detection",
        detector=net.detector,
        preprocess=Preprocess(resize_px=shorter, crop_px=size, fit="pad"),
        labels=tuple(Label(name, name) for name in names),
    )
