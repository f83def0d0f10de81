"""The weights of a network as NumPy arrays."""

from collections.abc import Mapping
from typing import overload

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from shufflenet.errors import CheckpointMismatch
from shufflenet.networks._base import ShuffleNet
from shufflenet.networks._build import build
from shufflenet.networks._detector import AnyNetwork, Detector, build_detector
from shufflenet.spec import DetectorSpec, NetworkSpec

__all__ = ["build_with", "load_arrays", "state_arrays"]

_Arrays = Mapping[str, npt.NDArray[np.generic]]


@overload
def build_with(spec: NetworkSpec, arrays: _Arrays, detector: None = None) -> ShuffleNet: ...
@overload
def build_with(spec: NetworkSpec, arrays: _Arrays, detector: DetectorSpec) -> Detector: ...
@overload
def build_with(spec: NetworkSpec, arrays: _Arrays, detector: DetectorSpec | None) -> AnyNetwork: ...
def build_with(
    spec: NetworkSpec, arrays: _Arrays, detector: DetectorSpec | None = None
) -> AnyNetwork:
    """Build the network of a spec with these weights, in evaluation mode.

    Args:
        spec: The network.
        arrays: Its weights by key, such as a convolution's, ``(out, in / groups, kernel, kernel)``.
        detector: What is put on its stages, for a detector; a classifier unless given.

    Raises:
        CheckpointMismatch: keys or shapes are not those of the network.
        SpecError: no detector is put on stages of such strides.
    """
    net = build(spec) if detector is None else build_detector(spec, detector)
    load_arrays(net, arrays)
    return net.eval()


def state_arrays(net: nn.Module) -> dict[str, npt.NDArray[np.generic]]:
    """Return a network's parameters and statistics as arrays, by torchvision's key names.

    A convolution's weights are ``(out, in / groups, kernel, kernel)``. ``num_batches_tracked`` of
    batch norms is left out: their output does not depend on it.
    """
    return {
        key: value.detach().cpu().contiguous().numpy()
        for key, value in net.state_dict().items()
        if not key.endswith("num_batches_tracked")
    }


def load_arrays(net: AnyNetwork, arrays: _Arrays) -> None:
    """Load weights into a network.

    Args:
        net: The network.
        arrays: Its weights by key, such as a convolution's, ``(out, in / groups, kernel, kernel)``.

    Raises:
        CheckpointMismatch: keys or shapes are not those of the network.
    """
    expected = state_arrays(net)
    differences = [
        *(f"{key} is missing" for key in expected if key not in arrays),
        *(f"{key} is not of this network" for key in arrays if key not in expected),
        *(
            f"{key} has shape {arrays[key].shape}, not {expected[key].shape}"
            for key in expected
            if key in arrays and arrays[key].shape != expected[key].shape
        ),
    ]
    if differences:
        raise CheckpointMismatch(net.spec.name, differences)
    tensors = {key: torch.from_numpy(np.array(array)) for key, array in arrays.items()}
    net.load_state_dict(tensors, strict=False)  # only num_batches_tracked may be absent
