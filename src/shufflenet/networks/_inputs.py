"""What a network is given, checked before torch complains of it in its own words."""

import torch
from torch import Tensor, fx, nn
from torch.jit import is_tracing  # type: ignore[attr-defined]  # public, says torch's page of it

from shufflenet.errors import SpecError
from shufflenet.spec import DetectorSpec

__all__ = ["channels_read", "check_groups", "check_images", "check_size"]


def _is_plain_call(x: object) -> bool:
    """Whether values are computed now, and no tool records the operations to run them later.

    What is recorded must not depend on the sizes of the example it is recorded with.
    """
    recorded = torch.compiler.is_compiling() or is_tracing()  # type: ignore[no-untyped-call]  # torch's
    return not (recorded or isinstance(x, fx.Proxy))


def check_images(images: object, stem: nn.Module) -> None:
    """Check that images ``(n, in_channels, h, w)`` fit the stem of a network.

    Nothing is checked while torch traces, exports or compiles.

    Args:
        images: Of floats.
        stem: The layers that read them. Channels and type are checked where a convolution comes
            first, as in every network of the catalogue: other layers may take others.

    Raises:
        SpecError: they have another shape, or are no floats.
    """
    if not _is_plain_call(images):
        return
    if not isinstance(images, Tensor):
        expected = "a tensor (n, channels, h, w); classify() of open_model() takes files and pixels"
        raise SpecError("images", type(images).__name__, expected)
    channels = channels_read(stem)
    shape, wanted = tuple(images.shape), f"(n, {channels or 'channels'}, h, w)"
    if len(shape) == 3:
        raise SpecError("the shape of images", shape, f"{wanted}; images[None] is a batch of one")
    if len(shape) != 4 or 0 in shape[1:]:
        raise SpecError("the shape of images", shape, wanted)
    if channels is None:
        return
    if shape[1] != channels:
        remedy = "; images.permute(0, 3, 1, 2) moves channels there" if shape[3] == channels else ""
        raise SpecError("the shape of images", shape, wanted + remedy)
    if not images.is_floating_point():
        expected = "floats, scaled and normalized as the card's preprocess says"
        raise SpecError("the type of images", str(images.dtype), expected)


def check_size(images: Tensor, detector: DetectorSpec) -> None:
    """Check that images ``(n, in_channels, h, w)`` have a size that a detector takes.

    Nothing is checked while torch traces, exports or compiles.

    Raises:
        SpecError: a side is no multiple of 32.
    """
    if _is_plain_call(images):
        detector.check_size(images.shape[2], images.shape[3])


def channels_read(stem: nn.Module) -> int | None:
    """Return how many channels the convolution reads that a stem begins with, if it does."""
    first = stem[0] if isinstance(stem, nn.Sequential) and len(stem) else None
    if type(first) is not nn.Conv2d or first._forward_pre_hooks or stem._forward_pre_hooks:
        return None
    return first.in_channels


def check_groups(x: Tensor, groups: int) -> None:
    """Check that the channels of ``x``, ``(n, c, h, w)``, are ``groups`` groups of one size.

    Nothing is checked while torch traces, exports or compiles.

    Raises:
        SpecError: ``x`` has another number of axes, or ``c`` is not a multiple of ``groups``.
    """
    if not _is_plain_call(x):
        return
    if x.ndim != 4:
        raise SpecError("the shape of x", tuple(x.shape), "(n, c, h, w)")
    if groups < 1 or x.shape[1] % groups:
        raise SpecError("groups", groups, f"a divisor of the {x.shape[1]} channels")
