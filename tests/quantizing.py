"""Patterns to calibrate on, and a network that distinguishes them, for tests of ``quantize``."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from PIL import Image
from torch import nn

from conftest import card_for, with_seeded_weights
from made_once import made_once
from shufflenet.data import ImageSet, open_images
from shufflenet.export import export_onnx
from shufflenet.networks import ShuffleNet, build
from shufflenet.preprocess import normalize
from shufflenet.quantize import QuantizeOptions
from shufflenet.recipes import preprocess_for
from shufflenet.spec import Label, NetworkSpec, Task, V2Spec
from shufflenet.zoo import NETWORKS

RNG = np.random.default_rng
CLASSES = ("blue", "green", "red")
# One calibrator, and any loss: for what depends on neither.
QUICK = QuantizeOptions(max_drop_percent=100, calibrators=("minmax",))


def pictures(count: int, side: int = 32) -> np.ndarray:
    coarse = RNG(count).integers(0, 256, (count, side // 4, side // 4, 3), np.uint8)
    return coarse.repeat(4, axis=1).repeat(4, axis=2)


def written(folder: Path, images: Iterable[np.ndarray], classes: Sequence[str]) -> ImageSet:
    for number, image in enumerate(images):
        place = folder / classes[number % len(classes)]
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(place / f"{number}.png")
    return open_images(folder)


def write_float_file(
    folder: Path, spec: NetworkSpec | None = None, task: Task = "classification"
) -> Path:
    """Write a network with random weights; colors are classes; by default two stages of two."""
    path = folder / "float.onnx"
    path.write_bytes(_float_file(spec or _two_stages(), task))
    return path


@cache
def _float_file(spec: NetworkSpec, task: Task) -> bytes:
    def make() -> bytes:
        net = with_seeded_weights(build(spec))
        _fit_statistics(net)
        labels = tuple(Label(name, name) for name in CLASSES)
        with TemporaryDirectory() as folder:
            path = Path(folder) / "float.onnx"
            export_onnx(net, replace(card_for(net.spec), labels=labels, task=task), path)
            return path.read_bytes()

    return made_once(("float file", spec, task), make)


def _two_stages() -> V2Spec:
    spec = NETWORKS["shufflenet_v2_x0_25"]
    assert isinstance(spec, V2Spec)
    stages = tuple(replace(stage, repeats=2) for stage in spec.stages[:2])
    return replace(spec, classes=3, stem_stride=2, stages=stages)


def _fit_statistics(net: ShuffleNet) -> None:
    """Run batch norms on pictures, so that logits distinguish these, as after training."""
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = 1.0
    with torch.no_grad():
        net.train()(torch.from_numpy(normalize(pictures(60), preprocess_for(32))))
    net.eval()
