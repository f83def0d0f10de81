"""Where labelled images come from: a folder of class folders, or a tar archive of one."""

import gzip
import os
import shutil
import tarfile
import tempfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import numpy.typing as npt

from shufflenet.errors import DataError, ImageError
from shufflenet.preprocess import cropped, decode
from shufflenet.spec import Preprocess

__all__ = [
    "IMAGE_SUFFIXES",
    "ImageSet",
    "Sample",
    "files_below",
    "load",
    "open_images",
    "relabelled",
    "split",
]

IMAGE_SUFFIXES = frozenset(
    (".bmp", ".gif", ".jpeg", ".jpg", ".png", ".ppm", ".tif", ".tiff", ".webp")
)
_LAYOUT = "Expected: DATA/<class>/<image>, as a folder, a .tar or a .tar.gz of one."


@dataclass(frozen=True, slots=True)
class Sample:
    """An image file and its class: ``size`` bytes from ``offset`` of ``path``, or all of it."""

    name: str
    label: int
    path: str
    offset: int = 0
    size: int = -1

    def read(self) -> bytes:
        """Read the bytes of the image file.

        Raises:
            DataError: the file cannot be read any more.
        """
        try:
            with open(self.path, "rb") as file:
                file.seek(self.offset)
                return file.read(self.size)
        except OSError as error:
            raise DataError(self.path, f"cannot be read ({error.strerror})", _LAYOUT) from error


@dataclass(frozen=True)
class ImageSet:
    """Labelled images; ``Sample.label`` is an index into ``classes``."""

    source: str
    classes: tuple[str, ...]
    samples: tuple[Sample, ...]
    spool: Any = field(default=None, repr=False, compare=False)  # open while the set is in use

    def __len__(self) -> int:
        return len(self.samples)


def open_images(source: str | Path) -> ImageSet:
    """List the images of a folder or archive; classes and images in the order of their names.

    An archive is read where it lies; a compressed one is first decompressed to a temporary
    file, which goes when the set does, since compressed data cannot be read from the middle.

    Raises:
        DataError: nothing is there, it cannot be read, it holds no images in class folders, or
            the name of such a folder is no text.
    """
    path = Path(source)
    spool = None
    if path.is_dir():
        files = _folder_files(path)
    elif path.is_file() and path.name.endswith(".tar"):
        files = _tar_files(path, path)
    elif path.is_file() and path.name.endswith((".tar.gz", ".tgz")):
        spool = _decompressed(path)
        files = _tar_files(path, Path(spool.name))
    elif path.exists():
        raise DataError(source, "is neither a folder nor a .tar or .tar.gz file", _LAYOUT)
    else:
        raise DataError(source, "is not there", _LAYOUT)
    return replace(_classified(str(source), files), spool=spool)


