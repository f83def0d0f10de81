"""What a detector in training computes: its logits, which the loss decodes."""

from torch import Tensor, nn

from shufflenet.networks import Detector

__all__ = ["RawOutputs"]


class RawOutputs(nn.Module):
    """A detector whose forward pass is ``Detector.outputs``, for what runs only forward passes."""

    def __init__(self, net: Detector) -> None:
        super().__init__()
        self.net = net

    def forward(self, images: Tensor) -> Tensor:
        """Map images ``(n, in_channels, h, w)`` to logits, ``(n, cells, classes + 4 * bins)``."""
        return self.net.outputs(images)
