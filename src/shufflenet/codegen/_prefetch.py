"""Weights brought nearer from memory before they are needed."""

from typing import NamedTuple

from shufflenet.codegen._ir import Function, Value
from shufflenet.codegen._memory import LINE_WORDS

__all__ = ["Prefetch"]


class Prefetch(NamedTuple):
    """Weights that are fetched before they are needed, with each step of a product a few words.

    Many lines at once would keep the loads of a product waiting.

    Attributes:
        first: Where they begin.
        words: How many belong to each step.
    """

    first: Value
    words: Value

    def fetch(self, f: Function, step: Value) -> None:
        """Fetch the first line of what belongs to a step.

        It is all of it but where a product has few pixels; then every line or two are left to the
        processor, which fetches neighbours of what it is asked for.
        """
        f.fetch(f.at(self.first, f.mul(step, self.words)))

    def fetch_all(self, f: Function, first_step: Value, steps: Value) -> None:
        """Fetch all lines of some steps at once."""
        own = f.at(self.first, f.mul(first_step, self.words))
        with f.counting(f.mul(steps, self.words), step=LINE_WORDS) as word:
            f.fetch(f.at(own, word))
