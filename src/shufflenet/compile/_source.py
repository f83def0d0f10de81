"""The file that is compiled: its network, its card for the size of images, and what it computes."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from shufflenet.codegen import Facts, Module, build
from shufflenet.compile._gate import Reference, reference
from shufflenet.compile._order import Order
from shufflenet.errors import CompileError, NotCompilable, UnsupportedByRuntime
from shufflenet.files import SEAL_KEY, UNSEALED, card_from_metadata
from shufflenet.graph import Network, read_network
from shufflenet.runtimes import SQUARES, rounded_logits
from shufflenet.spec import Card, Target

__all__ = ["Source", "read_source"]


@dataclass(frozen=True, slots=True)
class Source:
    """A file that is compiled.

    Attributes:
        path: An ONNX file.
        network: Its layers.
        card: Its card; the preprocessing gives images of the size that is compiled.
        expected: A few images and the logits of them.
    """

    path: Path
    network: Network
    card: Card
    expected: Reference

    @property
    def shape(self) -> tuple[int, int, int]:
        """Channels, height and width of images, px."""
        return (self.card.network.in_channels, *self.card.preprocess.size_px)

    def levels(self, target: Target) -> list[Target]:
        """Return the levels of a target that differ for these layers."""
        kinds = self.network.dtypes
        return target.levels_for(float32=np.float32 in kinds, int8=np.uint8 in kinds)

    def modules(self, target: Target, order: Order) -> list[Module]:
        """Return the network's code for a target, or for each of its levels.

        Raises:
            NotCompilable: its layers do not fit each other, or it is too large.
        """
        try:
            return [
                build(
                    self.network,
                    level,
                    self.shape,
                    self.card.preprocess,
                    batches=False,
                    least_memory=order.least_memory,
                )
                for level in self.levels(target)
            ]
        except CompileError as error:
            raise NotCompilable(self.path, error.feature) from error

    def facts(self, order: Order) -> Facts:
        """Return what a compiled file states: also the logits of an image that anyone can draw.

        It has a place for the hash of the file, which is not known before it is linked.
        """
        proof: dict[str, object] = {SEAL_KEY: UNSEALED}
        if self.card.takes_pixels:
            proof |= {"image": SQUARES, "logits": rounded_logits(self.expected.logits[0])}
        return Facts(
            labels=self.card.labels,
            card=self.card.to_json(),
            task=self.card.task,
            proof=proof,
            preprocess=self.card.preprocess,
            most_source_px=order.most_source_px,
        )


def read_source(path: Path, order: Order) -> Source:
    """Read a file that is compiled, and compute a few images by ONNX Runtime.

    The preprocessing for images of another size shows as much of each photo as the card's.

    Raises:
        NotCompilable: it has layers for which no code is written.
        SpecError: a mean image is subtracted, which has another size.
        CheckpointError: the file is missing, damaged, or has no card.
    """
    try:
        network, metadata = read_network(path)
    except UnsupportedByRuntime as error:
        raise NotCompilable(path, error.feature) from error
    card, _ = card_from_metadata(path, metadata)
    if order.image_px:
        card = replace(card, preprocess=card.preprocess.cropped_to(order.image_px))
    return Source(path, network, card, reference(path, card))
