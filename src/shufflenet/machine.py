"""The machine at hand: how many cores, and what its processor can do."""

import os

__all__ = ["cores"]


def cores() -> int:
    """Count the cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):  # fewer than the machine has, in many a container
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
