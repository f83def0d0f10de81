"""Reading class folders: an image's class is the name of its folder."""

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path, PurePosixPath

from shufflenet.data._sets import ImageSet, Sample, check_text, is_image
from shufflenet.errors import DataUnreadable, ImagesOutsideClassFolders, NoImages

__all__ = ["files_below", "folder_files", "from_class_folders"]


def files_below(
    folder: str | Path, refuse: Callable[[OSError], None] | None = None
) -> Iterator[str]:
    """List the files below a folder, including linked folders, but nothing hidden.

    Every folder is listed once, by the first path that leads to it: links may form cycles.

    Args:
        folder: The root.
        refuse: Called with the error of a folder that cannot be listed; by default such folders
            are skipped.
    """
    seen = set[tuple[int, int]]()  # folders by device and number
    for parent, folders, names in os.walk(folder, onerror=refuse, followlinks=True):
        identity = os.stat(parent)
        if (identity.st_dev, identity.st_ino) in seen:
            folders.clear()
            continue
        seen.add((identity.st_dev, identity.st_ino))
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        yield from (os.path.join(parent, name) for name in names if not name.startswith("."))


def folder_files(folder: Path) -> list[Sample]:
    """List the images below a folder, without their labels.

    Raises:
        DataUnreadable: a folder cannot be listed.
    """
    before = len(os.path.join(folder, ""))
    return [
        Sample(path[before:].replace(os.sep, "/"), -1, path)
        for path in files_below(folder, _refuse)
        if is_image(os.path.basename(path))
    ]


def _refuse(error: OSError) -> None:
    raise DataUnreadable(str(error.filename), error.strerror) from error


def from_class_folders(source: str, files: Iterable[Sample]) -> ImageSet:
    """Label images by the first folder below the deepest one that holds all images.

    Args:
        source: The name of the data in errors.
        files: Images without labels, named by their path below ``source``, with slashes.

    Raises:
        ImagesOutsideClassFolders: an image is in no class folder.
        NoImages: there is not one image.
        ClassNameNotText: a class folder's name is not UTF-8.
    """
    files = sorted(files, key=lambda file: file.name)
    folders = [PurePosixPath(file.name).parts[:-1] for file in files]
    if not files:
        raise NoImages(source)
    shared = os.path.commonpath(["/".join(("root", *folder)) for folder in folders]).count("/")
    depth = min(shared, min(map(len, folders)) - 1)
    if depth < 0:
        raise ImagesOutsideClassFolders(source)
    names = [folder[depth] for folder in folders]
    classes = tuple(sorted(set(names)))
    check_text(source, classes)
    index = {name: number for number, name in enumerate(classes)}
    samples = (replace(file, label=index[name]) for file, name in zip(files, names, strict=True))
    return ImageSet(source, classes, tuple(samples))
