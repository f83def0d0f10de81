"""A share of images, and where it lies with a confidence of 95 %."""

import math
from dataclasses import dataclass

__all__ = ["Share", "share_of"]

_Z = 1.959963984540054  # the 97.5 % quantile of the normal distribution


@dataclass(frozen=True, slots=True)
class Share:
    """A count out of a total, with its 95 % confidence interval.

    Attributes:
        count: How many.
        total: Of how many; 0 where nothing can be said.
        low: The lower end of the interval, 0 to 1.
        high: The upper end.
    """

    count: int
    total: int
    low: float
    high: float

    @property
    def value(self) -> float | None:
        """The share, 0 to 1; None of a total of 0."""
        return self.count / self.total if self.total else None


def share_of(count: int, total: int) -> Share:
    """Compute a share with Wilson's score interval, which holds for few images too.

    With ``p = count / total``, ``n = total`` and ``z = 1.96``, its ends are::

        (p + z^2 / 2n -+ z sqrt(p (1 - p) / n + z^2 / 4n^2)) / (1 + z^2 / n)

    Of a total of 0 it is all from 0 to 1. Source: E. B. Wilson, Probable inference, the law of
    succession, and statistical inference, JASA 22 (1927), pages 209-212.

    >>> share = share_of(9, 10)
    >>> round(share.low, 3), round(share.high, 3)
    (0.596, 0.982)
    """
    if not total:
        return Share(0, 0, 0.0, 1.0)
    p, scaled = count / total, _Z * _Z / total
    middle = p + scaled / 2
    half = _Z * math.sqrt(p * (1 - p) / total + scaled / (4 * total))
    low, high = ((middle + sign * half) / (1 + scaled) for sign in (-1, 1))
    # At the ends the formula is 0 or 1 but for rounding.
    return Share(count, total, low if count else 0.0, high if count < total else 1.0)
