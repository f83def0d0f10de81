"""A range test of learning rates: steps at rising rates until the loss diverges."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

from torch import Tensor

from shufflenet.errors import SpecError
from shufflenet.train._batch_memory import BatchTooLarge, advise
from shufflenet.train._loop import Loop

__all__ = ["FoundRate", "find_rate"]

_LOWEST, _HIGHEST, _STEPS = 1e-4, 10.0, 100
_SMOOTHING = 0.9  # decay per step of the averaged loss
_FIRST = 10  # steps, after which the average is over enough of them to be used
_RISEN = 1.1  # times the lowest loss: the rate is too high from there on
_DIVERGED = 2.0  # times the lowest loss, at which the test ends
_SAFE = 0.25  # of the rate at which the loss had risen


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundRate:
    """The result of the test.

    Attributes:
        learning_rate: The rate to use; ``None`` if the loss was not finite within ten steps.
        risen_at: The rate at which the loss had risen, or the last that was tried.
        rates: The rate of every step.
        losses: The smoothed loss after every step.
    """

    learning_rate: float | None
    risen_at: float | None
    rates: tuple[float, ...]
    losses: tuple[float, ...]


def find_rate(loop: Loop) -> FoundRate:
    """Test a range of learning rates on the network of a loop, which cannot be used afterwards.

    Rates grow by the same factor at every step, from 1e-4 to 10. The loss is averaged over about
    the last ten steps, and the test ends when the average is twice the lowest so far, or the loss
    is not finite. The rate to use is a quarter of the one at which the loss had risen by a tenth
    above its lowest: the best rate is usually within a factor of 2 of the largest at which the loss
    does not rise, and the average lags half a decade behind. The rate of the lowest loss says less,
    since a network with random weights learns almost nothing in so few steps.

    Sources: Smith 2015, section 3.3, https://arxiv.org/abs/1506.01186, for the test; Bengio 2012,
    section 3.1.1, https://arxiv.org/abs/1206.5533, for the factor of 2

    Raises:
        SpecError: a batch does not fit into memory.
    """
    rates: list[float] = []
    losses: list[float] = []
    mean = 0.0
    loop.learner.model.train()
    for number, batch in zip(range(_STEPS), _endless_batches(loop), strict=False):
        rate = _LOWEST * (_HIGHEST / _LOWEST) ** (number / (_STEPS - 1))
        loss = _step(loop, batch, number, rate)
        if not math.isfinite(loss):
            break
        mean += (1 - _SMOOTHING) * (loss - mean)
        rates.append(rate)
        losses.append(mean / (1 - _SMOOTHING ** (number + 1)))  # as if it had begun before
        if number >= _FIRST and losses[-1] > _DIVERGED * min(losses[_FIRST - 1 :]):
            break
        if loop.fabric.is_global_zero:
            loop.session.on_step(number + 1, _STEPS, loss)
    return _evaluate(rates, losses)


def _step(loop: Loop, batch: tuple[Tensor, ...], number: int, rate: float) -> float:
    """Do a step and return its loss.

    Raises:
        SpecError: the batch does not fit into memory.
    """
    try:
        return loop.learner.step(*batch, number=number, rate=rate)
    except BatchTooLarge as error:
        images = len(batch[0]) * loop.fabric.world_size
        advice = advise(error.parts, loop.recipe.accumulate, images)
        expected = f"small enough for the memory of {loop.fabric.device}; {advice}"
        raise SpecError("batch_size", loop.recipe.batch_size, expected) from error


def _endless_batches(loop: Loop) -> Iterator[tuple[Tensor, ...]]:
    """Yield batches epoch after epoch."""
    epoch = 0
    while True:
        yield from loop.loader(epoch % loop.recipe.epochs, 0)
        epoch += 1


def _evaluate(rates: list[float], losses: list[float]) -> FoundRate:
    """Return the rate to use, from the rate and smoothed loss of every step.

    >>> rates = [0.01] * 9 + [0.1, 0.2, 0.4, 0.8]
    >>> _evaluate(rates, [1.0] * 9 + [2.0, 1.5, 1.6, 1.8]).learning_rate
    0.2
    >>> _evaluate([], []).learning_rate is None
    True
    """
    points = list(zip(losses, rates, strict=True))[_FIRST - 1 :]
    risen_at = None
    if points:
        lowest = min(points)
        after = points[points.index(lowest) :]
        risen = (rate for loss, rate in after if loss > _RISEN * lowest[0])
        risen_at = next(risen, rates[-1])
    return FoundRate(
        learning_rate=float(f"{_SAFE * risen_at:.2g}") if risen_at else None,
        risen_at=risen_at,
        rates=tuple(rates),
        losses=tuple(losses),
    )
