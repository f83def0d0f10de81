"""A hash inside the files that it is of, so that a changed byte or a foreign part is noticed."""

import hashlib
from collections.abc import Mapping
from pathlib import Path

from shufflenet.errors import ChangedExport

__all__ = ["SEAL_KEY", "UNSEALED", "check_seal", "seal"]

SEAL_KEY = "shufflenet.sha256"  # the metadata entry: the hash of the files, of ONNX of the graph
# What stands in the place of the hash while it is computed: as long, and in no file by chance.
UNSEALED = hashlib.sha256(b"the place of a hash in a file of shufflenet").hexdigest()


def seal(contents: Mapping[str, bytes]) -> dict[str, bytes]:
    """Return files with their hash in the place of ``UNSEALED``.

    Args:
        contents: The content of each file by its name. ``UNSEALED`` is in them once. The hash is
            of the contents in the order of names, whose beginning and capitals may be others later.

    Raises:
        ValueError: ``UNSEALED`` is not in them once.
    """
    place = UNSEALED.encode()
    if sum(content.count(place) for content in contents.values()) != 1:
        raise ValueError("files to seal hold the place of their hash once")
    digest = _hash(contents).encode()
    return {name: content.replace(place, digest) for name, content in contents.items()}


def check_seal(
    path: str | Path, metadata: Mapping[str, str], contents: Mapping[str, bytes]
) -> None:
    """Check that files are those that were sealed together.

    Args:
        path: The file that is named in errors.
        metadata: What was read of it.
        contents: The content of each file by its name, of which one holds the hash.

    Raises:
        ChangedExport: a byte of them was changed, a file is another's, or there is no hash.
    """
    stated = metadata.get(SEAL_KEY, "").encode()
    if len(stated) != len(UNSEALED):
        raise ChangedExport(path)
    unsealed = {
        name: content.replace(stated, UNSEALED.encode()) for name, content in contents.items()
    }
    if _hash(unsealed).encode() != stated:
        raise ChangedExport(path)


def _hash(contents: Mapping[str, bytes]) -> str:
    digest = hashlib.sha256()
    for name in sorted(contents, key=str.lower):
        digest.update(f"{len(contents[name])} ".encode() + contents[name])
    return digest.hexdigest()
