"""Pictures written into a folder in which other files may lie."""

import hashlib
import io
import os
from pathlib import Path

from PIL import Image

from shufflenet.errors import ImageError
from shufflenet.files._atomic import write_atomic
from shufflenet.preprocess import open_image

__all__ = ["is_picture_of", "write_picture"]

_QUALITY = 90  # of a JPEG
_DIGITS = 16  # of the hash of what a picture shows


def write_picture(folder: Path, stem: str, picture: Image.Image, mark: str, shows: str) -> Path:
    """Write a picture as ``stem.jpg`` and return its path.

    An older picture of the same is replaced, told by a mark inside it: the hash of what it shows,
    which names no path, for pictures are passed on. Any other file of that name stays, and a number
    is added: ``stem-2.jpg``.

    Args:
        folder: Where to write; it is created if it is missing.
        stem: The name without its suffix, which a file may have.
        picture: The picture.
        mark: What its comment begins with, such as "shufflenet explain".
        shows: What it shows, of which there is one picture.

    Raises:
        WriteError: the disk is full or the folder cannot be written.
    """
    digits = hashlib.sha256(shows.encode(errors="surrogateescape")).hexdigest()[:_DIGITS]
    comment = f"{mark} {digits}".encode()
    number, path = 1, folder / f"{stem}.jpg"
    while os.path.lexists(path) and _comment(path) != comment:
        number += 1
        path = folder / f"{stem}-{number}.jpg"
    content = io.BytesIO()  # of full color, for lines are thin
    picture.save(content, "JPEG", quality=_QUALITY, subsampling=0, comment=comment)
    write_atomic(path, content.getvalue())
    return path


def is_picture_of(path: Path, mark: str) -> bool:
    """Return whether a file is a picture that ``write_picture`` wrote with that mark."""
    return _comment(path).startswith(f"{mark} ".encode())


def _comment(path: Path) -> bytes:
    """Return the comment in an image file; none of a file that is no image."""
    try:
        with open_image(path, str(path)) as image:
            comment = image.info.get("comment")
            return comment if isinstance(comment, bytes) else b""
    except ImageError:
        return b""
