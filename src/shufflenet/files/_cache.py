"""The folder of what is downloaded, converted or measured once and used again."""

import os
from pathlib import Path

from platformdirs import user_cache_dir

__all__ = ["cache_dir"]


def cache_dir() -> Path:
    """Return the cache folder: ``$SHUFFLENET_HOME`` if set, otherwise the user's cache folder."""
    folder = os.environ.get("SHUFFLENET_HOME") or user_cache_dir("shufflenet", appauthor=False)
    return Path(folder).expanduser().absolute()
