"""Feature maps whose inner values the backward pass computes again, to store less."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from types import TracebackType
from typing import Any, TypeAlias, cast

import torch
from torch import Tensor, fx, nn
from torch.utils.checkpoint import checkpoint

__all__ = ["recompute", "recomputes"]


def recomputes(x: object, part: nn.Module) -> bool:
    """Return whether there will be a backward pass that can compute ``part(x)`` again.

    Function transforms (``torch.func.grad``) and ``torch.fx`` cannot, so all values are kept.
    """
    if isinstance(x, fx.Proxy) or not torch.is_grad_enabled():
        return False
    transformed = torch._C._are_functorch_transforms_active()  # torch has no public name for it
    return part.training and not transformed


def recompute(run: Callable[[Tensor], Tensor], x: Tensor, parts: Sequence[nn.Module]) -> Tensor:
    """Compute ``run(x)``, which runs these parts, and keep ``x`` alone for the backward pass.

    ``x`` is ``(n, channels, h, w)``.

    That may run any number of times. It computes with the weights that the parts have now,
    ``torch.func.functional_call``'s too, and leaves statistics as they are.
    """
    if torch.compiler.is_compiling():  # it cannot trace contexts, and updates statistics once
        return cast(Tensor, checkpoint(run, x, use_reentrant=False))
    again = _AsNow(parts)

    def contexts() -> tuple[AbstractContextManager[Any], AbstractContextManager[Any]]:
        return nullcontext(), again

    return cast(Tensor, checkpoint(run, x, use_reentrant=False, context_fn=contexts))


class _AsNow:
    """A context in which parts have the mode and the weights of now, and copies of their buffers.

    Whatever running in training mode changes, such as the statistics of any norm, is a buffer. It
    changes in copies, which the backward pass may also refer to.
    """

    def __init__(self, parts: Sequence[nn.Module]) -> None:
        modules = (module for part in parts for module in part.modules())
        self._now = [(module, _state(module)) for module in modules]
        self._outside: list[list[_State]] = []  # what they have where the context is entered

    def __enter__(self) -> None:
        self._outside.append([_state(module) for module, _ in self._now])
        for module, state in self._now:
            buffers = state["_buffers"]
            copies = {
                name: each if each is None else each.clone() for name, each in buffers.items()
            }
            vars(module).update(state, _buffers=copies if state["training"] else buffers)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for (module, _), state in zip(self._now, self._outside.pop(), strict=True):
            vars(module).update(state)


_State: TypeAlias = dict[str, Any]


def _state(module: nn.Module) -> _State:
    """Return the mode, the parameters and the buffers of a module, without what is inside it."""
    attributes = vars(module)
    tensors = {name: attributes[name].copy() for name in ("_parameters", "_buffers")}
    return {"training": module.training, **tensors}
