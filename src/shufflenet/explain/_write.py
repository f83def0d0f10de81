"""Pictures written into a folder in which other files may lie."""

import hashlib
import io
import os
from pathlib import Path

from PIL import Image

from shufflenet.errors import ImageError
from shufflenet.files import write_atomic
from shufflenet.labels import file_name
from shufflenet.preprocess import open_image
from shufflenet.spec import Label

__all__ = ["is_heat_map", "write_heat_map"]

_MARK = b"shufflenet explain "  # the comment of a picture begins so
_QUALITY = 90  # of a JPEG


def write_heat_map(folder: Path, photo: str, label: Label, picture: Image.Image) -> Path:
    """Write a picture as ``photo.label.jpg`` and return its path.

    An older picture of the same photo and class is replaced, told by a mark inside it. Any other
    file of that name stays, and a number is added: ``photo.label-2.jpg``.

    Args:
        folder: Where to write; it is created if it is missing.
        photo: The path of the photo.
        label: The class, whose name may hold any characters and be another class's too.
        picture: The picture.

    Raises:
        WriteError: the disk is full or the folder cannot be written.
    """
    mark = _mark(photo, label)
    stem = f"{file_name(Path(photo).stem)}.{file_name(label.name)}"
    number, path = 1, folder / f"{stem}.jpg"
    while os.path.lexists(path) and _comment(path) != mark:
        number += 1
        path = folder / f"{stem}-{number}.jpg"
    content = io.BytesIO()
    picture.save(content, "JPEG", quality=_QUALITY, comment=mark)
    write_atomic(path, content.getvalue())
    return path


def _mark(photo: str, label: Label) -> bytes:
    """Return what a picture of a photo and a class holds: no path, for pictures are passed on."""
    key = f"{Path(photo).absolute()}\0{label.id}\0{label.name}".encode(errors="surrogateescape")
    return _MARK + hashlib.sha256(key).hexdigest()[:16].encode()


def is_heat_map(path: Path) -> bool:
    """Return whether a file is a picture that ``write_heat_map`` wrote."""
    return _comment(path).startswith(_MARK)


def _comment(path: Path) -> bytes:
    """Return the comment in an image file; none of a file that is no image."""
    try:
        with open_image(path, str(path)) as image:
            comment = image.info.get("comment")
            return comment if isinstance(comment, bytes) else b""
    except ImageError:
        return b""
