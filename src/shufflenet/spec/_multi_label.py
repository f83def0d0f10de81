"""The accuracy of a network that says of each class whether it is in an image."""

from dataclasses import dataclass

from shufflenet.errors import SpecError
from shufflenet.spec._bounds import MAX_CLASSES, MAX_COUNT, require_within

__all__ = ["MultiLabelAccuracy"]


@dataclass(frozen=True, slots=True, kw_only=True)
class MultiLabelAccuracy:
    """How well the classes of images are found, of which any number may be right.

    A class is an answer where its probability is 1/2 or more.

    Attributes:
        images: The number of images.
        map: The mean over classes of their average precision, 0 to 1; see
            ``evaluate.average_precision``.
        classes: The number of classes in that mean: those that are right for an image at all.
        exact: The number of images whose answers are the right classes, no more and no less.
        found: The number of right classes that are answers, over all images.
        answers: The number of answers.
        right: The number of right classes.
    """

    images: int
    map: float
    classes: int
    exact: int
    found: int
    answers: int
    right: int

    def __post_init__(self) -> None:
        require_within(self, 0, MAX_COUNT, "images", "answers", "right")
        require_within(self, 0, MAX_CLASSES, "classes")
        require_within(self, 0, 1, "map")
        if not 0 <= self.exact <= self.images:
            raise SpecError("exact", self.exact, "a count, of images at most")
        if not 0 <= self.found <= min(self.answers, self.right):
            raise SpecError("found", self.found, "a count, of answers and of right ones at most")

    def check_classes(self, classes: int) -> None:
        """Check that a network of so many classes can have been counted so.

        Raises:
            SpecError: more classes are counted than it has, for an image or in all.
        """
        if self.classes > classes:
            raise SpecError("classes", self.classes, f"at most {classes}, the network's")
        for name, count in (("answers", self.answers), ("right", self.right)):
            if count > self.images * classes:
                raise SpecError(name, count, f"at most {classes} an image, the network's classes")

    @property
    def f1(self) -> float:
        """The harmonic mean of precision and recall over all answers (micro-F1), 0 to 1.

        It is ``2 * found / (answers + right)``.
        """
        return 2 * self.found / (self.answers + self.right) if self.answers + self.right else 0.0
