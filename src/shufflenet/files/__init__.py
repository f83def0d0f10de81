"""Files: ours, read safely and written whole or not at all; and published ones, brought once."""

from shufflenet.files._atomic import PARTIAL, write_atomic
from shufflenet.files._checkpoint import (
    Checkpoint,
    narrowed,
    read_card,
    read_checkpoint,
    write_checkpoint,
)
from shufflenet.files._download import Progress, fetch, home

__all__ = [
    "PARTIAL",
    "Checkpoint",
    "Progress",
    "fetch",
    "home",
    "narrowed",
    "read_card",
    "read_checkpoint",
    "write_atomic",
    "write_checkpoint",
]
