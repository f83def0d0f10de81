"""Published files, as their authors made them, against what the authors' own code predicts.

The files lie in ``published/`` of the folder that ``SHUFFLENET_DATA`` names, beside the 200 photos
of ``imagenet-samples.tar.gz``, which are probably among the training images: the counts show
agreement, not accuracy.
"""

from pathlib import Path

import pytest

from shufflenet.convert import convert_checkpoint
from shufflenet.data import open_images, relabel
from shufflenet.evaluate import evaluate
from shufflenet.labels import class_index
from shufflenet.networks import build_with
from shufflenet.runtimes import Classifier, OnnxClassifier
from shufflenet.runtimes.pytorch import TorchClassifier


def opened(path: Path) -> Classifier:
    if path.suffix == ".onnx":
        return OnnxClassifier(path)
    checkpoint = convert_checkpoint(path).checkpoint
    net = build_with(checkpoint.card.network, checkpoint.tensors)
    return TorchClassifier(net, checkpoint.card)


@pytest.mark.parametrize(
    ("name", "top1", "top5", "off_by"),
    [
        ("0.5x.pth.tar", 129, 173, 0),  # Megvii's network, OpenCV's resize, BGR, 0 to 255
        ("shufflenet_v2_x0_25.pdparams", 119, 163, 0),  # paddlepaddle 3.3.1, its own transforms
        # ONNX Runtime 1.32; two classes of one photo tie for its fifth place. This file has full
        # 8-bit weights, whose products saturate differently from one processor to the next.
        ("shufflenet-v2-12-int8.onnx", 159, 193, 3),
    ],
)
def test_a_published_file_predicts_as_its_authors_code_does(
    name: str, top1: int, top5: int, off_by: int, real_data: Path
) -> None:
    path, archive = real_data / "published" / name, real_data / "imagenet-samples.tar.gz"
    if not (path.exists() and archive.exists()):
        pytest.skip(f"SHUFFLENET_DATA has no {name}")
    classifier = opened(path)
    labels = [label.id for label in classifier.card.labels]
    photos = relabel(open_images(archive), labels, class_index(classifier.card.labels))
    counted = evaluate(classifier, photos)
    assert counted.images == 200
    assert abs(counted.top1 - top1) <= off_by
    assert abs(counted.top5 - top5) <= off_by
