"""What every generation has in common: stem, stages, head, pool, classifier."""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, Self, cast

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from shufflenet.errors import SpecError
from shufflenet.spec import NetworkSpec

__all__ = ["ShuffleNet", "Trunk"]


class Trunk(nn.Module):
    """What makes feature maps: the stem, stages and, where there is one, the head.

    Attributes bear torchvision's names: ``conv1``, ``maxpool``, ``stage2`` and on, and ``conv5``
    (the identity where there is no head).

    Source of the names: torchvision 0.28, models/shufflenetv2.py
    """

    def __init__(
        self,
        spec: NetworkSpec,
        *,
        stem: nn.Sequential,
        pool: nn.Module,
        stages: Sequence[nn.Sequential],
        head: nn.Module,
    ) -> None:
        super().__init__()
        self.spec = spec
        self.conv1 = stem
        self.maxpool = pool
        for number, stage in enumerate(stages, 2):
            self.add_module(f"stage{number}", stage)
        self.conv5 = head
        self._stages = len(stages)
        self._frozen_stages: int | None = None
        self._recompute = False

    @property
    def stages(self) -> list[nn.Sequential]:
        """The stages in order; the papers count them from 2."""
        numbers = range(2, 2 + self._stages)
        return [self.get_submodule(f"stage{number}") for number in numbers]  # type: ignore[misc]  # __init__ put them there

    def feature_maps(self, images: Tensor) -> list[Tensor]:
        """Give what the stem, every stage and the head make of ``(n, in_channels, h, w)``.

        The stem's map is the first; the head's is the last where there is a head.
        """
        maps = [self._passed(images, self.conv1, self.maxpool)]
        for stage in self.stages:
            maps.append(self._passed(maps[-1], stage))
        if not isinstance(self.conv5, nn.Identity):
            maps.append(self._passed(maps[-1], self.conv5))
        return maps

    def freeze(self, stages: int | None) -> Self:
        """Hold the stem and the first stages as they are, batch statistics too, in training.

        Args:
            stages: How many; 0 freezes the stem alone, ``None`` nothing. What an earlier call
                froze beyond that learns again.

        Raises:
            SpecError: there are not so many stages.
        """
        if stages is not None and not 0 <= stages <= self._stages:
            raise SpecError("frozen stages", stages, f"from 0 to {self._stages}")
        for part in self._frozen():
            part.requires_grad_(requires_grad=True)
        self._frozen_stages = stages
        for part in self._frozen():
            part.requires_grad_(requires_grad=False)
        return self.train(self.training)

    def checkpoint_gradients(self, on: bool = True) -> Self:
        """Keep only what ``feature_maps`` gives for the backward pass, and recompute the rest.

        Training needs less memory and computes everything twice forwards; gradients and batch
        statistics stay the same to the bit.
        """
        self._recompute = on
        return self

    def train(self, mode: bool = True) -> Self:
        """Set training mode; what is frozen stays in evaluation mode."""
        super().train(mode)
        for part in self._frozen():
            part.eval()
        return self

    def _frozen(self) -> list[nn.Sequential]:
        if self._frozen_stages is None:
            return []
        return [self.conv1, *self.stages[: self._frozen_stages]]

    def _passed(self, x: Tensor, *parts: nn.Module) -> Tensor:
        def run(x: Tensor) -> Tensor:
            for part in parts:
                x = part(x)
            return x

        if not (self._recompute and parts[0].training and torch.is_grad_enabled()):
            return run(x)

        def contexts() -> tuple[AbstractContextManager[Any], AbstractContextManager[Any]]:
            return nullcontext(), _statistics_kept(parts)

        if torch.compiler.is_compiling():  # it cannot trace contexts, and updates statistics once
            return cast(Tensor, checkpoint(run, x, use_reentrant=False))
        return cast(Tensor, checkpoint(run, x, use_reentrant=False, context_fn=contexts))


class ShuffleNet(Trunk):
    """A network of the family; ``v1``, ``v2``, ``v2plus`` and ``v2large`` give it its parts.

    ``neck`` acts on what was pooled (the identity but in V2+), ``fc`` is the classifier.
    """

    def __init__(
        self,
        spec: NetworkSpec,
        *,
        stem: nn.Sequential,
        pool: nn.Module,
        stages: Sequence[nn.Sequential],
        head: nn.Module,
        neck: nn.Module,
        classifier: nn.Linear,
        dropout: float = 0.0,
    ) -> None:
        super().__init__(spec, stem=stem, pool=pool, stages=stages, head=head)
        self.neck = neck
        self.dropout = nn.Dropout(dropout)
        self.fc = classifier

    def features(self, images: Tensor) -> Tensor:
        """Map images ``(n, in_channels, h, w)`` to the last feature map, before the pool."""
        return self.feature_maps(images)[-1]

    def embed(self, images: Tensor) -> Tensor:
        """Map images to what the classifier reads: one vector each, ``(n, fc.in_features)``."""
        vectors: Tensor = self.neck(self.features(images).mean(dim=(2, 3)))
        return vectors

    def forward(self, images: Tensor) -> Tensor:
        """Map images ``(n, in_channels, h, w)``, 32 px or more, to logits ``(n, classes)``."""
        logits: Tensor = self.fc(self.dropout(self.embed(images)))
        return logits


@contextmanager
def _statistics_kept(parts: Sequence[nn.Module]) -> Iterator[None]:
    """Let batch norms see a batch again without counting it twice."""
    norms = [m for part in parts for m in part.modules() if isinstance(m, nn.BatchNorm2d)]
    before = [(norm.momentum, norm.num_batches_tracked) for norm in norms]
    for norm in norms:
        norm.momentum = 0.0  # running statistics become 1 times themselves
        norm.num_batches_tracked = None  # not counted where there is no count
    try:
        yield
    finally:
        for norm, (momentum, counted) in zip(norms, before, strict=True):
            norm.momentum, norm.num_batches_tracked = momentum, counted
