"""Checkpoints, run by torch."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from shufflenet.errors import SpecError
from shufflenet.files import read_checkpoint
from shufflenet.networks import ShuffleNet, build_with
from shufflenet.spec import Card

__all__ = ["TorchClassifier", "open_torch"]


def open_torch(checkpoint: str | Path, *, threads: int | None = None) -> "TorchClassifier":
    """Open a checkpoint as a classifier; ``threads`` holds for all of torch in this process.

    Raises:
        CheckpointError: the file is damaged or not one of ours.
        CheckpointMismatch: the weights do not fit the network that the card names.
    """
    if threads:
        torch.set_num_threads(threads)
    found = read_checkpoint(checkpoint)
    return TorchClassifier(build_with(found.card.network, found.tensors), found.card)


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
