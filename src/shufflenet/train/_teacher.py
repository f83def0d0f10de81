"""A network that another learns from: its logits for the very images the pupil sees."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeAlias

import torch
from torch import Tensor
from torch.nn import functional

from shufflenet.engine import OnnxClassifier
from shufflenet.errors import TeacherMismatch
from shufflenet.models import load_model_and_card
from shufflenet.obtain import obtain
from shufflenet.spec import Label
from shufflenet.train._normalise import Normaliser

__all__ = ["Teacher", "distillation_loss", "open_teacher"]

# Maps red, green and blue from 0 to 255, (n, 3, h, w), to logits in the order of the pupil's
# classes, (n, classes).
Teacher: TypeAlias = Callable[[Tensor], Tensor]


def open_teacher(name_or_file: str | Path, labels: Sequence[Label]) -> Teacher:
    """Open a network of ours, or any ONNX file with a card, to learn from.

    It is shown images at its own size, whatever size the pupil is trained at, and computes where
    they are: a network on their device, an ONNX file on the CPU.

    Raises:
        TeacherMismatch: it does not know the pupil's classes.
        UnknownName: it is neither a file nor a checkpoint's name.
        CheckpointError: the file is damaged or has no card.
    """
    files = obtain(name_or_file)
    if files.checkpoint is None and files.onnx is not None:
        classifier = OnnxClassifier(files.onnx)
        card = classifier.card

        def answer(images: Tensor) -> Tensor:
            return torch.from_numpy(classifier.logits(images.cpu().numpy())).to(images.device)
    else:
        net, card = load_model_and_card(name_or_file)
        net = net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # missing in torch's stub

        def answer(images: Tensor) -> Tensor:
            logits: Tensor = net.to(images.device)(images)
            return logits

    places = {label.id: place for place, label in enumerate(card.labels)}
    unknown = [label.id for label in labels if label.id not in places]
    if unknown:
        raise TeacherMismatch(str(name_or_file), unknown, len(labels))
    order = [places[label.id] for label in labels]
    prepare, side = Normaliser(card.preprocess), card.preprocess.crop_px

    @torch.no_grad()
    def teach(images: Tensor) -> Tensor:
        if images.shape[2:] != (side, side):
            images = functional.interpolate(
                images, (side, side), mode="bilinear", antialias=True, align_corners=False
            )
        return answer(prepare(images))[:, order]

    return teach


def distillation_loss(pupil: Tensor, teacher: Tensor, temperature: float) -> Tensor:
    """Say how far a pupil's probabilities lie from a teacher's, both softened; from logits.

    The Kullback-Leibler divergence times the temperature squared, so that its gradient keeps its
    size. Source: Hinton et al. 2015, section 2, https://arxiv.org/abs/1503.02531
    """
    return temperature**2 * functional.kl_div(
        functional.log_softmax(pupil / temperature, dim=1),
        functional.log_softmax(teacher / temperature, dim=1),
        reduction="batchmean",
        log_target=True,
    )
