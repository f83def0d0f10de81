"""What takes seconds to make and is never changed: made once for all processes of a run."""

import hashlib
import os
from collections.abc import Callable
from pathlib import Path

from filelock import FileLock

__all__ = ["SHARED", "made_once"]

SHARED = "SHUFFLENET_TESTS_SHARED"  # names the folder that the processes of a run share


def made_once(what: object, make: Callable[[], bytes]) -> bytes:
    """Return what a function makes, or what it made in another process of the run.

    Args:
        what: All that the content depends on, besides the code: its ``repr`` is the key.
        make: Makes the content.
    """
    if SHARED not in os.environ:  # as where the fuzzer runs by itself
        return make()
    place = Path(os.environ[SHARED]) / hashlib.sha256(repr(what).encode()).hexdigest()
    with FileLock(f"{place}.lock"):
        if not place.exists():
            partial = place.with_suffix(".partial")
            partial.write_bytes(make())
            partial.rename(place)
        return place.read_bytes()
