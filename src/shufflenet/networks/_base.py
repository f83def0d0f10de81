"""The order in which every network runs its parts: stem, stages, head, pool, classifier."""

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Self

from torch import Tensor, nn
from torch.jit import is_scripting  # type: ignore[attr-defined]  # public, says torch's page of it

from shufflenet.errors import SpecError
from shufflenet.networks._blocks import stem_pool
from shufflenet.networks._inputs import check_images
from shufflenet.networks._recompute import recompute, recomputes
from shufflenet.spec import Card, NetworkSpec

__all__ = ["ShuffleNet", "Trunk"]

_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm)


class Trunk(nn.Module):
    """The stem, the stages and, if there is one, the head of a network: all but the classifier.

    Attributes have torchvision's names: ``conv1``, ``maxpool``, ``stage2`` and on, and ``conv5``
    (the identity if there is no head).

    Source of the names: torchvision 0.28, models/shufflenetv2.py
    """

    __jit_unused_properties__ = ("stages",)  # TorchScript compiles all others

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
        self._has_head = not isinstance(head, nn.Identity)
        self._frozen_stages: int | None = None
        self._frozen_norms = False
        self._recompute = False

    @property
    def stages(self) -> list[nn.Sequential]:
        """The stages in order; the papers count them from 2."""
        numbers = range(2, 2 + self._stages)
        return [self.get_submodule(f"stage{number}") for number in numbers]  # type: ignore[misc]  # __init__ put them there

    def feature_maps(self, images: Tensor) -> list[Tensor]:
        """Map images ``(n, in_channels, h, w)`` to feature maps, each ``(n, c, h / s, w / s)``.

        They are the outputs of the stem, of every stage and, if there is one, of the head.

        Raises:
            SpecError: images have another shape, or are no floats.
        """
        if is_scripting():
            maps = self._scripted_maps(images)
        else:
            check_images(images, self.conv1)
            maps = [self._run(images, self.conv1, self.maxpool)]
            for stage in self.stages:
                maps.append(self._run(maps[-1], stage))
            if not isinstance(self.conv5, nn.Identity):
                maps.append(self._run(maps[-1], self.conv5))
        return maps

    def _scripted_maps(self, images: Tensor) -> list[Tensor]:
        """Compute what ``feature_maps`` does in TorchScript, which finds no module by its name."""
        maps = [self.maxpool(self.conv1(images))]
        for name, part in self.named_children():
            if name.startswith("stage"):
                maps.append(part(maps[-1]))
        head = self.conv5(maps[-1])
        if self._has_head:
            maps.append(head)
        else:  # the identity, unless replaced
            maps[-1] = head
        return maps

    def freeze(self, stages: int | None) -> Self:
        """Exclude the stem and the first stages from training, batch statistics included.

        Args:
            stages: How many stages; 0 freezes the stem alone, ``None`` nothing. A later call
                replaces an earlier one.

        Raises:
            SpecError: the network has fewer stages.
        """
        if stages is not None and not 0 <= stages <= self._stages:
            raise SpecError("frozen stages", stages, f"from 0 to {self._stages}")
        for part in self._frozen():
            part.requires_grad_(requires_grad=True)
        self._frozen_stages = stages
        for part in self._frozen():
            part.requires_grad_(requires_grad=False)
        return self.train(self.training)

    def freeze_norms(self, on: bool = True) -> Self:
        """Keep the statistics of all batch norms as they are in training; their weights learn on.

        For batches too small to take statistics of, as in detection (``norm_eval`` elsewhere).
        """
        self._frozen_norms = on
        return self.train(self.training)

    def checkpoint_gradients(self, on: bool = True) -> Self:
        """Store only the feature maps for the backward pass, which recomputes the rest.

        Training needs less memory and runs the forward pass twice; gradients and batch statistics
        are bitwise the same. Nothing is recomputed where ``torch.func`` transforms the network or
        ``torch.fx`` or TorchScript runs it.
        """
        self._recompute = on
        return self

    def train(self, mode: bool = True) -> Self:
        """Set training mode; frozen parts and frozen norms stay in evaluation mode."""
        super().train(mode)
        for part in self._frozen():
            part.eval()
        if self._frozen_norms:
            for norm in (module for module in self.modules() if isinstance(module, _NORMS)):
                norm.eval()
        return self

    def _frozen(self) -> list[nn.Sequential]:
        if self._frozen_stages is None:
            return []
        return [self.conv1, *self.stages[: self._frozen_stages]]

    def _run(self, x: Tensor, *parts: nn.Module) -> Tensor:
        def run(x: Tensor) -> Tensor:
            for part in parts:
                x = part(x)
            return x

        if self._recompute and recomputes(x, parts[0]):
            return recompute(run, x, parts)
        return run(x)


class ShuffleNet(Trunk):
    """A network of the family, from the parts that the class of its generation builds.

    ``neck`` acts on the pooled features (the identity except in V2+), ``fc`` is the classifier.
    """

    def __init__(
        self,
        spec: NetworkSpec,
        *,
        stem: nn.Sequential,
        stages: Sequence[nn.Sequential],
        head: nn.Module | None = None,
        neck: nn.Module | None = None,
    ) -> None:
        pool = stem_pool(spec.stem_stride)
        super().__init__(spec, stem=stem, pool=pool, stages=stages, head=head or nn.Identity())
        self.neck = neck or nn.Identity()
        self.dropout = nn.Dropout(spec.dropout)
        self.fc = nn.Linear(spec.embedding_channels, spec.classes, bias=spec.classifier_bias)
        for norm in (module for module in self.modules() if isinstance(module, nn.BatchNorm2d)):
            norm.eps = spec.norm_eps
        self.started_from: Card | None = None  # of the checkpoint that its weights began with

    if TYPE_CHECKING:  # nn.Module's returns Any

        def __call__(self, images: Tensor) -> Tensor:
            """Run ``forward`` and the hooks."""

    def reset_classifier(self, num_classes: int) -> Self:
        """Replace ``fc`` by a new linear layer with random weights, for another number of classes.

        ``spec`` follows, so that what is saved and exported is true of the network.

        Args:
            num_classes: The number of logits. ``models.save`` takes as many labels.

        Raises:
            SpecError: ``num_classes`` is less than 1; ``embed`` computes what ``fc`` reads.
        """
        spec = replace(self.spec, classes=num_classes)
        weight = next(self.parameters())
        fc = nn.Linear(spec.embedding_channels, num_classes, bias=spec.classifier_bias)
        self.fc = fc.to(device=weight.device, dtype=weight.dtype).train(self.training)
        self.spec = spec
        return self

    def features(self, images: Tensor) -> Tensor:
        """Map ``(n, in_channels, h, w)`` to the last feature map, ``(n, c, h / s, w / s)``."""
        return self.feature_maps(images)[-1]

    def embed(self, images: Tensor) -> Tensor:
        """Map ``(n, in_channels, h, w)`` to the classifier's input, ``(n, fc.in_features)``."""
        vectors: Tensor = self.neck(self.features(images).mean(dim=(2, 3)))
        return vectors

    def forward(self, images: Tensor) -> Tensor:
        """Map images ``(n, in_channels, h, w)``, 32 px or more, to logits ``(n, classes)``."""
        logits: Tensor = self.fc(self.dropout(self.embed(images)))
        return logits
