"""Training on several devices: Lightning Fabric, and batch norms over all of them."""

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
from shufflenet.train._session import Session

__all__ = [
    "GlobalBatchNorm",
    "is_first_process",
    "launch_fabric",
    "own_share",
    "sum_counts",
    "use_global_batch_norms",
]


def launch_fabric(session: Session) -> Fabric:
    """Start Lightning Fabric with a session's devices and precision, one process per device.

    Raises:
        SpecError: this machine does not have them, or another number of processes was started.
    """
    devices, nodes = session.devices, session.nodes
    try:
        fabric = Fabric(
            accelerator=session.accelerator,
            devices=devices,
            num_nodes=nodes,
            strategy="ddp" if devices * nodes > 1 else "auto",
            precision=session.precision,  # type: ignore[arg-type]  # Fabric refuses unknown names itself
        )
    except (MisconfigurationException, RuntimeError, ValueError) as error:
        raise SpecError(
            "accelerator, devices and precision",
            f"{session.accelerator}, {devices}, {session.precision}",
            f"something this machine has ({str(error).splitlines()[0].rstrip('.')})",
        ) from error
    try:
        fabric.launch()
    except ValueError as error:
        expected = "the numbers of processes and machines that torchrun or Slurm started"
        raise SpecError("devices and nodes", (devices, nodes), expected) from error
    if not fabric.is_global_zero:  # only the first logs
        logging.getLogger("shufflenet").setLevel(logging.ERROR)
    return fabric


def is_first_process() -> bool:
    """Return whether this process is the one of several that reports the result of training."""
    return not dist.is_initialized() or dist.get_rank() == 0


class GlobalBatchNorm(nn.BatchNorm2d):
    """A batch norm with the statistics of the batches of all processes, which have one size.

    ``nn.SyncBatchNorm`` does the same, on GPUs only.
    """

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002  # its name in nn.BatchNorm2d
        """Map ``(n, c, h, w)`` to the same shape."""
        if not self.training or self.running_mean is None or self.running_var is None:
            return super().forward(input)
        mean = _global_mean(input)
        centered = input - mean.view(-1, 1, 1)
        variance = _global_mean(centered.square())
        count = input.numel() // input.shape[1] * dist.get_world_size()
        if self.num_batches_tracked is not None:
            self.num_batches_tracked.add_(1)
        with torch.no_grad():
            factor = 0.0 if self.momentum is None else self.momentum
            self.running_mean.lerp_(mean, factor)
            self.running_var.lerp_(variance * (count / (count - 1)), factor)
        scale = self.weight * (variance + self.eps).rsqrt()
        output: Tensor = centered * scale.view(-1, 1, 1) + self.bias.view(-1, 1, 1)
        return output


class _AllReduceSum(torch.autograd.Function):
    """The sum over processes; the gradient of a summand is the sum of all processes' gradients."""

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


def _global_mean(x: Tensor) -> Tensor:
    total: Tensor = _AllReduceSum.apply(x.mean(dim=(0, 2, 3)))  # type: ignore[no-untyped-call]  # torch's own has no types
    return total / dist.get_world_size()


def use_global_batch_norms(net: nn.Module) -> None:
    """Make a network's batch norms global; weights and their names stay."""
    for module in net.modules():
        if type(module) is nn.BatchNorm2d:
            module.__class__ = GlobalBatchNorm


def own_share(images: ImageSet, fabric: Fabric) -> ImageSet:
    """Return this process's share of a set; every image is in the share of one process."""
    return replace(images, samples=images.samples[fabric.global_rank :: fabric.world_size])


def sum_counts(accuracy: Accuracy, fabric: Fabric) -> Accuracy:
    """Return the accuracy over the images of all processes, from each process's own."""
    if fabric.world_size == 1:
        return accuracy
    counts = torch.tensor([accuracy.images, accuracy.top1, accuracy.top5], device=fabric.device)
    total = fabric.all_reduce(counts, reduce_op="sum")
    images, top1, top5 = (int(count) for count in torch.as_tensor(total))
    return Accuracy(images=images, top1=top1, top5=top5)
