"""Networks read strictly, before their channels are reordered.

Reordering is exact for the layers that this room knows. Networks are open to change: a norm, an
activation or a whole unit may have been replaced, and hooks run code that no type tells of. So
every module of a reordered part must have exactly the type that its spec gives it, or one that is
known to be as good; anything else is refused by name.
"""

from collections import Counter
from collections.abc import Iterator

import torch
from torch import nn

from shufflenet.deploy._norms import affine_of
from shufflenet.errors import NotDeployable
from shufflenet.networks import (
    AnyNetwork,
    ChannelShuffle,
    Detector,
    KeepUnit,
    OpeningUnit,
    build,
    build_detector,
)

__all__ = ["check_parts", "check_plain"]

# Each acts on every value alike, or in evaluation not at all; by exact type.
_ACTIVATIONS = {
    *(nn.ReLU, nn.ReLU6, nn.LeakyReLU, nn.ELU, nn.CELU, nn.SELU, nn.GELU, nn.SiLU, nn.Mish),
    *(nn.Hardswish, nn.Hardsigmoid, nn.Hardtanh, nn.Sigmoid, nn.Tanh, nn.Softplus, nn.Identity),
}
_DROPOUTS = {nn.Dropout, nn.Dropout2d}


def check_plain(net: AnyNetwork) -> None:
    """Check that a network is of a known class, without hooks, with weights of one type.

    Raises:
        NotDeployable: it is not.
    """
    reference = _reference(net)
    if type(net) is not type(reference):
        raise NotDeployable("", f"is a {type(net).__name__}, whose forward may be another")
    for name, module in net.named_modules():
        if module._forward_hooks or module._forward_pre_hooks:
            raise NotDeployable(name, "has a forward hook")
        if "forward" in vars(module):
            raise NotDeployable(name, "has a forward of its own")
    kinds = {str(p.dtype) for p in net.parameters() if p.is_floating_point()}
    if len(kinds) > 1:
        raise NotDeployable("", f"has weights of several types, {' and '.join(sorted(kinds))}")


def check_parts(net: AnyNetwork, *, trains: bool = False) -> None:
    """Check that the stages of a network, and what reads them, hold what its spec says.

    Modules that are as good are accepted too.

    Args:
        net: The network.
        trains: Whether the parts must also learn alike when their channels are reordered: norms
            are then torch's own, no values are dropped and no weights are shared.

    Raises:
        NotDeployable: they do not.
    """
    expected, found = dict(_parts(_reference(net))), dict(_parts(net))
    counts = Counter(id(module) for _, module in net.named_modules(remove_duplicate=False))
    for name, module in found.items():
        if name not in expected:
            raise NotDeployable(name, f"is a {type(module).__name__} that {net.spec.name} has not")
        if not _is_as_good(module, expected[name], trains=trains):
            raise NotDeployable(name, f"is {_describe(module)}, not {_describe(expected[name])}")
        if counts[id(module)] > 1:
            raise NotDeployable(name, "is used in several places")
    for name in expected.keys() - found.keys():
        raise NotDeployable(name, "is missing")
    parameters = Counter(id(p) for _, p in net.named_parameters(remove_duplicate=False))
    if trains and parameters.most_common(1)[0][1] > 1:
        raise NotDeployable("", "has layers that share weights")


def _reference(net: AnyNetwork) -> AnyNetwork:
    with torch.device("meta"):
        if isinstance(net, Detector):
            return build_detector(net.spec, net.detector)
        return build(net.spec)


def _parts(net: AnyNetwork) -> Iterator[tuple[str, nn.Module]]:
    """Yield the modules by name whose channels are reordered, each before what is inside it."""
    names = ("stage", "neck") if isinstance(net, Detector) else ("stage", "conv5")
    for name, module in net.named_modules(remove_duplicate=False):
        if name.startswith(names):
            yield name, module


def _is_as_good(module: nn.Module, expected: nn.Module, *, trains: bool) -> bool:
    kind = type(module)
    if isinstance(expected, nn.BatchNorm2d):
        if trains:
            return kind in (nn.BatchNorm2d, nn.SyncBatchNorm)
        return kind is nn.Identity or affine_of(module) is not None
    if type(expected) in _ACTIVATIONS:
        return kind in _ACTIVATIONS or (kind in _DROPOUTS and not trains)
    if kind is not type(expected):
        return False
    return _facts(module) == _facts(expected)


def _facts(module: nn.Module) -> tuple[object, ...]:
    """Return what of a module decides which channels it reads and writes; strides are free."""
    if isinstance(module, nn.Conv2d):
        return module.in_channels, module.out_channels, module.groups
    if isinstance(module, KeepUnit | OpeningUnit):
        return (module.split,)
    if isinstance(module, ChannelShuffle):
        return (module.groups,)
    return ()


def _describe(module: nn.Module) -> str:
    kind = type(module).__name__
    if type(module) is nn.Conv2d:
        groups = f" in {module.groups} groups" if module.groups > 1 else ""
        return f"a {kind} of {module.in_channels} to {module.out_channels} channels{groups}"
    return f"{'an' if kind[0] in 'AEIOU' else 'a'} {kind}"
