"""Errors of networks in memory that someone changed: deployed, exported or saved."""

from shufflenet.errors._base import ShuffleNetError, count_of

__all__ = ["ClassesDisagree", "DeployedDiffers", "NetworkNotNumbers", "NotDeployable"]


class NotDeployable(ShuffleNetError, ValueError):
    """A network holds what cannot be rewritten so that it surely computes the same.

    Args:
        module: The name of the module in the network; empty for the network itself.
        problem: What is known of it, as "has a forward hook".
    """

    def __init__(self, module: str, problem: str) -> None:
        super().__init__(
            f"{module or 'The network'} {problem}, so the network cannot be rewritten to compute "
            "the same without batch norms and shuffle. Undo that (hooks, pruning and weight norm "
            "can be removed), or export with --shuffle keep."
        )


class DeployedDiffers(ShuffleNetError):
    """A deployed network does not compute what the original computes."""

    def __init__(self, difference: float, allowed: float) -> None:
        super().__init__(
            f"The deployed network's logits differ from the network's by {difference:.3g}, more "
            f"than the {allowed:.3g} of rounding, so it is not returned. Please report this with "
            "what was changed in the network."
        )


class NetworkNotNumbers(ShuffleNetError):
    """A network computes infinities or NaN."""

    def __init__(self, network: str) -> None:
        super().__init__(
            f"The network {network!r} computes logits that are infinite or NaN. Use weights from "
            "before its training diverged."
        )


class ClassesDisagree(ShuffleNetError, ValueError):
    """A card does not name a class for every logit of a network.

    Args:
        logits: How many the network computes.
        labels: How many the card has.
    """

    def __init__(self, network: str, logits: int, labels: int) -> None:
        super().__init__(
            f"The network {network!r} computes {count_of(logits, 'logit')}, but the card has "
            f"{count_of(labels, 'label')}. Save the network with its own labels first, "
            "models.save(net, path, labels=[...]), and use the card that it returns."
        )