def files_below(
    folder: str | Path, refuse: Callable[[OSError], None] | None = None
) -> Iterator[str]:
    """List the files below a folder, linked folders too, but nothing that is hidden.

    A folder is listed once, by whichever path comes first: links may lead in circles.

    Args:
        folder: Where to look.
        refuse: Is told of every folder that cannot be listed; such are passed over unless given.
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


def _folder_files(folder: Path) -> list[Sample]:
    before = len(os.path.join(folder, ""))
    return [
        Sample(path[before:].replace(os.sep, "/"), -1, path)
        for path in files_below(folder, _refuse)
        if _is_image(os.path.basename(path))
    ]


def _refuse(error: OSError) -> None:
    raise DataError(str(error.filename), f"cannot be listed ({error.strerror})", _LAYOUT) from error


def _tar_files(path: Path, plain: Path) -> list[Sample]:
    try:
        with tarfile.open(plain, "r:") as archive:
            return [
                Sample(name, -1, str(plain), member.offset_data, member.size)
                for member in archive
                if member.isfile()
                and _is_image(name := str(PurePosixPath(member.name.lstrip("/"))))
            ]
    except (tarfile.TarError, OSError) as error:
        raise DataError(path, f"cannot be read as an archive ({error})", _LAYOUT) from error


def _decompressed(path: Path) -> "tempfile._TemporaryFileWrapper[bytes]":
    spool = tempfile.NamedTemporaryFile(prefix="shufflenet-", suffix=".tar")  # noqa: SIM115  # lives as long as the set
    try:
        with gzip.open(path) as file:
            shutil.copyfileobj(file, spool, 1 << 20)
        spool.flush()
    except (EOFError, zlib.error, OSError) as error:
        spool.close()
        raise DataError(path, f"cannot be decompressed ({error})", _LAYOUT) from error
    return spool


def _is_image(name: str) -> bool:
    path = PurePosixPath(name)
    hidden = any(part.startswith(".") for part in path.parts)
    return not hidden and path.suffix.lower() in IMAGE_SUFFIXES


def _classified(source: str, files: Iterable[Sample]) -> ImageSet:
    """Name classes by the first folder below the one that holds all classes.

    Raises:
        DataError: there are no images, one lies in no folder, or a class is called by no text.
    """
    files = sorted(files, key=lambda file: file.name)
    folders = [PurePosixPath(file.name).parts[:-1] for file in files]
    if not files:
        raise DataError(source, "holds no images", _LAYOUT)
    shared = os.path.commonpath(["/".join(("root", *folder)) for folder in folders]).count("/")
    depth = min(shared, min(map(len, folders)) - 1)
    if depth < 0:
        raise DataError(source, "holds images that lie in no class folder", _LAYOUT)
    names = [folder[depth] for folder in folders]
    classes = tuple(sorted(set(names)))
    _check_text(source, classes)
    index = {name: number for number, name in enumerate(classes)}
    samples = (replace(file, label=index[name]) for file, name in zip(files, names, strict=True))
    return ImageSet(source, classes, tuple(samples))


def _check_text(source: str, classes: Iterable[str]) -> None:
    """Refuse names that a card, which is UTF-8, cannot hold.

    Raises:
        DataError: a name holds bytes that are no UTF-8.
    """
    for name in classes:
        try:
            name.encode()
        except UnicodeEncodeError as error:
            problem = f"has a class folder whose name is no UTF-8, {os.fsencode(name)!r}"
            remedy = "Rename it, for models name their classes in UTF-8."
            raise DataError(source, problem, remedy) from error


def relabelled(images: ImageSet, classes: Sequence[str], index: dict[str, int]) -> ImageSet:
    """Number the labels as a model does: ``index`` maps a class folder's name to its number.

    Args:
        images: The set to relabel.
        classes: The model's classes, in its order.
        index: The number of every folder name that the model knows; several names may share one.

    Raises:
        DataError: a folder bears a name that the model does not know.
    """
    unknown = [name for name in images.classes if name not in index]
    if unknown:
        raise DataError(
            images.source,
            f"has {len(unknown)} class folders the model does not know, such as {unknown[0]!r}",
            f"The model knows {len(classes)} classes, such as {classes[0]!r}.",
        )
    numbers = [index[name] for name in images.classes]
    samples = tuple(replace(sample, label=numbers[sample.label]) for sample in images.samples)
    return replace(images, classes=tuple(classes), samples=samples)


def split(images: ImageSet, fraction: float, seed: int) -> tuple[ImageSet, ImageSet]:
    """Part a set in two, class by class: what stays, and about ``fraction`` of every class.

    Raises:
        DataError: a class has a single image, which cannot be on both sides.
    """
    counts = Counter(sample.label for sample in images.samples)
    single = [images.classes[label] for label, count in counts.items() if count < 2]
    if single:
        raise DataError(
            images.source,
            f"cannot be split, for class {single[0]!r} has one image",
            "Add images, or give a validation set of your own with --val.",
        )
    taken = set[int]()
    labels = np.array([sample.label for sample in images.samples])
    for label, count in sorted(counts.items()):
        order = np.random.default_rng((seed, label)).permutation(np.flatnonzero(labels == label))
        taken.update(order[: max(1, round(count * fraction))].tolist())
    kept = tuple(s for i, s in enumerate(images.samples) if i not in taken)
    held_out = tuple(s for i, s in enumerate(images.samples) if i in taken)
    return replace(images, samples=kept), replace(images, samples=held_out)


def load(source: Path | Sample, how: Preprocess) -> npt.NDArray[np.uint8] | ImageError:
    """Give an image decoded and cropped, ``(crop_px, crop_px, 3)``, or the reason why not."""
    try:
        if isinstance(source, Sample):
            return cropped(decode(source.read(), source.name, exif=how.exif), how)
        return cropped(decode(source, exif=how.exif), how)
    except ImageError as error:
        return error
