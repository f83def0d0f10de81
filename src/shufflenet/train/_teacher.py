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
    TeacherOfOtherChannels,
    TeacherOfOtherTask,
)
from shufflenet.hub import CHECKPOINT, ONNX, resolve
from shufflenet.models import load_model_and_card
from shufflenet.outside.arrays import open_array
from shufflenet.runtimes import OnnxClassifier
from shufflenet.spec import Card, Label, Preprocess, Task
from shufflenet.train._normalize import Normalizer

__all__ = [
    "Teacher",
    "TeacherLogits",
    "open_teacher",
    "open_teacher_logits",
]

_log = logging.getLogger(__name__)
_COLORS = Preprocess(resize_px=224, crop_px=224)

# Maps values of pixels, of the channels and bits of the student, (n, channels, h, w), to logits in
# the order of its classes, (n, classes).
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
    if images.task == "classification":
        _warn_of_order(path, logits, images)
    if training.samples == images.samples:
        return logits
    rows = {sample: number for number, sample in enumerate(images.samples)}
    chosen: TeacherLogits = logits[[rows[sample] for sample in training.samples]]
    return chosen


def _warn_of_order(path: str | Path, logits: TeacherLogits, images: ImageSet) -> None:
    """Warn if logits look as if their rows were those of other images."""
    labels = np.array([sample.label for sample in images.samples])
    agreeing = int(np.count_nonzero(np.argmax(logits, axis=1) == labels))
    if agreeing * len(images.classes) < 2 * len(images):  # less than twice what chance gives
        _log.warning(
            "%s agrees with %d of %d labels, no more than chance. Check that its rows are in the "
            "order of the images of %s.",
            *(path, agreeing, len(images), images.source),
        )


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


def open_teacher(
    name_or_file: str | Path,
    labels: Sequence[Label],
    student: Preprocess = _COLORS,
    task: Task = "classification",
) -> Teacher:
    """Open a checkpoint, or any ONNX file with a card, to learn from.

    It is shown images at its own size, whatever size the student is trained at; an image of another
    shape is squashed. A checkpoint runs on the device of the images, an ONNX file on the CPU.

    A teacher of colors is shown gray images three times over, and of colors with opacity the
    colors. Otherwise it takes the channels that the student takes, of any bits.

    Args:
        name_or_file: The teacher.
        labels: The student's classes.
        student: How the student's images are read.
        task: What the student answers.

    Raises:
        TeacherMismatch: it does not know the student's classes.
        TeacherOfOtherChannels: it takes others.
        TeacherOfOtherTask: it answers with one class, and the student with any number; or the
            reverse.
        UnknownName: it is neither a file nor a checkpoint's name.
        CheckpointError: the file is damaged or has no card.
    """
    network, card = _open_network(name_or_file)
    if card.task != task:
        raise TeacherOfOtherTask(str(name_or_file), card.task, task)
    rows = {label.id: row for row, label in enumerate(card.labels)}
    unknown = [label.id for label in labels if label.id not in rows]
    if unknown:
        raise TeacherMismatch(str(name_or_file), unknown, len(labels))
    order = [rows[label.id] for label in labels]
    how = card.preprocess
    convert = _conversion(str(name_or_file), how, student)
    normalize, sides = Normalizer(how), how.size_px
    brightness = how.max_value / student.max_value

    @torch.no_grad()
    def teach(images: Tensor) -> Tensor:
        images = convert(images) * brightness
        if images.shape[2:] != sides:
            images = functional.interpolate(
                images, sides, mode="bilinear", antialias=True, align_corners=False
            )
        return network(normalize(images))[:, order]

    return teach


def _conversion(name: str, teacher: Preprocess, student: Preprocess) -> Callable[[Tensor], Tensor]:
    """Return what makes the channels that a teacher takes of a student's, ``(n, c, h, w)``.

    Raises:
        TeacherOfOtherChannels: they cannot be made.
    """
    if _content(teacher) == _content(student):
        return lambda images: images
    if _content(teacher) == ("rgb", 3) and student.channels == "gray":
        return lambda images: images.expand(-1, 3, -1, -1)
    if _content(teacher) == ("rgb", 3) and student.channels == "rgba":
        return lambda images: images[:, :3]
    raise TeacherOfOtherChannels(name, _content(teacher), _content(student))


def _content(how: Preprocess) -> tuple[str, int]:
    """Return which channels pixels have; they are red, green and blue for ``bgr`` too."""
    return how.channels.replace("bgr", "rgb"), how.in_channels


def _open_network(name_or_file: str | Path) -> tuple[Callable[[Tensor], Tensor], Card]:
    """Open a model as a function from network input, ``(n, c, h, w)``, to its logits."""
    file = resolve(name_or_file, (CHECKPOINT, ONNX))
    if file.suffix.lower() == ONNX:
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
