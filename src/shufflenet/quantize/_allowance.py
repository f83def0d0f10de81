"""How many answers an int8 network may lose or change, judged by few images or many."""

from dataclasses import dataclass

from shufflenet.spec import Accuracy

__all__ = ["Allowance", "allow"]

_CHANGED_PERCENT = 10.0  # of all answers; good int8 networks change 2 to 7 of 100
_CHANCE = ((20, 2), (1, 1))  # of at least so many answers, this many differ by chance


@dataclass(frozen=True, slots=True)
class Allowance:
    """What an int8 network may lose on the images held out.

    Attributes:
        lost: The largest net loss of correct answers.
        changed: The largest number of answers that differ from float's.
        changed_percent: The share of all answers that may differ, in percent.
    """

    lost: float
    changed: float
    changed_percent: float


def allow(before: Accuracy, max_drop_percent: float) -> Allowance:
    """Return what may be lost of a float network's answers.

    A share of few answers is less than one, and one or two images of a few dozen are as often won
    as lost when weights are rounded. They therefore count as chance: one image, or two if there are
    at least 20, may be lost in any case, unless ``max_drop_percent`` is 0. A tenth of all answers
    may change, right or wrong, or ``max_drop_percent`` if that is more: where labels do not fit or
    few answers are correct, only this shows a network that was ruined.

    Args:
        before: The float network's correct answers.
        max_drop_percent: The share of them that may be lost, 0 to 100.
    """
    changed_percent = max(max_drop_percent, _CHANGED_PERCENT)
    by_chance = _by_chance if max_drop_percent else lambda count: 0
    return Allowance(
        lost=max(max_drop_percent / 100 * before.top1, by_chance(before.top1)),
        changed=max(changed_percent / 100 * before.images, by_chance(before.images)),
        changed_percent=changed_percent,
    )


def _by_chance(count: int) -> int:
    return next((chance for least, chance in _CHANCE if count >= least), 0)
