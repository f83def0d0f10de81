"""Whether two models differ on the same images."""

from dataclasses import dataclass

from shufflenet.analyze._answers import Answers
from shufflenet.data import Sample

__all__ = ["Comparison", "compare", "mcnemar"]


@dataclass(frozen=True, slots=True)
class Comparison:
    """How two models answer the images that both could be asked about.

    Attributes:
        images: How many images both answered.
        both: How many both answer correctly.
        first_only: How many the first alone.
        second_only: How many the second alone.
        neither: How many neither.
        p_value: Of McNemar's exact test: how probable a difference at least as large as
            ``first_only`` to ``second_only`` is if the models are equally good, 0 to 1.
        first_wins: The places in the first's ``Answers.samples`` of what it alone answers
            correctly.
        second_wins: The places there of what the second alone does.
    """

    images: int
    both: int
    first_only: int
    second_only: int
    neither: int
    p_value: float
    first_wins: tuple[int, ...]
    second_wins: tuple[int, ...]


def compare(first: Answers, second: Answers) -> Comparison:
    """Compare two models' answers to the images that are in both sets and could be read.

    An image is the same where path, place and name in an archive are; of rows that name one image
    several times the first is taken. Each model's answer is judged by the label that the image has
    in its own classes.
    """
    places: dict[tuple[str, int, str], int] = {}
    for place, sample in enumerate(second.samples):
        places.setdefault(_key(sample), place)
    cells: dict[tuple[bool, bool], list[int]] = {
        (one, other): [] for one in (True, False) for other in (True, False)
    }
    for place, sample in enumerate(first.samples):
        other = places.pop(_key(sample), None)
        if other is not None:
            cells[bool(first.correct[place]), bool(second.correct[other])].append(place)
    wins, losses = cells[True, False], cells[False, True]
    return Comparison(
        images=sum(map(len, cells.values())),
        both=len(cells[True, True]),
        first_only=len(wins),
        second_only=len(losses),
        neither=len(cells[False, False]),
        p_value=mcnemar(len(wins), len(losses)),
        first_wins=tuple(wins),
        second_wins=tuple(losses),
    )


def _key(sample: Sample) -> tuple[str, int, str]:
    return sample.path, sample.offset, sample.name


def mcnemar(first_only: int, second_only: int) -> float:
    """Compute the p-value of McNemar's exact test, 0 to 1.

    Of the ``n`` images that one model alone answers correctly, equally good models would each have
    a half, so that the smaller count ``k`` is binomial: ``min(1, 2 sum_{i <= k} C(n, i) / 2^n)``.
    Source: Q. McNemar, Note on the sampling error of the difference between correlated proportions
    or percentages, Psychometrika 12 (1947), pages 153-157; exact as in M. W. Fagerland,
    S. Lydersen, P. Laake, BMC Medical Research Methodology 13:91 (2013).

    >>> mcnemar(1, 9)
    0.021484375
    """
    total, least = first_only + second_only, min(first_only, second_only)
    below, term = 0, 1  # the sum of C(total, i) for i < k, and C(total, k): whole numbers, exact
    for k in range(least):
        below += term
        term = term * (total - k) // (k + 1)
    return min(1.0, float(2 * (below + term) / 2**total))
