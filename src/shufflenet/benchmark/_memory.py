"""How much memory a process needs to compute a model."""

import json
import subprocess
import sys
from collections.abc import Sequence

__all__ = ["peak_memory_bytes"]

# What runs in a process of its own. The most memory a process ever had never falls, so it is read
# before the runtime is loaded, and again after each batch, of which the smallest comes first.
# Linux tells of this process in /proc; its getrusage counts what the parent had at the fork too.
_PROBE = """
import json, sys
import numpy as np
from shufflenet import open_model

def most():
    try:
        lines = open("/proc/self/status").read().splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))
    except OSError:
        import resource
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (
            1 if sys.platform == "darwin" else 1024
        )

name, runtime, threads, batches = json.loads(sys.argv[1])
before = most()
model = open_model(name, runtime=runtime, threads=threads)
side, channels = model.card.preprocess.crop_px, model.card.network.in_channels
found = []
for batch in batches:
    images = np.zeros((batch, channels, side, side), np.float32)
    for _ in range(3):
        model.logits(images)
    found.append(most() - before)
print(json.dumps(found))
"""


def peak_memory_bytes(
    model: str, runtime: str, *, threads: int, batches: Sequence[int]
) -> dict[int, int] | None:
    """Measure what computing batches adds to the memory of a process that has loaded NumPy.

    That is the runtime's own code, the weights, what the network holds meanwhile, and the images.

    Args:
        model: A name or a file, which must have been opened before: what is not there yet would be
            downloaded.
        runtime: What computes.
        threads: On how many threads.
        batches: Images a call.

    Returns:
        For each batch the bytes; nothing where the system does not tell (Windows), or where the
        process failed.
    """
    ordered = sorted(set(batches))
    arguments = json.dumps([model, runtime, threads, ordered])
    process = subprocess.run(
        [sys.executable, "-c", _PROBE, arguments], capture_output=True, text=True, check=False
    )
    if process.returncode:
        return None
    return dict(zip(ordered, json.loads(process.stdout.splitlines()[-1]), strict=True))
