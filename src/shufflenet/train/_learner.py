"""One training step: gradients of a batch, and the update of the weights."""

import math
from collections.abc import Callable

import numpy as np
import torch
from lightning_fabric import Fabric
from torch import Tensor

from shufflenet.deploy import RoutedNetwork
from shufflenet.networks import AnyNetwork, Detector
from shufflenet.train._batch_memory import BatchTooLarge, run_if_memory_suffices
from shufflenet.train._devices import use_global_batch_norms
from shufflenet.train._loss import (
    distillation_loss,
    label_loss,
    multi_label_distillation_loss,
    soften,
)
from shufflenet.train._mix import MixedBatch, mix_batch
from shufflenet.train._normalize import Normalizer
from shufflenet.train._pad_small_maps import pad_small_maps
from shufflenet.train._parameter_groups import parameter_groups
from shufflenet.train._setup import Setup
from shufflenet.train._state import Parts
from shufflenet.train._weight_average import average_weights
from shufflenet.train.detection import RawOutputs, detection_loss

__all__ = ["Learner"]


class Learner:
    """A network in training, with its optimizer, averaged weights and teacher.

    What is trained is a copy of the network that computes the same without its shuffle, which is
    faster (docs/performance.md).
    """

    def __init__(self, fabric: Fabric, setup: Setup, *, compiled: bool = False) -> None:
        recipe = setup.recipe
        self._original, self._routed = setup.net, RoutedNetwork(setup.net)
        net = self._routed.net
        if fabric.world_size > 1 and recipe.global_norms:
            use_global_batch_norms(net)
        if fabric.device.type == "cpu":
            pad_small_maps(net)
        self.net = net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # missing in torch's stub
        self._fabric, self._recipe, self._teacher = fabric, recipe, setup.teacher
        self._task = setup.card.task
        self._normalize = Normalizer(setup.card.preprocess)
        optimizer = torch.optim.SGD(
            parameter_groups(net, recipe),
            lr=0.0,
            momentum=recipe.momentum,
            nesterov=recipe.nesterov and recipe.momentum > 0,
        )
        learned = RawOutputs(net) if isinstance(net, Detector) else net
        model = torch.compile(learned, dynamic=False) if compiled else learned
        self.model, self._optimizer = fabric.setup(model, optimizer)  # type: ignore[arg-type]  # compile gives a module
        # Of the network as it was set up: on its device, in its precision.
        self.average = average_weights(net, recipe.average) if recipe.average else None
        self.parts: Parts = {"routed": net, "optimizer": optimizer}
        if self.average:
            self.parts = {**self.parts, "average": self.average}

    def network(self) -> AnyNetwork:
        """Return the network of the setup with the weights trained so far, averaged if they are."""
        trained = self.average.module if self.average else self.net
        like = next(trained.parameters())
        net = self._original.to(device=like.device, dtype=like.dtype)
        net.load_state_dict(self._routed.restore_order(trained.state_dict()))
        return net.to(memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]  # missing in torch's stub

    def step(
        self,
        pixels: Tensor,
        labels: Tensor,
        teacher_logits: Tensor | None = None,
        *,
        number: int,
        rate: float,
    ) -> float:
        """Update the weights by a batch and return its loss; if that is not finite, do not update.

        Args:
            pixels: Of the channels and bits of the card, ``(n, h, w, channels)``.
            labels: Class indices, ``(n,)``; or 1 for each class that is right, ``(n, classes)``; or
                a detector's boxes, ``(n, most, 5)``, as ``collate_views`` returns them.
            teacher_logits: A teacher's logits, ``(n, classes)``, where they are stored.
            number: Number of the step, from 0; mixing and dropout are functions of it.
            rate: The learning rate.

        Raises:
            BatchTooLarge: the batch does not fit into memory; the network cannot be used any more.
        """
        for group in self._optimizer.param_groups:
            group["lr"] = rate * group["rate_factor"]
        seeds = np.random.SeedSequence((self._recipe.seed, number, self._fabric.global_rank))
        torch.manual_seed(int(seeds.generate_state(1)[0]))  # dropout is a function of the step

        def mix() -> MixedBatch:
            images = pixels.permute(0, 3, 1, 2).float()  # channels last in memory
            return mix_batch(images, labels, self._recipe, number, self._soften(teacher_logits))

        loss = run_if_memory_suffices(lambda: self._update(mix()))
        if loss is None:
            raise BatchTooLarge(self._parts_that_fit(mix, len(labels)))
        return loss

    def _update(self, batch: MixedBatch) -> float:
        fabric, recipe = self._fabric, self._recipe
        loss = self._backward(batch, recipe.accumulate)
        if fabric.world_size > 1:
            own = torch.tensor(loss, dtype=torch.float64, device=fabric.device)
            loss = float(torch.as_tensor(fabric.all_reduce(own)))
        if not math.isfinite(loss):
            return loss
        if recipe.clip:
            fabric.clip_gradients(self.model, self._optimizer, max_norm=recipe.clip)
        self._optimizer.step()
        if self.average:
            self.average.update_parameters(self.net)
        return loss

    def _backward(self, batch: MixedBatch, number: int) -> float:
        """Compute the gradients of a batch in ``number`` parts, and return its loss."""
        self._optimizer.zero_grad()
        total, images = 0.0, len(batch.labels)
        parts = batch.chunks(number)
        for part in parts:
            with self._fabric.no_backward_sync(self.model, enabled=part is not parts[-1]):
                loss = self._loss(part) * (len(part.labels) / images)
                total += loss.item()
                self._fabric.backward(loss)
        return total

    def _loss(self, batch: MixedBatch) -> Tensor:
        logits = self.model(self._normalize(batch.images))
        if isinstance(self.net, Detector):
            height, width = batch.images.shape[2:]
            return detection_loss(self.net, logits, batch.labels, (height, width), self._mean)
        targets = batch.targets
        if self._teacher:
            targets = self._soften(self._teacher(batch.images))
        taught = 0.0 if targets is None else self._recipe.distillation
        loss: Tensor = logits.new_zeros(())
        if taught < 1:
            for labels, share in ((batch.labels, batch.share), (batch.others, 1 - batch.share)):
                if share > 0:
                    loss = loss + (1 - taught) * share * label_loss(logits, labels, self._recipe)
        if targets is not None:
            distance = (
                multi_label_distillation_loss if self._task == "multi-label" else distillation_loss
            )
            loss = loss + taught * distance(logits, targets, self._recipe.temperature)
        return loss

    def _mean(self, own: Tensor) -> Tensor:
        """Return the mean of a tensor over all processes."""
        return torch.as_tensor(self._fabric.all_reduce(own))

    def _soften(self, logits: Tensor | None) -> Tensor | None:
        """Return the probabilities of logits at the recipe's temperature."""
        return None if logits is None else soften(logits, self._recipe.temperature, self._task)

    def _parts_that_fit(self, mix: Callable[[], MixedBatch], images: int) -> int | None:
        """Return in how many parts a batch fits that did not; 0 if two images do not fit either.

        With several processes nothing is tried, since each has its own memory and one cannot
        compute without the others: ``None``. Single images are not tried, since a batch norm of
        1x1 maps needs two.
        """
        if self._fabric.world_size > 1:
            return None
        parts = 2 * self._recipe.accumulate
        while parts < images:
            smallest = min(map(len, torch.arange(images).chunk(parts)))
            if smallest > 1 and self._fits(mix, parts):
                return parts
            parts *= 2
        return 0

    def _fits(self, mix: Callable[[], MixedBatch], parts: int) -> bool:
        return run_if_memory_suffices(lambda: self._backward(mix(), parts)) is not None
