"""The folder of what is downloaded, converted or measured once and used again."""

import os
from pathlib import Path

from platformdirs import user_cache_dir

from shufflenet.errors import NoCacheFolder

__all__ = ["cache_dir"]


def cache_dir() -> Path:
    """Return the cache folder: ``$SHUFFLENET_HOME`` if set, otherwise the user's cache folder.

    It need not exist.

    Raises:
        NoCacheFolder: neither is known, as of a user without a home folder.
    """
    folder = os.environ.get("SHUFFLENET_HOME")
    try:
        folder = folder or user_cache_dir("shufflenet", appauthor=False)
    except RuntimeError as error:  # of newer versions of platformdirs
        raise NoCacheFolder("~/.cache/shufflenet") from error
    expanded = os.path.expanduser(folder)
    if expanded.startswith("~"):  # left as it is where the home folder is not known
        raise NoCacheFolder(folder)
    return Path(expanded).absolute()
