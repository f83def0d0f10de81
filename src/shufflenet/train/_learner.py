"""One step of training: from a batch to its gradients, and from those to new weights."""

import math
from collections.abc import Callable

import numpy as np
import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from shufflenet.deploy import RoutedNetwork
from shufflenet.networks import ShuffleNet
from shufflenet.recipes import Recipe
from shufflenet.spec import Preprocess
from shufflenet.train._average import averaged
from shufflenet.train._devices import share_statistics
from shufflenet.train._groups import parameter_groups
from shufflenet.train._memory import TooLarge, attempted
from shufflenet.train._mix import Mixed, mixed
from shufflenet.train._normalize import Normalizer
from shufflenet.train._run import Parts
from shufflenet.train._small_maps import pad_small_maps
from shufflenet.train._teacher import Teacher, distillation_loss

__all__ = ["Learner"]


class Learner:
    """A network that learns, and what it needs for that: an optimizer, an average, a teacher.

    What learns is a copy of the network that computes the same without its shuffle, which takes
    less time (docs/performance.md).
    """

    def __init__(
        self,
        fabric: Fabric,
        net: ShuffleNet,
        how: Preprocess,
        recipe: Recipe,
        teacher: Teacher | None = None,
        *,
        compiled: bool = False,
    ) -> None:
        self._original, self._routed = net, RoutedNetwork(net)
        net = self._routed.net
        if fabric.world_size > 1 and recipe.global_norms:
            share_statistics(net)
        if fabric.device.type == "cpu":
            pad_small_maps(net)
        self.net = net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # missing in torch's stub
        self._fabric, self._recipe, self._teacher = fabric, recipe, teacher
        self._normalise = Normalizer(how)
        optimizer = torch.optim.SGD(
            parameter_groups(net, recipe),
            lr=0.0,
            momentum=recipe.momentum,
            nesterov=recipe.nesterov and recipe.momentum > 0,
        )
        model = torch.compile(net, dynamic=False) if compiled else net
        self.model, self._optimizer = fabric.setup(model, optimizer)  # type: ignore[arg-type]  # compile gives a module
        # Of the network as it was set up: on its device, in its precision.
        self.average = averaged(net, recipe.average) if recipe.average else None
        self.parts: Parts = {"routed": net, "optimizer": optimizer}
        if self.average:
            self.parts = {**self.parts, "average": self.average}

    def network(self) -> ShuffleNet:
        """Give the network that was given, with what was learnt: the average, if there is one."""
        learnt = self.average.module if self.average else self.net
        like = next(learnt.parameters())
        net = self._original.to(device=like.device, dtype=like.dtype)
        net.load_state_dict(self._routed.restore_order(learnt.state_dict()))
        return net.to(memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]  # missing in torch's stub

    def step(
        self,
        pixels: Tensor,
        labels: Tensor,
        answers: Tensor | None = None,
        *,
        number: int,
        rate: float,
    ) -> float:
        """Learn from a batch and give its loss; where that is no number, nothing is learnt.

        Args:
            pixels: Red, green and blue from 0 to 255, ``(n, h, w, 3)``.
            labels: Class indices, ``(n,)``.
            answers: A teacher's logits, ``(n, classes)``, where they are stored.
            number: Of the step, by which images are mixed.
            rate: The learning rate.

        Raises:
            TooLarge: the batch does not fit into memory; the network is of no use any more.
        """
        for group in self._optimizer.param_groups:
            group["lr"] = rate * group["rate_factor"]
        seeds = np.random.SeedSequence((self._recipe.seed, number, self._fabric.global_rank))
        torch.manual_seed(int(seeds.generate_state(1)[0]))  # dropout is a function of the step

        def make() -> Mixed:
            images = pixels.permute(0, 3, 1, 2).float()  # (n, 3, h, w), channels last in memory
            return mixed(images, labels, self._recipe, number, self._softened(answers))

        value = attempted(lambda: self._learn(make()))
        if value is None:
            raise TooLarge(self._parts_that_fit(make, len(labels)))
        return value

    def _learn(self, batch: Mixed) -> float:
        fabric, recipe = self._fabric, self._recipe
        value = self._gradients(batch, recipe.accumulate)
        if fabric.world_size > 1:
            own = torch.tensor(value, dtype=torch.float64, device=fabric.device)
            value = float(torch.as_tensor(fabric.all_reduce(own)))
        if not math.isfinite(value):
            return value
        if recipe.clip:
            fabric.clip_gradients(self.model, self._optimizer, max_norm=recipe.clip)
        self._optimizer.step()
        if self.average:
            self.average.update_parameters(self.net)
        return value

    def _gradients(self, batch: Mixed, number: int) -> float:
        """Compute the gradients of a batch in so many parts; give its loss."""
        self._optimizer.zero_grad()
        total, whole = 0.0, len(batch.labels)
        parts = batch.parts(number)
        for part in parts:
            with self._fabric.no_backward_sync(self.model, enabled=part is not parts[-1]):
                loss = self._loss(part) * (len(part.labels) / whole)
                total += loss.item()
                self._fabric.backward(loss)
        return total

    def _loss(self, batch: Mixed) -> Tensor:
        logits = self.model(self._normalise(batch.images))
        answers = batch.answers
        if self._teacher:
            answers = self._softened(self._teacher(batch.images))
        taught = 0.0 if answers is None else self._recipe.distillation
        loss: Tensor = logits.new_zeros(())
        if taught < 1:
            for labels, share in ((batch.labels, batch.share), (batch.others, 1 - batch.share)):
                if share > 0:
                    loss = loss + (1 - taught) * share * nn.functional.cross_entropy(
                        logits, labels, label_smoothing=self._recipe.label_smoothing
                    )
        if answers is not None:
            loss = loss + taught * distillation_loss(logits, answers, self._recipe.temperature)
        return loss

    def _softened(self, logits: Tensor | None) -> Tensor | None:
        return None if logits is None else (logits / self._recipe.temperature).softmax(dim=1)

    def _parts_that_fit(self, make: Callable[[], Mixed], images: int) -> int | None:
        """Try in how many parts a batch fits that did not; 0 if not even two images at a time do.

        Of several processes each has its own memory, and one cannot try without the others: none.
        Single images are not tried, since a batch norm of 1x1 maps needs two.
        """
        if self._fabric.world_size > 1:
            return None
        parts = 2 * self._recipe.accumulate
        while parts < images:
            smallest = min(map(len, torch.arange(images).chunk(parts)))
            if smallest > 1 and attempted(lambda: self._gradients(make(), parts)) is not None:  # noqa: B023  # called at once
                return parts
            parts *= 2
        return 0
