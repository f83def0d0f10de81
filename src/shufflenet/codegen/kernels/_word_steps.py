"""The steps of an int8 product: four inputs, and four weights of each channel."""

import numpy as np
import numpy.typing as npt

from shufflenet.graph import Weights

__all__ = ["STEP", "word_steps"]

STEP = 4  # inputs that a step of a product reads


def word_steps(weight: Weights, runs: int) -> npt.NDArray[np.int8]:
    """Split ``(in, out)`` weights into steps, ``(steps, out, 4)``; zeros pad each run."""
    by_run = weight.astype(np.int8).reshape(runs, -1, weight.shape[1])
    whole = np.pad(by_run, [(0, 0), (0, -by_run.shape[1] % STEP), (0, 0)])
    return whole.reshape(-1, STEP, whole.shape[2]).swapaxes(1, 2)
