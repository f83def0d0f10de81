"""Constants stored as float16 where those hold them exactly, in half the bytes."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from shufflenet.codegen.kernels import LINE_BYTES

__all__ = ["Halves"]


@dataclass(frozen=True, slots=True)
class Halves:
    """Constants, of which cache lines that float16 holds exactly are stored so.

    The kernel ``expand_halves`` writes the constants again, equal to the bit.

    Attributes:
        stored: The lines, one after the other, ``(bytes,)``.
        runs: How many lines are stored as they are, then how many as float16, and so on by turns:
            int32, ``(2 * pairs,)``.
    """

    stored: npt.NDArray[np.uint8]
    runs: npt.NDArray[np.int32]

    @property
    def nbytes(self) -> int:
        """Bytes of all."""
        return self.stored.nbytes + self.runs.nbytes

    @classmethod
    def where_smaller(cls, constants: npt.NDArray[np.uint8]) -> "Halves | None":
        """Store constants if that takes a tenth less bytes; else return None."""
        halves = cls.of(constants)
        return halves if 10 * halves.nbytes <= 9 * constants.nbytes else None

    @classmethod
    def of(cls, constants: npt.NDArray[np.uint8]) -> "Halves":
        """Store constants, whole cache lines, ``(bytes,)``; whatever they are, they come back."""
        words = constants.reshape(-1, LINE_BYTES).view("<f4")
        with np.errstate(over="ignore", invalid="ignore"):
            halves = words.astype("<f2")
        same_bits = halves.astype("<f4").view("<u4") == words.view("<u4")
        fits = (same_bits & np.isfinite(halves)).all(axis=1)
        # Lines of one kind begin where the kind changes; the first are copied ones, be they none.
        starts = np.flatnonzero(np.diff(fits, prepend=False))
        bounds = [0, *map(int, starts), len(fits)]
        parts = [
            (halves if number % 2 else words)[start:end].reshape(-1).view(np.uint8)
            for number, (start, end) in enumerate(pairwise(bounds))
        ]
        runs = np.diff(bounds).astype(np.int32)
        return cls(np.concatenate(parts), np.pad(runs, (0, len(runs) % 2)))
