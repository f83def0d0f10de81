"""What the folder of a training run says of its images: those held out, those trained on.

``held-out.csv`` names the images that the run was validated on, and ``trained-on.npy`` holds a
fingerprint of each image that it was trained on: a number, from which no image can be made.
"""

import csv
import hashlib
import io
import os
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from shufflenet.data import (
    ImageSet,
    Sample,
    join_labels,
    open_images,
    split_labels,
    with_label_sets,
)
from shufflenet.data.boxes import BoxSet
from shufflenet.errors import DataError, HeldOutListDamaged, HeldOutMissing, NoHeldOutList
from shufflenet.files import write_atomic
from shufflenet.outside import open_regular
from shufflenet.outside.arrays import open_array
from shufflenet.spec import Task

__all__ = [
    "Fingerprints",
    "count_in",
    "count_trained_on",
    "fingerprints",
    "held_out",
    "is_run",
    "lists_images",
    "write_images",
]

Fingerprints = npt.NDArray[np.uint64]

_HELD_OUT, _TRAINED_ON, _RECORD = "held-out.csv", "trained-on.npy", "run.json"
_COLUMNS = ["path", "label", "within"]  # within: the name of an image inside of an archive
_OF_SEVERAL = ["path", "labels", "within"]  # of a multi-label set: labels separated by bars
_MOST = 50_000  # images of a set that are fingerprinted, evenly over it
_PIECE = 4096  # bytes read at the begin, in the middle and at the end of an image


def is_run(folder: str | Path) -> bool:
    """Return whether a path leads to the folder of a training run."""
    return os.path.isfile(os.path.join(folder, _RECORD))  # false where a name is too long


def lists_images(run: Path) -> bool:
    """Return whether ``write_images`` was called for a folder."""
    return (run / _HELD_OUT).exists() and (run / _TRAINED_ON).exists()


def write_images(run: Path, training: Fingerprints, validation: ImageSet) -> None:
    """Write which images a run trains on and which it holds out.

    Args:
        run: The folder.
        training: The ``fingerprints`` of the images trained on.
        validation: The images held out.

    Raises:
        WriteError: the folder cannot be written.
    """
    table = io.StringIO(newline="")
    writer = csv.writer(table)
    several = validation.task != "classification"
    writer.writerow(_OF_SEVERAL if several else _COLUMNS)
    for sample in validation.samples:
        is_file = sample.size < 0
        path = os.path.abspath(sample.path if is_file else validation.source)
        label = join_labels(validation, sample) if several else validation.classes[sample.label]
        writer.writerow([path, label, "" if is_file else sample.name])
    write_atomic(run / _HELD_OUT, table.getvalue().encode("utf-8", "surrogateescape"))
    content = io.BytesIO()
    np.save(content, training)
    write_atomic(run / _TRAINED_ON, content.getvalue())


def held_out(run: str | Path) -> ImageSet:
    """Read the images that a run was validated on, with their labels as text in ``classes``.

    Args:
        run: The folder of the run; it may have been moved, the images may not.

    Raises:
        NoHeldOutList: the folder has no ``held-out.csv``.
        HeldOutListDamaged: that file cannot be parsed.
        HeldOutMissing: images that it names are gone.
        DataError: an archive that it names cannot be read.
    """
    run = Path(run)
    rows, task = _read_rows(run)
    sources = {path: _by_name(path) for path in sorted({p for p, _, within in rows if within})}
    samples, missing = [], []
    for path, label, within in rows:
        sample = _find(path, within, sources)
        if sample is None:
            missing.append(f"{path}: {within}" if within else path)
        else:
            samples.append((sample, label))
    if missing:
        raise HeldOutMissing(run, missing, len(rows))
    spools = [images.spool for found, _ in sources.values() for images in found]
    return replace(_labeled(run, samples, task), spool=spools)


