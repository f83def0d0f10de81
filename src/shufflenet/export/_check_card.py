"""A card, compared with the network that it is to be stored with."""

import torch

from shufflenet.errors import CheckpointMismatch, ClassesDisagree, SpecError
from shufflenet.networks import AnyNetwork, Detector, channels_read
from shufflenet.spec import Card, differing_fields

__all__ = ["check_card"]


def check_card(net: AnyNetwork, card: Card) -> None:
    """Check that a card is of this network, and names a class for each of its logits.

    Args:
        net: The network, in float32, on the CPU and in evaluation mode; its classifier may have
            been replaced, for the number of its logits is counted.
        card: The card.

    Raises:
        CheckpointMismatch: the card is of another network.
        SpecError: it is of one with other input channels.
        ClassesDisagree: there are not as many labels as logits.
    """
    free = {"name", "classes", "dropout", "in_channels"}
    of_card = card.network
    if type(of_card) is not type(net.spec) or differing_fields(of_card, net.spec) - free:
        raise CheckpointMismatch(of_card.name, [f"the network is a {net.spec.name}"])
    detector = net.detector if isinstance(net, Detector) else None
    if card.detector != detector:
        problem = f"the network has {detector or 'a classifier'} on its stages"
        raise CheckpointMismatch(of_card.name, [problem])
    channels = channels_read(net.conv1) or net.spec.in_channels
    if channels != of_card.in_channels:
        expected = f"{of_card.in_channels}, as the card says"
        raise SpecError("the number of the network's input channels", channels, expected)
    with torch.inference_mode():
        rows = net(torch.zeros(1, channels, 64, 64))
    classes = rows.shape[-1] - (4 if detector else 0)
    if classes != len(card.labels):
        raise ClassesDisagree(net.spec.name, classes, len(card.labels))
