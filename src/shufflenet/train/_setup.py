"""What a run trains, as one value."""

from dataclasses import dataclass

from shufflenet.data import ImageSet, load
from shufflenet.errors import ImageError, MissingClasses, NoReadableImages, OneClass, SpecError
from shufflenet.networks import ShuffleNet
from shufflenet.recipes import Recipe
from shufflenet.spec import Card
from shufflenet.train._teacher import Teacher, TeacherLogits

__all__ = ["Setup", "check_images"]


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
            (``recipe.distillation``): it maps RGB values 0..255, ``(n, 3, h, w)``, to logits,
            ``(n, classes)``.
        teacher_logits: The same, computed before: float ``(images, classes)``, a row for every
            image of ``training``. At most one of the two is given.
        knows_classes: Whether the network can tell some of the classes before it is trained; it is
            then measured first, and is the best network until another is better.
    """

    net: ShuffleNet
    card: Card
    training: ImageSet
    validation: ImageSet
    recipe: Recipe
    teacher: Teacher | None = None
    teacher_logits: TeacherLogits | None = None
    knows_classes: bool = False

    def __post_init__(self) -> None:
        if self.teacher is not None and self.teacher_logits is not None:
            raise SpecError("teacher_logits", "given beside a teacher", "given instead of it")


def check_images(setup: Setup) -> None:
    """Check that the images suffice to train and validate.

    Raises:
        OneClass: there are fewer than two classes.
        NoReadableImages: not one image can be read.
        MissingClasses: validation lacks a class.
    """
    training, validation = setup.training, setup.validation
    if len(training.classes) < 2:
        raise OneClass(training.source, training.classes[0])
    how = setup.card.preprocess
    if all(isinstance(load(sample, how), ImageError) for sample in training.samples):
        raise NoReadableImages(training.source)
    present = {sample.label for sample in validation.samples}
    missing = [name for label, name in enumerate(training.classes) if label not in present]
    if missing:
        raise MissingClasses(validation.source, missing, len(training.classes))
