"""Whether every part of a batch holds enough images, known before the first step."""

import torch
from torch import nn

from shufflenet.errors import SpecError
from shufflenet.networks import AnyNetwork
from shufflenet.recipes import Recipe, sides

__all__ = ["check_parts"]


def check_parts(net: AnyNetwork, recipe: Recipe, images: int, processes: int) -> None:
    """Check that batches can be divided among processes, and that norms can compute each part.

    A batch norm needs two values of every channel. Where it normalizes maps of 1x1, as on pooled
    features and in small images, these are two images of the same part of a batch.

    Args:
        net: The network, with its frozen parts, whose norms do not look at the batch.
        recipe: Batch size, parts, image sizes.
        images: How many images there are to train on.
        processes: How many processes share a batch.

    Raises:
        SpecError: the batch size is no multiple of the number of processes; there are fewer images
            than processes; or a part of a batch is a single image, which a norm cannot compute.
    """
    if recipe.batch_size % processes:
        expected = f"a multiple of the {processes} devices that share it"
        raise SpecError("batch_size", recipe.batch_size, expected)
    if images < processes:
        expected = f"at most {images}, the number of images to train on"
        raise SpecError("devices", processes, expected)
    own = min(recipe.batch_size // processes, images // processes)
    parts = [len(part) for part in torch.arange(own).chunk(recipe.accumulate)]
    is_global = processes > 1 and recipe.global_norms
    if min(parts) > 1 or is_global:
        return
    for size in dict.fromkeys(recipe.train_px):
        height, width = sides(size)
        if _smallest_map(net, height, width) == 1:
            px = f"{height}" if height == width else f"{height} x {width}"
            shared = f"devices {processes}, accumulate {recipe.accumulate}"
            raise SpecError(
                "batch_size",
                min(recipe.batch_size, images),
                f"such that every part of it ({shared}) holds two images or more: {net.spec.name} "
                f"has batch norms of 1x1 maps at {px} px",
            )


def _smallest_map(net: AnyNetwork, height: int, width: int) -> int:
    """Return the fewest values a channel that a norm in training gets from an image of a size."""
    was_training = net.training
    norms = [m for m in net.train().modules() if isinstance(m, nn.BatchNorm2d) and m.training]
    sizes = [height * width]

    def note(norm: nn.Module, inputs: tuple[torch.Tensor, ...]) -> None:
        sizes.append(inputs[0][0, 0].numel())

    hooks = [norm.register_forward_pre_hook(note) for norm in norms]
    first = next(net.parameters())
    shape = 1, net.spec.in_channels, height, width
    image = torch.zeros(shape, device=first.device, dtype=first.dtype)
    with torch.no_grad():
        net.eval()(image)
    net.train(was_training)
    for hook in hooks:
        hook.remove()
    return min(sizes)
