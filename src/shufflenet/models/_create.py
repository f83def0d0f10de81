"""Networks of the catalogue, with random weights or those of a checkpoint."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from shufflenet.errors import CheckpointMismatch, SpecError
from shufflenet.models._first_convolution import with_in_channels
from shufflenet.models._load import load_model, load_model_and_card
from shufflenet.models._transfer import identifiers_of, same_weights_fit, start_from
from shufflenet.networks import AnyNetwork, Backbone, Detector, ShuffleNet, build, build_detector
from shufflenet.spec import Card, DetectorSpec, Label, NetworkSpec
from shufflenet.zoo import find_network

__all__ = ["create_backbone", "create_detector", "create_model"]


def create_model(
    name: str,
    *,
    num_classes: int | None = None,
    in_channels: int | None = None,
    stem_stride: int | None = None,
    weights: str | Path | None = None,
    labels: Sequence[Label | str] | None = None,
) -> ShuffleNet:
    """Create a network of the catalogue, in training mode, with random weights or given ones.

    With ``weights`` the classifier keeps the rows of the classes that are known to be the
    checkpoint's:

    - with ``labels``: of every class whose identifier the checkpoint has, in whatever order;
    - without, if ``num_classes`` is left out or the checkpoint's own: all of them;
    - without, for another ``num_classes``: none, since a number does not say which classes are
      meant. The whole classifier is random.

    Args:
        name: A network's name, such as ``shufflenet_v2_x1_0``.
        num_classes: Number of logits; the number of ``labels``, else the checkpoint's, else 1000
            unless given.
        in_channels: Number of channels of the images; the checkpoint's, else 3 unless given. If it
            is not the checkpoint's, the first convolution is adapted: for one channel its weights
            are summed over the input channels; of ``n`` channels instead of ``c`` those that are
            new get the mean of the others' weights, and all are multiplied by ``c / n`` (see
            ``shufflenet.models._first_convolution.adapt_channels``).
        stem_stride: Factor by which the stem shrinks images: 4 for images of about 224 px, 2 for
            64, 1 for 32; the checkpoint's, else the network's own unless given.
        weights: Name or file of a checkpoint of this network to start from, or, for V2, of a
            narrower one; random weights unless given.
        labels: The classes, or their identifiers, in the order of the logits.

    Raises:
        UnknownName: no network, or no checkpoint, goes by that name.
        SpecError: an argument is outside what the architecture allows, ``num_classes`` is not the
            number of labels, or two labels are the same.
        CheckpointError: the file is damaged or was not written by this package.
        CheckpointMismatch: the weights are of another network.
    """
    spec = find_network(name)
    classes = _count(num_classes, labels)
    if weights is None:
        return build(_with(spec, spec, classes, in_channels, stem_stride))
    source, card = load_model_and_card(weights)
    same_kind = type(source.spec) is type(spec)  # if not, it is refused below
    net = build(_with(spec, source.spec if same_kind else spec, classes, in_channels, stem_stride))
    _start(net, labels, source, card)
    return net


def create_detector(
    name: str,
    *,
    num_classes: int | None = None,
    labels: Sequence[Label | str] | None = None,
    detector: DetectorSpec | None = None,
    in_channels: int | None = None,
    weights: str | Path | None = None,
) -> Detector:
    """Create a detector on the stages of a network, in training mode.

    Args:
        name: The name of a network, such as ``shufflenet_v2_x1_0``. Its stem shrinks images as the
            paper's does, by 4, whatever that of the weights does.
        num_classes: The number of classes of boxes; the number of ``labels`` unless given.
        labels: The classes, or their identifiers.
        detector: What is put on the stages; that of the weights, else ``DetectorSpec()``, unless
            given.
        in_channels: As in ``create_model``.
        weights: Name or file of a checkpoint to start from; random weights unless given. A
            classifier gives its stem and its stages. A detector with the same neck and heads gives
            them too, and the scores of the classes that it knows, as ``create_model`` keeps rows.

    Raises:
        UnknownName: no network, or no checkpoint, goes by that name.
        SpecError: neither ``num_classes`` nor ``labels`` is given, they disagree, or an argument is
            outside what the architecture allows.
        CheckpointError: the file is damaged or was not written by this package.
        CheckpointMismatch: the weights are of another network.
    """
    spec = find_network(name)
    classes = _count(num_classes, labels)
    if classes is None:
        raise SpecError("num_classes", None, "given, or labels")
    if weights is None:
        detector = detector or DetectorSpec()
        stem_stride = detector.stem_stride(spec)
        return build_detector(_with(spec, spec, classes, in_channels, stem_stride), detector)
    source, card = load_model_and_card(weights)
    detector = detector or card.detector or DetectorSpec()
    stem_stride = detector.stem_stride(spec)
    net = build_detector(_with(spec, source.spec, classes, in_channels, stem_stride), detector)
    _start(net, labels, source, card)
    return net


def _count(num_classes: int | None, labels: Sequence[Label | str] | None) -> int | None:
    """Return the number of classes that is asked for.

    Raises:
        SpecError: there are labels, and not as many; or two are the same.
    """
    if labels is None:
        return num_classes
    identifiers_of(labels)
    if num_classes not in (None, len(labels)):
        raise SpecError("num_classes", num_classes, f"{len(labels)}, the number of labels")
    return len(labels)


def _start(
    net: AnyNetwork, labels: Sequence[Label | str] | None, source: AnyNetwork, card: Card
) -> None:
    """Copy weights into a network, of a checkpoint whose images may have other channels."""
    if source.spec.in_channels != net.spec.in_channels:
        source = with_in_channels(source, net.spec.in_channels)
    if labels is None:
        labels = card.labels if net.spec.classes == len(card.labels) else ()
    start_from(net, labels, source, card)


def _with(
    spec: NetworkSpec,
    default: NetworkSpec,
    classes: int | None,
    in_channels: int | None,
    stem_stride: int | None,
) -> NetworkSpec:
    """Return a spec with these fields, or those of ``default`` where they are not given."""
    return replace(
        spec,
        classes=default.classes if classes is None else classes,
        in_channels=default.in_channels if in_channels is None else in_channels,
        stem_stride=default.stem_stride if stem_stride is None else stem_stride,
    )


def create_backbone(
    name: str,
    out_indices: Sequence[int] = (1, 2, 3),
    *,
    output_stride: int = 32,
    weights: str | Path | None = None,
    in_channels: int | None = None,
    frozen_stages: int | None = None,
    frozen_norms: bool = False,
    checkpoint_gradients: bool = False,
) -> Backbone:
    """Create a network of the catalogue that returns feature maps, in training mode.

    Args:
        name: A network's name, such as ``shufflenet_v2_x1_0``.
        out_indices: Which maps to return, in which order: 0 is the stem's, 1 and on are the
            stages', and the head's comes after them where there is a head; -1 is the last. Parts
            after the last of them are removed.
        output_stride: Largest factor by which a map may be smaller than the image: 32, 16 or 8;
            convolutions that would shrink further are dilated. Also 64, where a checkpoint's stem
            makes it so.
        weights: Name or file of a checkpoint of this network to start from, with the stem that the
            checkpoint has; random weights unless given.
        in_channels: Number of channels of the images; the checkpoint's, else 3 unless given. The
            first convolution is adapted to it as ``create_model`` does.
        frozen_stages: How many stages keep their weights and batch statistics in training; 0 is
            the stem alone, and nothing unless given.
        frozen_norms: Whether all batch norms keep their statistics in training, for batches too
            small to take statistics of.
        checkpoint_gradients: Whether training keeps only the maps of stem, stages and head for the
            backward pass and recomputes the rest: less memory, more time.

    Raises:
        UnknownName: no network, or no checkpoint, goes by that name.
        SpecError: an argument is outside what the architecture allows.
        CheckpointError: the file is damaged or not one of ours.
        CheckpointMismatch: the weights are of another network.
    """
    if weights is None:
        net = create_model(name, in_channels=in_channels)
    else:
        loaded = load_model(weights)
        if isinstance(loaded, Detector):
            raise CheckpointMismatch(name, [f"{weights} is a detector, not a classifier"])
        net = loaded
        wanted = replace(find_network(name), in_channels=net.spec.in_channels)
        if not same_weights_fit(wanted, net.spec):
            raise CheckpointMismatch(name, [f"{weights} is a {net.spec.name}"])
        if in_channels not in (None, net.spec.in_channels):
            net = with_in_channels(net, in_channels)
    backbone = Backbone(net, out_indices, output_stride=output_stride).freeze(frozen_stages)
    return backbone.freeze_norms(frozen_norms).checkpoint_gradients(checkpoint_gradients).train()
