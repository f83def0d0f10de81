"""Measure how much memory a process needs to run a model."""

import json
import re
import subprocess
import sys
from collections.abc import Sequence

__all__ = ["peak_memory_bytes"]

# Runs in a process of its own. The peak memory of a process never falls, so it is read before the
# runtime is loaded and again after each batch, the smallest batch first. On Linux it is read from
# /proc, because getrusage there also counts what the parent process had at the fork.
_PROBE = """
import json, sys
import numpy as np
from shufflenet import open_model

def peak_bytes():
    try:
        lines = open("/proc/self/status").read().splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))
    except OSError:
        import resource
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (
            1 if sys.platform == "darwin" else 1024
        )

name, runtime, threads, batches = json.loads(sys.argv[1])
before = peak_bytes()
model = open_model(name, runtime=runtime, threads=threads)
how, channels = model.card.preprocess, model.card.network.in_channels
peaks = []
for batch in batches:
    if model.card.takes_pixels:
        shape = (batch, *how.size_px, channels)
        compute, images = model.logits_from_pixels, np.zeros(shape, f"uint{how.bits}")
    else:
        compute, images = model.logits, np.zeros((batch, channels, *how.size_px), np.float32)
    for _ in range(3):
        compute(images)
    peaks.append(peak_bytes() - before)
print("\\nPEAKS", json.dumps(peaks), flush=True)
"""


def peak_memory_bytes(
    model: str, runtime: str, *, threads: int, batches: Sequence[int]
) -> dict[int, int] | None:
    """Measure the peak memory that a model adds to a process, for each of several batch sizes.

    A new Python process loads NumPy and this package, then the model; the difference is the
    runtime's code, the weights, the activations and the images.

    Args:
        model: A name or a file that has been opened before, so that nothing is downloaded.
        runtime: A runtime that ``open_model`` knows.
        threads: How many threads compute.
        batches: Batch sizes, in images.

    Returns:
        The bytes for each batch size; None where the system does not report peak memory (Windows)
        or where the process failed.
    """
    ordered = sorted(set(batches))
    arguments = json.dumps([model, runtime, threads, ordered])
    process = subprocess.run(
        [sys.executable, "-c", _PROBE, arguments], capture_output=True, text=True, check=False
    )
    if process.returncode:
        return None
    found = re.search(r"^PEAKS (\[.*\])$", process.stdout, re.MULTILINE)  # libraries may print too
    return dict(zip(ordered, json.loads(found[1]), strict=True)) if found else None
