"""Batches that do not fit into memory: how that is recognized, and what to advise."""

from collections.abc import Callable

import torch

__all__ = ["BatchTooLarge", "advise", "run_if_memory_suffices"]

# Parts of messages of errors that have no class of their own: torch's allocator on the CPU, Apple's
# GPUs, and libraries of CUDA that allocate for themselves.
_MESSAGES = ("DefaultCPUAllocator", "out of memory", "ALLOC_FAILED")


class BatchTooLarge(Exception):
    """A batch does not fit into memory.

    Attributes:
        parts: The number of parts in which it does; 0 if in none, ``None`` if that was not tried.
    """

    def __init__(self, parts: int | None) -> None:
        super().__init__(parts)
        self.parts = parts


def run_if_memory_suffices(compute: Callable[[], float]) -> float | None:
    """Return what ``compute`` returns, or ``None`` if memory runs out; its memory is free then.

    Raises:
        RuntimeError: it fails for another reason.
    """
    try:
        return compute()
    except MemoryError:
        return None
    except RuntimeError as error:
        known = isinstance(error, torch.OutOfMemoryError)
        if not known and not any(text in str(error) for text in _MESSAGES):
            raise
    return None


def advise(parts: int | None, accumulate: int, batch_size: int) -> str:
    """Return how to make a batch fit: as ``BatchTooLarge.parts`` says, or else what to try.

    >>> advise(4, 1, 64)
    '--accumulate 4 computes it in parts of 16 images, which fit'
    >>> advise(None, 2, 64)
    'try --accumulate 4, which computes it in parts of 16 images, or a smaller --batch-size'
    >>> advise(0, 1, 64)
    'use smaller images by --train-px and --image-px, or a smaller network (two images do not fit)'
    """
    if parts == 0:
        smaller = "use smaller images by --train-px and --image-px, or a smaller network"
        return f"{smaller} (two images do not fit)"
    size = -(-batch_size // (parts or 2 * accumulate))
    if parts:
        return f"--accumulate {parts} computes it in parts of {size} images, which fit"
    return (
        f"try --accumulate {2 * accumulate}, which computes it in parts of {size} images, "
        "or a smaller --batch-size"
    )
