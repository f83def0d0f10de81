"""Norms that, in evaluation mode, scale and shift every channel by fixed numbers."""

import torch
from torch import Tensor, nn

__all__ = ["affine_of", "is_unhooked"]

# Of torchvision's and Detectron2's FrozenBatchNorm2d, and DETR's, which has an eps of 1e-5 inside.
_FROZEN = {"weight", "bias", "running_mean", "running_var"}
_ULPS = 4  # two square roots that are off by one, and a division


def is_unhooked(module: nn.Module) -> bool:
    """Return whether a module runs the ``forward`` of its class and nothing besides."""
    hooked = module._forward_hooks or module._forward_pre_hooks or "forward" in vars(module)
    return not hooked


@torch.no_grad()
def affine_of(norm: nn.Module) -> tuple[Tensor, Tensor] | None:
    """Return the scale and the shift, ``(c,)`` each, of a norm in evaluation mode.

    It is ``s * x + b`` with ``s = weight / sqrt(variance + eps)`` and ``b = bias - s * mean``, of
    batch norms that keep statistics, and of frozen ones of other packages, which are tried out.
    None for a module that is none of these or has hooks.
    """
    if not is_unhooked(norm):
        return None
    if type(norm) in (nn.BatchNorm2d, nn.SyncBatchNorm):
        return _from_statistics(norm)
    buffers = {name for name, _ in norm.named_buffers()}
    is_frozen = type(norm).__name__ == "FrozenBatchNorm2d" and not list(norm.parameters())
    if not is_frozen or buffers - {"num_batches_tracked"} != _FROZEN:
        return None
    affine = _from_statistics(norm)
    return affine if affine is not None and _computes(norm, *affine) else None


def _from_statistics(norm: nn.Module) -> tuple[Tensor, Tensor] | None:
    mean, variance = norm.running_mean, norm.running_var
    if not (isinstance(mean, Tensor) and isinstance(variance, Tensor)):
        return None
    wide = torch.promote_types(mean.dtype, torch.float32)  # of halves the folded are rounded, once
    weight = norm.weight if isinstance(norm.weight, Tensor) else torch.ones_like(mean)
    bias = norm.bias if isinstance(norm.bias, Tensor) else torch.zeros_like(mean)
    scale = weight.to(wide) / (variance.to(wide) + getattr(norm, "eps", 1e-5)).sqrt()
    scale = _one_where_rounded(scale)
    return scale, bias.to(wide) - scale * mean.to(wide)


def _one_where_rounded(scale: Tensor) -> Tensor:
    """Return a scale that is exactly 1 where only rounding keeps it from 1.

    ``compact`` leaves norms whose scale is 1 and weights that are float16 numbers. Libraries differ
    in the last bit of a square root, so that elsewhere the quotient may miss 1 by some ulps, and no
    weight would be a float16 number any more: files that can be half as large were not.
    """
    is_one = (scale - 1).abs() <= _ULPS * torch.finfo(scale.dtype).eps
    return torch.where(is_one, torch.ones_like(scale), scale)


def _computes(norm: nn.Module, scale: Tensor, shift: Tensor) -> bool:
    """Return whether a norm computes ``scale * x + shift`` of numbers of several sizes."""
    x = torch.linspace(-8, 8, 4 * len(scale), device=scale.device).view(1, -1, 2, 2).to(scale.dtype)
    expected = scale.view(-1, 1, 1) * x + shift.view(-1, 1, 1)
    found: Tensor = norm(x)
    return x.is_meta or torch.allclose(found, expected, rtol=1e-3, atol=1e-3)
