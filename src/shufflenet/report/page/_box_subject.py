"""What the page of a detector is about: the boxes to find, those found, and how they match."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from shufflenet.data.boxes import BoxSet
from shufflenet.errors import ImageError
from shufflenet.evaluate import BoxMatch, BoxMeasures, MatchKind
from shufflenet.spec import Card

__all__ = ["BoxSubject"]


@dataclass(frozen=True, eq=False)
class BoxSubject:
    """What a detector found in images, and what the page says of it.

    Attributes:
        card: The detector's card.
        images: The boxes to find, labeled and named as the detector does; see ``fit_boxes``.
        measures: COCO's measures.
        matches: Which box is found by which, from a score of ``min_score`` on.
        min_score: The least score of what counts as found in ``matches``.
        unread: The images that cannot be read, by their place in the set, and why.
        notes: Sentences about the data.
    """

    card: Card
    images: BoxSet
    measures: BoxMeasures
    matches: Sequence[BoxMatch]
    min_score: float
    unread: Mapping[int, ImageError]
    notes: tuple[str, ...] = ()

    def of_kind(self, kind: MatchKind) -> list[BoxMatch]:
        """Return the matches of a kind."""
        return [each for each in self.matches if each.kind == kind]

    @cached_property
    def counts(self) -> Counter[tuple[int, MatchKind]]:
        """How many matches there are by class and kind."""
        return Counter((each.label, each.kind) for each in self.matches)

    def count(self, kind: MatchKind) -> int:
        """Return how many matches of a kind there are."""
        return sum(count for (_, each), count in self.counts.items() if each == kind)
