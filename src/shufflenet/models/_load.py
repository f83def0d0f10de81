"""Networks and cards from checkpoints."""

from pathlib import Path

from shufflenet.files import read_card, read_checkpoint
from shufflenet.hub import CHECKPOINT, resolve
from shufflenet.networks import AnyNetwork, build_with
from shufflenet.spec import Card

__all__ = ["load_card", "load_model", "load_model_and_card"]


def load_model(name_or_file: str | Path) -> AnyNetwork:
    """Load a network with the weights of a checkpoint, in evaluation mode.

    It is a ``Detector`` if the card says so, and else a ``ShuffleNet``, which classifies.

    Raises:
        UnknownName: it is neither a file nor a checkpoint's name.
        CheckpointError: the file is damaged or was not written by this package.
        CheckpointMismatch: the weights do not fit the network that the card names.
    """
    return load_model_and_card(name_or_file)[0]


def load_model_and_card(name_or_file: str | Path) -> tuple[AnyNetwork, Card]:
    """Load a network as ``load_model`` does, and return its card too.

    Raises:
        UnknownName: it is neither a file nor a checkpoint's name.
        CheckpointError: the file is damaged or was not written by this package.
        CheckpointMismatch: the weights do not fit the network that the card names.
    """
    checkpoint = read_checkpoint(resolve(name_or_file, (CHECKPOINT,)))
    card = checkpoint.card
    net = build_with(card.network, checkpoint.tensors, card.detector)
    net.started_from = card
    return net, card


def load_card(name_or_file: str | Path) -> Card:
    """Read the card of a checkpoint without its weights.

    Raises:
        UnknownName: it is neither a file nor a checkpoint's name.
        CheckpointError: the file is damaged or was not written by this package.
    """
    return read_card(resolve(name_or_file, (CHECKPOINT,)))
