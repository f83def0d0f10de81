"""From a name or a checkpoint to a network, and from a network to a classifier."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from shufflenet.backbone import Backbone
from shufflenet.checkpoint import read_checkpoint
from shufflenet.errors import CheckpointError, CheckpointMismatch, SpecError
from shufflenet.networks import build
from shufflenet.obtain import obtain
from shufflenet.spec import Card, Label, NetworkSpec, differing_fields
from shufflenet.trunk import ShuffleNet
from shufflenet.widen import can_widen, widened
from shufflenet.zoo import find_network

__all__ = [
    "TorchClassifier",
    "create_backbone",
    "create_model",
    "load_model",
    "load_model_and_card",
    "open_torch",
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
    weights = obtain(name_or_file, as_checkpoint=True)
    if weights.checkpoint is None:
        raise CheckpointError(
            name_or_file,
            "holds no checkpoint to load",
            "Name the .safetensors it was exported from.",
        )
    checkpoint = read_checkpoint(weights.checkpoint)
    net = build(checkpoint.card.network)
    _load_arrays(net, checkpoint.tensors)
    return net.eval(), checkpoint.card


def open_torch(checkpoint: str | Path, *, threads: int | None = None) -> "TorchClassifier":
    """Open a checkpoint as a classifier; ``threads`` holds for all of torch in this process.

    Raises:
        CheckpointError: the file is damaged or not one of ours.
        CheckpointMismatch: the weights do not fit the network that the card names.
    """
    if threads:
        torch.set_num_threads(threads)
    return TorchClassifier(*load_model_and_card(checkpoint))


def start_from(net: ShuffleNet, labels: Sequence[Label], name_or_file: str | Path) -> bool:
    """Give a network the weights of a checkpoint, but for a classifier of other classes.

    Args:
        net: The network; its stem may shrink images by another factor than the checkpoint's, and
            of V2 it may be wider (see ``shufflenet.widen``).
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
        source = widened(source, net)
    arrays = state_arrays(source)
    same_classes = [label.id for label in card.labels] == [label.id for label in labels]
    if not same_classes:
        own = state_arrays(net)
        arrays |= {key: array for key, array in own.items() if key.startswith("fc.")}
    _load_arrays(net, arrays)
    return same_classes


def _same_weights_fit(wanted: NetworkSpec, given: NetworkSpec) -> bool:
    """Whether two networks take the same weights, but for those of the classifier."""
    free = {"classes", "stem_stride", "dropout"}
    return type(wanted) is type(given) and differing_fields(wanted, given) <= free


def state_arrays(net: nn.Module) -> dict[str, npt.NDArray[np.generic]]:
    """Take a network's parameters and statistics as arrays, by torchvision's key names.

    How many batches a batch norm has seen is left out: it plays no part in its function.
    """
    return {
        key: value.detach().cpu().contiguous().numpy()
        for key, value in net.state_dict().items()
        if not key.endswith("num_batches_tracked")
    }


def _load_arrays(net: ShuffleNet, arrays: Mapping[str, npt.NDArray[np.generic]]) -> None:
    wanted = state_arrays(net)
    differences = [
        *(f"{key} is missing" for key in wanted if key not in arrays),
        *(f"{key} is not of this network" for key in arrays if key not in wanted),
        *(
            f"{key} has shape {arrays[key].shape}, not {wanted[key].shape}"
            for key in wanted
            if key in arrays and arrays[key].shape != wanted[key].shape
        ),
    ]
    if differences:
        raise CheckpointMismatch(net.spec.name, differences)
    tensors = {key: torch.from_numpy(np.array(array)) for key, array in arrays.items()}
    net.load_state_dict(tensors, strict=False)  # only num_batches_tracked may be absent


class TorchClassifier:
    """A network as a classifier: the reference that every other runtime is held against."""

    def __init__(self, net: nn.Module, card: Card) -> None:
        self.card = card
        self._net = net.eval()

    def logits(self, batch: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Map images ``(n, 3, h, w)`` to logits ``(n, classes)``."""
        return self._rows(self._net, batch)

    def embed(self, batch: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Map images ``(n, 3, h, w)`` to what the network's last layer reads, ``(n, d)``.

        Raises:
            SpecError: the network is a deployed one, which gives logits only.
        """
        if not isinstance(self._net, ShuffleNet):
            raise SpecError("the network", type(self._net).__name__, "a ShuffleNet, to embed with")
        return self._rows(self._net.embed, batch)

    def _rows(
        self, compute: Callable[[Tensor], Tensor], batch: npt.NDArray[np.float32]
    ) -> npt.NDArray[np.float32]:
        weight = next(self._net.parameters())
        with torch.inference_mode():
            result = compute(torch.from_numpy(batch).to(weight.device, weight.dtype))
        return result.float().cpu().numpy()
