"""The weights that are trained, their share of the learning rate, and which of them decay."""

from typing import Any

from torch import nn

from shufflenet.errors import SpecError
from shufflenet.networks import AnyNetwork, Detector
from shufflenet.recipes import Recipe

__all__ = ["freeze", "parameter_groups"]


def freeze(net: AnyNetwork, recipe: Recipe) -> None:
    """Freeze the first parts of a network, as a recipe says, their batch statistics too.

    Raises:
        SpecError: the network has fewer parts.
    """
    stages = len(net.stages)
    if recipe.freeze > stages + 1:
        raise SpecError(
            "freeze", recipe.freeze, f"from 0 to {stages + 1}: {net.spec.name} has {stages} stages"
        )
    if recipe.freeze:
        net.freeze(recipe.freeze - 1)


def parameter_groups(net: AnyNetwork, recipe: Recipe) -> list[dict[str, Any]]:
    """Return the groups of an optimizer: parts from the classifier to the stem, decayed ones first.

    Weights of convolutions and of the classifier decay, norms and biases do not. A part is the
    stem, a stage, the head or the classifier; its learning rate is ``layer_decay`` times that of
    the part after it, and ``rate_factor`` times the recipe's. Without ``layer_decay`` the network
    is one part. Frozen weights are in no group.

    Source of the rates: Howard and Ruder 2018, section 3.2, https://arxiv.org/abs/1801.06146
    """
    parts: list[list[nn.Module]] = [[net]]
    if recipe.layer_decay < 1:
        parts = (
            [[net.heads], [net.neck]]
            if isinstance(net, Detector)
            else [[net.fc], [net.conv5, net.neck]]
        )
        parts += [[part] for part in (*net.stages[::-1], net.conv1)]
    groups: list[dict[str, Any]] = []
    factor = 1.0
    for modules in parts:
        own = [parameter for module in modules for parameter in module.parameters()]
        trained = [parameter for parameter in own if parameter.requires_grad]
        for decay, group in (
            (recipe.weight_decay, [p for p in trained if p.ndim > 1]),
            (0.0, [p for p in trained if p.ndim <= 1]),
        ):
            if group:
                groups.append({"params": group, "weight_decay": decay, "rate_factor": factor})
        if own:  # a network without a head has no parameters there
            factor *= recipe.layer_decay
    return groups
