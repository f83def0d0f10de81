"""What libraries write to stderr past every setting of theirs."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["silent_stderr"]


@contextmanager
def silent_stderr() -> Iterator[None]:
    """Drop what is written to the process's stderr, by any thread."""
    try:
        kept = os.dup(2)
    except OSError:  # stderr is closed, as some services run
        yield
        return
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)
