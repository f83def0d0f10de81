"""Teachers: networks that are shown the same images, or their logits computed before."""

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
from shufflenet.errors import (
    LogitsNotFinite,
    LogitsOfOtherImages,
    LogitsUnreadable,
    TeacherMismatch,
)
from shufflenet.hub import CHECKPOINT, ONNX, resolve
from shufflenet.models import load_model_and_card
from shufflenet.outside.arrays import open_array
from shufflenet.runtimes import OnnxClassifier
from shufflenet.spec import Card, Label
from shufflenet.train._normalize import Normalizer

__all__ = [
    "Teacher",
    "TeacherLogits",
    "distillation_loss",
    "open_teacher",
    "open_teacher_logits",
]

_log = logging.getLogger(__name__)

# Maps RGB values 0..255, (n, 3, h, w), to logits in the order of the student's classes,
# (n, classes).
Teacher: TypeAlias = Callable[[Tensor], Tensor]

# A teacher's logits of every training image, (images, classes), in the order of the images.
TeacherLogits: TypeAlias = npt.NDArray[np.floating]


def open_teacher_logits(path: str | Path, images: ImageSet, training: ImageSet) -> TeacherLogits:
    """Open a file of logits that were computed before, of whole images rather than of crops.

    Args:
        path: A ``.npy`` file of floats of shape ``(images, classes)``.
        images: The images of its rows, in the order of ``images.samples``.
        training: Those of them that are trained on.

    Returns:
        The rows of ``training``, ``(len(training), classes)``.

    Raises:
        DataError: it cannot be read, is of other images or classes, or holds values that are not
            finite.
    """
    logits = _read_logits(path, (len(images), len(images.classes)))
    labels = np.array([sample.label for sample in images.samples])
    agreeing = int(np.count_nonzero(np.argmax(logits, axis=1) == labels))
    if agreeing * len(images.classes) < 2 * len(images):  # less than twice what chance gives
        _log.warning(
            "%s agrees with %d of %d labels, no more than chance. Check that its rows are in the "
            "order of the images of %s.",
            *(path, agreeing, len(images), images.source),
        )
    if training.samples == images.samples:
        return logits
    rows = {sample: number for number, sample in enumerate(images.samples)}
    chosen: TeacherLogits = logits[[rows[sample] for sample in training.samples]]
    return chosen


def _read_logits(path: str | Path, shape: tuple[int, int]) -> TeacherLogits:
    """Read a ``.npy`` file of finite floats of a shape, ``(images, classes)``.

    Raises:
        LogitsUnreadable: the file cannot be read as one array.
        LogitsOfOtherImages: the array has another shape or type.
        LogitsNotFinite: it holds infinities or NaN.
    """
    try:
        logits: TeacherLogits = open_array(path)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise LogitsUnreadable(path, reason, shape) from error
    if logits.shape != shape or not np.issubdtype(logits.dtype, np.floating):
        raise LogitsOfOtherImages(path, logits.dtype, logits.shape, shape)
    parts = np.array_split(logits, 1 + len(logits) // 4096)  # not all in memory at once
    if not all(np.isfinite(part).all() for part in parts):
        raise LogitsNotFinite(path, shape)
    return logits


def open_teacher(name_or_file: str | Path, labels: Sequence[Label]) -> Teacher:
    """Open a checkpoint, or any ONNX file with a card, to learn from.

    It is shown images at its own size, whatever size the student is trained at. A checkpoint runs
    on the device of the images, an ONNX file on the CPU.

    Raises:
        TeacherMismatch: it does not know the student's classes.
        UnknownName: it is neither a file nor a checkpoint's name.
        CheckpointError: the file is damaged or has no card.
    """
    network, card = _open_network(name_or_file)
    rows = {label.id: row for row, label in enumerate(card.labels)}
    unknown = [label.id for label in labels if label.id not in rows]
    if unknown:
        raise TeacherMismatch(str(name_or_file), unknown, len(labels))
    order = [rows[label.id] for label in labels]
    normalize, side = Normalizer(card.preprocess), card.preprocess.crop_px

    @torch.no_grad()
    def teach(images: Tensor) -> Tensor:
        if images.shape[2:] != (side, side):
            images = functional.interpolate(
                images, (side, side), mode="bilinear", antialias=True, align_corners=False
            )
        return network(normalize(images))[:, order]

    return teach


def _open_network(name_or_file: str | Path) -> tuple[Callable[[Tensor], Tensor], Card]:
    """Open a model as a function from network input, ``(n, 3, h, w)``, to its logits."""
    file = resolve(name_or_file, (CHECKPOINT, ONNX))
    if file.suffix == ONNX:
        classifier = OnnxClassifier(file)

        def run_onnx(images: Tensor) -> Tensor:
            return torch.from_numpy(classifier.logits(images.cpu().numpy())).to(images.device)

        return run_onnx, classifier.card

    net, card = load_model_and_card(file)
    net = net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # missing in torch's stub

    def run_torch(images: Tensor) -> Tensor:
        logits: Tensor = net.to(images.device)(images)
        return logits

    return run_torch, card


def distillation_loss(logits: Tensor, targets: Tensor, temperature: float) -> Tensor:
    """Return how far a student's logits are from a teacher's probabilities, a scalar.

    It is the Kullback-Leibler divergence times the temperature squared, so that the size of its
    gradient does not depend on the temperature. Source: Hinton et al. 2015, section 2,
    https://arxiv.org/abs/1503.02531

    Args:
        logits: The student's, ``(n, classes)``.
        targets: The teacher's probabilities at that temperature, ``(n, classes)``.
        temperature: What the student's logits are divided by.
    """
    return temperature**2 * functional.kl_div(
        functional.log_softmax(logits / temperature, dim=1),
        targets,
        reduction="batchmean",
    )
