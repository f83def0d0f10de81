"""A learning rate, found by trying: steps at ever higher rates, until the loss bursts."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

from torch import Tensor

from shufflenet.errors import SpecError
from shufflenet.train._loop import Loop
from shufflenet.train._memory import TooLarge, remedy

__all__ = ["FoundRate", "find_rate"]

_LOWEST, _HIGHEST, _STEPS = 1e-4, 10.0, 100
_SMOOTHING = 0.9  # decay a step of the loss that is looked at
_FIRST = 10  # steps, after which that is an average of enough to be looked at
_RISEN = 1.1  # times the least loss: from there on more harm is done than good
_BURST = 2.0  # times the least loss, beyond which nothing more is to be learnt
_PART = 0.25  # of the rate at which the loss had risen


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundRate:
    """What the test found; no rate where the loss was no number within the first ten steps."""

    learning_rate: float | None
    risen_at: float | None  # the rate at which the loss had risen, or the last that was tried
    rates: tuple[float, ...]  # of the steps, in order
    losses: tuple[float, ...]  # after each, smoothed


def find_rate(loop: Loop) -> FoundRate:
    """Test a range of learning rates on the network of a loop, which is of no use afterwards.

    Rates grow by the same factor at every step, from 1e-4 to 10. The loss is averaged over about
    the last ten steps, and the test ends where it is twice the least so far, or no number. The
    rate to take is a quarter of the one at which the loss had risen by a tenth above its least:
    the best is usually within a factor of 2 of the largest that does not let it rise, and the
    average lags half a decade behind. Where the least lies says less, since a network with random
    weights learns next to nothing in so few steps.

    Sources: Smith 2015, section 3.3, https://arxiv.org/abs/1506.01186, for the test; Bengio 2012,
    section 3.1.1, https://arxiv.org/abs/1206.5533, for the factor of 2

    Raises:
        SpecError: a batch does not fit into memory.
    """
    rates: list[float] = []
    losses: list[float] = []
    mean = 0.0
    loop.learner.model.train()
    for number, batch in zip(range(_STEPS), _batches(loop), strict=False):
        rate = _LOWEST * (_HIGHEST / _LOWEST) ** (number / (_STEPS - 1))
        try:
            loss = loop.learner.step(*batch, number=number, rate=rate)
        except TooLarge as error:
            recipe = loop.recipe
            images = len(batch[0]) * loop.fabric.world_size
            fits = remedy(error.parts, recipe.accumulate, images)
            where = f"small enough for the memory of {loop.fabric.device}; {fits}"
            raise SpecError("batch_size", recipe.batch_size, where) from error
        if not math.isfinite(loss):
            break
        mean += (1 - _SMOOTHING) * (loss - mean)
        rates.append(rate)
        losses.append(mean / (1 - _SMOOTHING ** (number + 1)))  # as if it had begun before
        if number >= _FIRST and losses[-1] > _BURST * min(losses[_FIRST - 1 :]):
            break
        if loop.fabric.is_global_zero:
            loop.session.on_step(number + 1, _STEPS, loss)
    return _found(rates, losses)


def _batches(loop: Loop) -> Iterator[tuple[Tensor, ...]]:
    """Give batches epoch after epoch."""
    epoch = 0
    while True:
        yield from loop.loader(epoch % loop.recipe.epochs, 0)
        epoch += 1


def _found(rates: list[float], losses: list[float]) -> FoundRate:
    """Read off the rate.

    >>> rates = [0.01] * 9 + [0.1, 0.2, 0.4, 0.8]
    >>> _found(rates, [1.0] * 9 + [2.0, 1.5, 1.6, 1.8]).learning_rate
    0.2
    >>> _found([], []).learning_rate is None
    True
    """
    looked_at = list(zip(losses, rates, strict=True))[_FIRST - 1 :]
    risen_at = None
    if looked_at:
        least = min(looked_at)
        after = looked_at[looked_at.index(least) :]
        risen = (rate for loss, rate in after if loss > _RISEN * least[0])
        risen_at = next(risen, rates[-1])
    return FoundRate(
        learning_rate=float(f"{_PART * risen_at:.2g}") if risen_at else None,
        risen_at=risen_at,
        rates=tuple(rates),
        losses=tuple(losses),
    )
