"""What a network learns from: another, shown the very images it sees; or stored answers."""

import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from shufflenet.data import ImageSet
from shufflenet.errors import DataError, TeacherMismatch
from shufflenet.hub import CHECKPOINT, ONNX, resolve
from shufflenet.models import load_model_and_card
from shufflenet.runtimes import OnnxClassifier
from shufflenet.spec import Label
from shufflenet.train._normalize import Normalizer

__all__ = ["Answers", "Teacher", "distillation_loss", "open_answers", "open_teacher"]

_log = logging.getLogger(__name__)

# Maps red, green and blue from 0 to 255, (n, 3, h, w), to logits in the order of the pupil's
# classes, (n, classes).
Teacher: TypeAlias = Callable[[Tensor], Tensor]

# A teacher's logits for every image that is trained on, (images, classes), in their order.
Answers: TypeAlias = npt.NDArray[np.floating]


def open_answers(path: str | Path, images: ImageSet, training: ImageSet) -> Answers:
    """Open a file of logits, computed once: of a whole image each, whatever part the pupil sees.

    Args:
        path: A ``.npy`` file of shape ``(images, classes)``.
        images: What its rows are of, in the order of ``images.samples``.
        training: Those of them that are trained on.

    Raises:
        DataError: it cannot be read, is of other images or classes, or holds what is no number.
    """
    expected = len(images), len(images.classes)
    layout = f"Expected: logits of {expected[0]} images and {expected[1]} classes, a .npy file."
    try:
        answers: Answers = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise DataError(str(path), f"cannot be read as a .npy file ({error})", layout) from error
    if not isinstance(answers, np.ndarray):
        raise DataError(str(path), "is an archive of arrays", layout)
    if answers.shape != expected or not np.issubdtype(answers.dtype, np.floating):
        raise DataError(str(path), f"is {answers.dtype} of shape {answers.shape}", layout)
    if not all(
        np.isfinite(part).all() for part in np.array_split(answers, 1 + len(answers) // 4096)
    ):
        raise DataError(str(path), "holds what is no number", layout)
    labels = np.array([sample.label for sample in images.samples])
    agreeing = np.count_nonzero(np.argmax(answers, axis=1) == labels)
    if agreeing * expected[1] < 2 * expected[0]:  # twice what chance would
        _log.warning(
            "%s agrees with %d of %d labels, as if by chance: are its rows in the order of the "
            "images of %s?",
            *(path, agreeing, expected[0], images.source),
        )
    if training.samples == images.samples:
        return answers
    place = {sample: number for number, sample in enumerate(images.samples)}
    chosen: Answers = answers[[place[sample] for sample in training.samples]]
    return chosen


def open_teacher(name_or_file: str | Path, labels: Sequence[Label]) -> Teacher:
    """Open a network of ours, or any ONNX file with a card, to learn from.

    It is shown images at its own size, whatever size the pupil is trained at, and computes where
    they are: a network on their device, an ONNX file on the CPU.

    Raises:
        TeacherMismatch: it does not know the pupil's classes.
        UnknownName: it is neither a file nor a checkpoint's name.
        CheckpointError: the file is damaged or has no card.
    """
    file = resolve(name_or_file, (CHECKPOINT, ONNX))
    if file.suffix == ONNX:
        classifier = OnnxClassifier(file)
        card = classifier.card

        def answer(images: Tensor) -> Tensor:
            return torch.from_numpy(classifier.logits(images.cpu().numpy())).to(images.device)
    else:
        net, card = load_model_and_card(file)
        net = net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # missing in torch's stub

        def answer(images: Tensor) -> Tensor:
            logits: Tensor = net.to(images.device)(images)
            return logits

    places = {label.id: place for place, label in enumerate(card.labels)}
    unknown = [label.id for label in labels if label.id not in places]
    if unknown:
        raise TeacherMismatch(str(name_or_file), unknown, len(labels))
    order = [places[label.id] for label in labels]
    prepare, side = Normalizer(card.preprocess), card.preprocess.crop_px

    @torch.no_grad()
    def teach(images: Tensor) -> Tensor:
        if images.shape[2:] != (side, side):
            images = functional.interpolate(
                images, (side, side), mode="bilinear", antialias=True, align_corners=False
            )
        return answer(prepare(images))[:, order]

    return teach


def distillation_loss(pupil: Tensor, teacher: Tensor, temperature: float) -> Tensor:
    """Say how far a pupil's logits lie from a teacher's probabilities, which are softened already.

    The Kullback-Leibler divergence times the temperature squared, so that its gradient keeps its
    size. Source: Hinton et al. 2015, section 2, https://arxiv.org/abs/1503.02531
    """
    return temperature**2 * functional.kl_div(
        functional.log_softmax(pupil / temperature, dim=1),
        teacher,
        reduction="batchmean",
    )