def _labeled(run: Path, images: Sequence[tuple[Sample, str]], task: Task) -> ImageSet:
    """Return images with the labels that the list has of them.

    Raises:
        HeldOutListDamaged: a label between bars is empty, or doubled.
    """
    if task == "multi-label":
        try:
            sets = [(each, split_labels(str(run), each.name, label)) for each, label in images]
            return with_label_sets(str(run), sets)
        except DataError as error:
            raise HeldOutListDamaged(run, error) from error
    classes = sorted({label for _, label in images})
    number = {label: index for index, label in enumerate(classes)}
    samples = tuple(replace(sample, label=number[label]) for sample, label in images)
    return ImageSet(str(run), tuple(classes), samples)


_Source = tuple[list[ImageSet], dict[str, list[Sample]]]  # its sets, and their images by name


def _by_name(source: str) -> _Source:
    """Open an archive with all of its splits."""
    found = [open_images(source, "train")]
    if found[0].findings.validation:
        found.append(open_images(source, "val"))
    by_name = defaultdict[str, list[Sample]](list)
    for images in found:
        for sample in reversed(images.samples):  # the first of a name is the first that is taken
            by_name[sample.name].append(sample)
    return found, by_name


def _find(path: str, within: str, sources: dict[str, _Source]) -> Sample | None:
    """Return a sample without its label, or ``None`` if there is no such image any more."""
    if not within:
        return Sample(path, -1, path) if Path(path).is_file() else None
    same_name = sources[path][1].get(within)
    return same_name.pop() if same_name else None


def _read_rows(run: Path) -> tuple[list[tuple[str, str, str]], Task]:
    """Return path, label and name within an archive of every held-out image, and what labels are.

    Raises:
        NoHeldOutList: there is no such file.
        HeldOutListDamaged: it cannot be parsed.
    """
    path = run / _HELD_OUT
    if not path.is_file():
        raise NoHeldOutList(run)
    try:
        with path.open(newline="", encoding="utf-8", errors="surrogateescape") as file:
            header, *rows = csv.reader(file)
            entries = [(path, label, within) for path, label, within in rows]
    except (OSError, ValueError, csv.Error) as error:
        raise HeldOutListDamaged(run, error) from error
    if header not in (_COLUMNS, _OF_SEVERAL) or not entries:
        raise HeldOutListDamaged(run, ValueError("it is not a list of path, label and within"))
    return entries, "multi-label" if header == _OF_SEVERAL else "classification"


def fingerprints(images: ImageSet) -> Fingerprints:
    """Return numbers that tell the images of a set apart by their bytes, sorted.

    Of more than 50,000 images as many, evenly over the set, are read. Files that cannot be read
    have none.
    """
    step = max(1, -(-len(images) // _MOST))
    return np.unique(_numbers(images.samples[::step]))


def count_trained_on(model: str | Path, images: ImageSet | BoxSet) -> int:
    """Return how many images of a set a model was trained on, at least.

    Args:
        model: A file in the folder of the run that trained it, such as ``best.safetensors``.
            Elsewhere nothing is known, and the answer is 0.
        images: Any images; a copy of an image counts, whatever its name.
    """
    try:
        trained = open_array(Path(model).parent / _TRAINED_ON)
    except (OSError, ValueError):  # there is none, or it is damaged
        return 0
    if trained.dtype != np.uint64:
        return 0
    return count_in(trained, images)


def count_in(trained: Fingerprints, images: ImageSet | BoxSet) -> int:
    """Return how many images of a set have one of the given fingerprints."""
    return int(np.isin(_numbers(images.samples), trained).sum())


def _numbers(samples: Iterable[Sample]) -> Fingerprints:
    found = (_fingerprint(sample) for sample in samples)
    return np.array([number for number in found if number is not None], np.uint64)


def _fingerprint(sample: Sample) -> int | None:
    """Return a hash of the size of an image file and of three pieces of it."""
    try:
        with open_regular(sample.path) as file:
            size = os.fstat(file.fileno()).st_size if sample.size < 0 else sample.size
            parts = [str(size).encode()]
            for start in sorted({0, size // 2, max(0, size - _PIECE)}):
                file.seek(sample.offset + start)
                parts.append(file.read(min(_PIECE, size - start)))
    except OSError:
        return None
    return int.from_bytes(hashlib.blake2b(b"".join(parts), digest_size=8).digest())
