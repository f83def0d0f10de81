"""Weights brought nearer from memory before they are needed."""

from typing import NamedTuple

from shufflenet.codegen.kernels._ir import Function, Value
from shufflenet.codegen.kernels._layout import LINE_WORDS

__all__ = ["Prefetch"]


class Prefetch(NamedTuple):
    """Weights that are prefetched a few words at a time, with each step of a product.

    Many lines at once would keep the loads of the product waiting.

    Attributes:
        first: Pointer to the first word.
        words: Words that belong to each step.
    """

    first: Value
    words: Value

    def fetch(self, f: Function, step: Value) -> None:
        """Prefetch the first line of a step's words.

        That is all of them, except where a product has few pixels; then the processor, which
        prefetches neighbors of the lines it loads, fetches the other line or two.
        """
        f.prefetch(f.at(self.first, f.mul(step, self.words)))

    def fetch_all(self, f: Function, first_step: Value, steps: Value) -> None:
        """Prefetch all lines of some steps at once."""
        first_word = f.at(self.first, f.mul(first_step, self.words))
        with f.loop(f.mul(steps, self.words), step=LINE_WORDS) as word:
            f.prefetch(f.at(first_word, word))
