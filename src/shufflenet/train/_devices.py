"""Several devices that train one network: Fabric's, and what a batch norm does among them."""

import logging
from dataclasses import replace

import torch
import torch.distributed as dist
from lightning_fabric import Fabric
from lightning_fabric.utilities.exceptions import MisconfigurationException
from torch import Tensor, nn

from shufflenet.data import ImageSet
from shufflenet.errors import SpecError
from shufflenet.spec import Accuracy

__all__ = [
    "GlobalBatchNorm",
    "added",
    "fabric_for",
    "is_first_process",
    "shard",
    "share_statistics",
]


def fabric_for(accelerator: str, precision: str, devices: int, nodes: int) -> Fabric:
    """Choose devices and precision; where there are several, a process each is started.

    Raises:
        SpecError: this machine has no such thing.
    """
    try:
        fabric = Fabric(
            accelerator=accelerator,
            devices=devices,
            num_nodes=nodes,
            strategy="ddp" if devices * nodes > 1 else "auto",
            precision=precision,  # type: ignore[arg-type]  # Fabric refuses unknown names itself
        )
    except (MisconfigurationException, RuntimeError, ValueError) as error:
        raise SpecError(
            "accelerator, devices and precision",
            f"{accelerator}, {devices}, {precision}",
            f"something this machine has ({str(error).splitlines()[0].rstrip('.')})",
        ) from error
    fabric.launch()
    if not fabric.is_global_zero:  # one of them tells
        logging.getLogger("shufflenet").setLevel(logging.ERROR)
    return fabric


def is_first_process() -> bool:
    """Whether this process is the one of several that tells what came of training."""
    return not dist.is_initialized() or dist.get_rank() == 0


class GlobalBatchNorm(nn.BatchNorm2d):
    """A batch norm whose statistics are of the batches of all processes, which are of one size.

    ``nn.SyncBatchNorm`` does so on GPUs only.
    """

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002  # its name in nn.BatchNorm2d
        """Map ``(n, c, h, w)`` to the same shape."""
        if not self.training or self.running_mean is None or self.running_var is None:
            return super().forward(input)
        mean = _mean_of_all(input)
        centred = input - mean.view(-1, 1, 1)
        variance = _mean_of_all(centred.square())
        counted = input.numel() // input.shape[1] * dist.get_world_size()
        if self.num_batches_tracked is not None:
            self.num_batches_tracked.add_(1)
        with torch.no_grad():
            share = 0.0 if self.momentum is None else self.momentum
            self.running_mean.lerp_(mean, share)
            self.running_var.lerp_(variance * (counted / (counted - 1)), share)
        scale = self.weight * (variance + self.eps).rsqrt()
        result: Tensor = centred * scale.view(-1, 1, 1) + self.bias.view(-1, 1, 1)
        return result


class _Summed(torch.autograd.Function):
    """The sum over processes, of which every process's summand has every process's gradient."""

    @staticmethod
    def forward(ctx: object, x: Tensor) -> Tensor:
        total = x.clone()
        dist.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: object, gradient: Tensor) -> Tensor:
        total = gradient.clone()
        dist.all_reduce(total)
        return total


def _mean_of_all(x: Tensor) -> Tensor:
    total: Tensor = _Summed.apply(x.mean(dim=(0, 2, 3)))  # type: ignore[no-untyped-call]  # torch's own has no types
    return total / dist.get_world_size()


def share_statistics(net: nn.Module) -> None:
    """Let a network's batch norms be global; weights and their names stay."""
    for module in net.modules():
        if type(module) is nn.BatchNorm2d:
            module.__class__ = GlobalBatchNorm


def shard(images: ImageSet, fabric: Fabric) -> ImageSet:
    """Give the part of a set that this process counts: every image is in one part."""
    return replace(images, samples=images.samples[fabric.global_rank :: fabric.world_size])


def added(accuracy: Accuracy, fabric: Fabric) -> Accuracy:
    """Add the counts of all processes."""
    if fabric.world_size == 1:
        return accuracy
    counts = torch.tensor([accuracy.images, accuracy.top1, accuracy.top5], device=fabric.device)
    total = fabric.all_reduce(counts, reduce_op="sum")
    images, top1, top5 = (int(count) for count in torch.as_tensor(total))
    return Accuracy(images=images, top1=top1, top5=top5)
