"""What a run trains, as one value."""

import logging
from dataclasses import dataclass

from shufflenet.data import ImageSet, load
from shufflenet.errors import ImageError, MissingClasses, NoReadableImages, OneClass, SpecError
from shufflenet.networks import AnyNetwork
from shufflenet.recipes import Recipe
from shufflenet.spec import Card
from shufflenet.train._teacher import Teacher, TeacherLogits
from shufflenet.train.detection import BoxSets, check_recipe

__all__ = ["Setup", "check_images"]

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """The network, images and recipe of a run.

    Attributes:
        net: The network, with random or given weights; training changes it.
        card: Its card without accuracy; labels in the order of class indices.
        training: Images to train on.
        validation: Images to choose the best epoch by; labels numbered as in ``training``.
        recipe: How to train.
        teacher: A function to learn from besides the labels, or instead of them
            (``recipe.distillation``): it maps values of pixels, ``(n, channels, h, w)``, to
            logits, ``(n, classes)``.
        teacher_logits: The same, computed before: float ``(images, classes)``, a row for every
            image of ``training``. At most one of the two is given.
        knows_classes: Whether the network can tell some of the classes before it is trained; it is
            then measured first, and is the best network until another is better.
        boxes: The boxes in ``training`` and ``validation``, if the network is a detector.
    """

    net: AnyNetwork
    card: Card
    training: ImageSet
    validation: ImageSet
    recipe: Recipe
    teacher: Teacher | None = None
    teacher_logits: TeacherLogits | None = None
    knows_classes: bool = False
    boxes: BoxSets | None = None

    def __post_init__(self) -> None:
        if self.teacher is not None and self.teacher_logits is not None:
            raise SpecError("teacher_logits", "given beside a teacher", "given instead of it")


def check_images(setup: Setup) -> None:
    """Check that the images suffice to train and validate.

    Raises:
        OneClass: there are fewer than two classes.
        NoReadableImages: not one image can be read.
        MissingClasses: validation lacks a class; of a multi-label set, every class.
        SpecError: classes of a multi-label set are to be balanced, or images of 16 bits to be
            augmented by operations of 8 bits; or the recipe is for networks of another task.
    """
    check_recipe(setup.recipe, setup.card.task)
    training, validation = setup.training, setup.validation
    several = training.task != "classification"
    if several and setup.recipe.balance:
        expected = "0 where images have several labels: an image cannot be shown for one of them"
        raise SpecError("balance", setup.recipe.balance, expected)
    if len(training.classes) < 2 and not several:
        raise OneClass(training.source, training.classes[0])
    how = setup.card.preprocess
    first = load(training.samples[0], how)
    if isinstance(first, ImageError):
        others = (load(sample, how) for sample in training.samples[1:])
        if all(isinstance(each, ImageError) for each in others):
            _log.warning("%s", first)
            raise NoReadableImages(training.source) from first
    if how.bits == 16 and (setup.recipe.trivial or setup.recipe.randaugment):
        expected = "8 with --trivial or --randaugment, whose operations are of 8 bits"
        raise SpecError("bits", how.bits, expected)
    present = {label for right in validation.right for label in right}
    missing = [name for label, name in enumerate(training.classes) if label not in present]
    if several and 0 < len(missing) < len(training.classes):
        _log.warning(
            "No image to validate on has the label %r%s: mean average precision leaves that out.",
            *(missing[0], f" or {len(missing) - 1} others" if len(missing) > 1 else ""),
        )
    elif missing:
        raise MissingClasses(validation.source, missing, len(training.classes))
