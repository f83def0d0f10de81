"""Heat maps written into a folder in which other files may lie."""

from pathlib import Path

from PIL import Image

from shufflenet.files import is_picture_of, write_picture
from shufflenet.labels import file_name
from shufflenet.spec import Label

__all__ = ["is_heat_map", "write_heat_map"]

_MARK = "shufflenet explain"


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
    stem = f"{file_name(Path(photo).stem)}.{file_name(label.name)}"
    shows = f"{Path(photo).absolute()}\0{label.id}\0{label.name}"
    return write_picture(folder, stem, picture, _MARK, shows)


def is_heat_map(path: Path) -> bool:
    """Return whether a file is a picture that ``write_heat_map`` wrote."""
    return is_picture_of(path, _MARK)
