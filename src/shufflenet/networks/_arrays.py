"""A network's weights as arrays, and back."""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from shufflenet.errors import CheckpointMismatch
from shufflenet.networks._base import ShuffleNet
from shufflenet.networks._build import build
from shufflenet.spec import NetworkSpec

__all__ = ["build_with", "load_arrays", "state_arrays"]


def build_with(spec: NetworkSpec, arrays: Mapping[str, npt.NDArray[np.generic]]) -> ShuffleNet:
    """Return the network of a spec with these weights, in evaluation mode.

    Raises:
        CheckpointMismatch: the weights do not fit the network.
    """
    net = build(spec)
    load_arrays(net, arrays)
    return net.eval()


def state_arrays(net: nn.Module) -> dict[str, npt.NDArray[np.generic]]:
    """Take a network's parameters and statistics as arrays, by torchvision's key names.

    How many batches a batch norm has seen is left out: it plays no part in its function.
    """
    return {
        key: value.detach().cpu().contiguous().numpy()
        for key, value in net.state_dict().items()
        if not key.endswith("num_batches_tracked")
    }


def load_arrays(net: ShuffleNet, arrays: Mapping[str, npt.NDArray[np.generic]]) -> None:
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
