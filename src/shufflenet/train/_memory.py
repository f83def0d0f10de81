"""Memory that does not suffice: how torch says so, and what is said of it."""

from collections.abc import Callable

import torch

__all__ = ["TooLarge", "attempted", "remedy"]

# How errors begin or go on that have no class of their own: torch's allocator on the CPU, Apple's
# GPUs, and libraries of CUDA that allocate for themselves.
_SAID = ("DefaultCPUAllocator", "out of memory", "ALLOC_FAILED")


class TooLarge(Exception):
    """A batch does not fit into memory.

    In so many ``parts`` it does; 0 if in none, none if that was not tried.
    """

    def __init__(self, parts: int | None) -> None:
        super().__init__(parts)
        self.parts = parts


def attempted(compute: Callable[[], float]) -> float | None:
    """Give what is computed, or none where memory does not suffice; what it held is free then.

    Raises:
        RuntimeError: it fails for another reason.
    """
    try:
        return compute()
    except MemoryError:
        return None
    except RuntimeError as error:
        known = isinstance(error, torch.OutOfMemoryError)
        if not known and not any(text in str(error) for text in _SAID):
            raise
    return None


def remedy(parts: int | None, accumulate: int, batch_size: int) -> str:
    """Say how to make a batch fit, as it was found out, or else what to try.

    >>> remedy(4, 1, 64)
    '--accumulate 4 computes it in parts of 16 images, which fit'
    >>> remedy(None, 2, 64)
    'try --accumulate 4, which computes it in parts of 16 images, or a smaller --batch-size'
    >>> remedy(0, 1, 64)
    'take smaller images by --train-px and --image-px, or a smaller network (not two images fit)'
    """
    if parts == 0:
        smaller = "take smaller images by --train-px and --image-px, or a smaller network"
        return f"{smaller} (not two images fit)"
    size = -(-batch_size // (parts or 2 * accumulate))
    if parts:
        return f"--accumulate {parts} computes it in parts of {size} images, which fit"
    return (
        f"try --accumulate {2 * accumulate}, which computes it in parts of {size} images, "
        "or a smaller --batch-size"
    )
