"""From a name or a checkpoint to a network, and from a network to a classifier."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from shufflenet.errors import CheckpointMismatch
from shufflenet.files import read_checkpoint
from shufflenet.hub import CHECKPOINT, resolve
from shufflenet.networks import (
    Backbone,
    ShuffleNet,
    build,
    build_with,
    can_widen,
    load_arrays,
    state_arrays,
    widen,
)
from shufflenet.spec import Card, Label, NetworkSpec, differing_fields
from shufflenet.zoo import find_network

__all__ = [
    "create_backbone",
    "create_model",
    "load_model",
    "load_model_and_card",
    "start_from",
    "state_arrays",
]


def create_model(
    name: str,
    *,
    num_classes: int | None = None,
    in_channels: int | None = None,
    stem_stride: int | None = None,
) -> ShuffleNet:
    """Make a network of the catalogue with random weights, in training mode.

    Args:
        name: A network's name, such as ``shufflenet_v2_x1_0``.
        num_classes: How many logits it gives; 1000 unless given.
        in_channels: How many channels images have; 3 unless given.
        stem_stride: 4 for images of about 224 px, which is the default; 2 for 64, 1 for 32.

    Raises:
        UnknownName: no network goes by that name.
        SpecError: an argument is outside what the architecture allows.
    """
    spec = find_network(name)
    spec = replace(
        spec,
        classes=spec.classes if num_classes is None else num_classes,
        in_channels=spec.in_channels if in_channels is None else in_channels,
        stem_stride=spec.stem_stride if stem_stride is None else stem_stride,
    )
    return build(spec)


def create_backbone(
    name: str,
    out_indices: Sequence[int] = (1, 2, 3),
    *,
    output_stride: int = 32,
    weights: str | Path | None = None,
    in_channels: int | None = None,
    frozen_stages: int | None = None,
    checkpoint_gradients: bool = False,
) -> Backbone:
    """Make a network of the catalogue that gives feature maps, in training mode.

    Args:
        name: A network's name, such as ``shufflenet_v2_x1_0``.
        out_indices: Which maps, in which order: 0 is the stem's, 1 and on are the stages', and
            the head's comes after them where there is a head. What comes after the last of
            them is neither computed nor held.
        output_stride: How many times smaller than the image a map may become: 32, 16 or 8; what
            would shrink further is dilated. Also 64, where a checkpoint's stem makes it so.
        weights: The name or file of a checkpoint of this network to start from, with the stem
            that the checkpoint has; random weights unless given.
        in_channels: How many channels images have; 3, or as many as ``weights`` has, unless given.
        frozen_stages: How many stages stay as they are in training, batch statistics too; 0 is the
            stem alone, and nothing unless given.
        checkpoint_gradients: Whether training keeps only the maps that stem, stages and head make
            and recomputes the rest: less memory, more time.

    Raises:
        UnknownName: no network, or no checkpoint, goes by that name.
        SpecError: an argument is outside what the architecture allows.
        CheckpointError: the file is damaged or not one of ours.
        CheckpointMismatch: the weights are of another network.
    """
    if weights is None:
        net = create_model(name, in_channels=in_channels)
    else:
        net = load_model(weights)
        channels = net.spec.in_channels if in_channels is None else in_channels
        wanted = replace(find_network(name), in_channels=channels)
        if not _same_weights_fit(wanted, net.spec):
            given = f"{weights} is a {net.spec.name} for {net.spec.in_channels} channels"
            raise CheckpointMismatch(name, [given])
    backbone = Backbone(net, out_indices, output_stride=output_stride).freeze(frozen_stages)
    return backbone.checkpoint_gradients(checkpoint_gradients).train()


def load_model(name_or_file: str | Path) -> ShuffleNet:
    """Make a network with the weights of a checkpoint, in evaluation mode.

    Raises:
        UnknownName: it is neither a file nor a checkpoint's name.
        CheckpointError: the file is damaged or not one of ours.
        CheckpointMismatch: the weights do not fit the network that the card names.
    """
    return load_model_and_card(name_or_file)[0]


def load_model_and_card(name_or_file: str | Path) -> tuple[ShuffleNet, Card]:
    """Do what ``load_model`` does, and give the card too.

    Raises:
        UnknownName: it is neither a file nor a checkpoint's name.
        CheckpointError: the file is damaged or not one of ours.
        CheckpointMismatch: the weights do not fit the network that the card names.
    """
    checkpoint = read_checkpoint(resolve(name_or_file, (CHECKPOINT,)))
    return build_with(checkpoint.card.network, checkpoint.tensors), checkpoint.card


def start_from(net: ShuffleNet, labels: Sequence[Label], name_or_file: str | Path) -> bool:
    """Give a network the weights of a checkpoint, but for a classifier of other classes.

    Args:
        net: The network; its stem may shrink images by another factor than the checkpoint's, and
            of V2 it may be wider (see ``shufflenet.networks._widen``).
        labels: Its classes.
        name_or_file: The checkpoint.

    Returns:
        Whether the classifier was taken over too.

    Raises:
        CheckpointMismatch: the checkpoint is of another network.
    """
    source, card = load_model_and_card(name_or_file)
    if not _same_weights_fit(net.spec, source.spec):
        if not can_widen(source, net):
            raise CheckpointMismatch(net.spec.name, [f"{name_or_file} is a {source.spec.name}"])
        source = widen(source, net)
    arrays = state_arrays(source)
    same_classes = [label.id for label in card.labels] == [label.id for label in labels]
    if not same_classes:
        own = state_arrays(net)
        arrays |= {key: array for key, array in own.items() if key.startswith("fc.")}
    load_arrays(net, arrays)
    return same_classes


def _same_weights_fit(wanted: NetworkSpec, given: NetworkSpec) -> bool:
    """Whether two networks take the same weights, but for those of the classifier."""
    free = {"classes", "stem_stride", "dropout"}
    return type(wanted) is type(given) and differing_fields(wanted, given) <= free
