"""A set of images with boxes: checked, cut at the edges of images, and counted."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from shufflenet.data._sets import Sample
from shufflenet.data.boxes._findings import BoxFindings, Tally
from shufflenet.errors import (
    ImageError,
    NoBoxes,
    NoReadableImages,
    OtherImageSizes,
    SpecError,
    TinyImages,
)
from shufflenet.preprocess import upright_size

__all__ = [
    "Box",
    "BoxSet",
    "Marked",
    "check_box_set",
    "collect",
    "is_number",
    "read_size",
    "with_a_box",
]

_LEAST_SIDE_PX = 0.01  # of a box that has an area
_STICKS_OUT_PX = 1.0  # more is no rounding of whichever program wrote the box
_LARGEST = 1e9  # of a coordinate
_SMALL_PX = 32  # of an image: a detector's coarsest cell

Array = npt.NDArray[Any]
Box = tuple[float, float, float, float]


@dataclass(frozen=True, eq=False)
class BoxSet:
    """Images with the boxes of the objects in them.

    Attributes:
        samples: The images, in order of names; ``Sample.label`` is -1.
        classes: The names of the classes; labels are indices into them.
        boxes: Of each image the boxes in it, float32 ``(k, 4)``: left, top, width and height, px of
            the upright image. They are inside of it and have an area; ``k`` may be 0.
        labels: Of each image the classes of its boxes, intp ``(k,)``.
        ignored: Of each image whether a box counts neither for nor against a detector, bool
            ``(k,)``: COCO's crowds and VOC's difficult objects.
        source: The name of the data in errors and records.
        sizes: Of each image its width and height, px, upright; empty if they were not read.
        findings: What was understood of the data, and what of it is changed or left out.
        spool: The temporary file that samples are in, if any; it is deleted with the set.
    """

    samples: Sequence[Sample]
    classes: tuple[str, ...]
    boxes: Sequence[npt.NDArray[np.float32]]
    labels: Sequence[npt.NDArray[np.intp]]
    ignored: Sequence[npt.NDArray[np.bool_]]
    source: str
    sizes: Sequence[tuple[int, int]] = ()
    findings: BoxFindings = field(default=BoxFindings())
    spool: Any = field(default=None, repr=False)

    def __len__(self) -> int:
        return len(self.samples)


def check_box_set(images: object) -> None:
    """Check that images are a set of ``open_boxes``, not one without boxes.

    Raises:
        SpecError: they are of another type.
    """
    if not isinstance(images, BoxSet):
        name = f"of type {type(images).__name__}"
        raise SpecError("images", name, "a BoxSet of data.boxes.open_boxes")


def with_a_box(images: BoxSet) -> BoxSet:
    """Return a set that has a box which is not ignored: one to learn from and to measure by.

    Raises:
        NoBoxes: it has none.
    """
    if not any((~each).any() for each in images.ignored):
        found = replace(images.findings, unused_classes=()).sentences(images.source)
        ignored = sum(map(len, images.ignored))
        about = [f"Boxes that are ignored: {ignored}, all there are."] if ignored else []
        raise NoBoxes(images.source, [*about, *found])
    return images


@dataclass(slots=True)
class Marked:
    """An image and its boxes as a file states them.

    Attributes:
        sample: The image.
        boxes: Left, top, width and height of each, in pixels.
        labels: The class of each.
        ignored: Whether each counts neither for nor against a detector.
        stated: The image's width and height, px, as the annotations state them, if they do.
        relative: Whether boxes are in parts of the image's width and height, not in pixels.
    """

    sample: Sample
    boxes: list[Box] = field(default_factory=list)
    labels: list[int] = field(default_factory=list)
    ignored: list[bool] = field(default_factory=list)
    stated: tuple[int, int] | None = None
    relative: bool = False

    def add(self, box: Box, label: int, *, ignored: bool = False) -> None:
        """Add a box."""
        self.boxes.append(box)
        self.labels.append(label)
        self.ignored.append(ignored)


def collect(
    source: str,
    images: Iterable[Marked],
    classes: Sequence[str],
    findings: BoxFindings,
    tally: Tally,
) -> BoxSet:
    """Check images and boxes, and return the set of them.

    Args:
        source: The name of the data.
        images: The images, in any order.
        classes: The names of the classes.
        findings: What was understood of the data so far.
        tally: What was counted so far; more is counted in it.

    Raises:
        NoBoxes: there is not one image.
        NoReadableImages: not one can be read.
        OtherImageSizes: every image has another size than stated.
        TinyImages: every image has a side of less than 32 px.
    """
    images = sorted(images, key=lambda each: each.sample.name)
    if not images:
        raise NoBoxes(source, ["Its annotations name no image."])
    kept, sizes, arrays = [], [], []
    for image in images:
        name = image.sample.name
        try:
            size = read_size(image.sample)
        except ImageError:
            tally.add("unreadable", name)
            continue
        tally.add("other_sizes", name, image.stated not in (None, size))
        tally.add("small", name, min(size) < _SMALL_PX)
        kept.append(image)
        sizes.append(size)
        arrays.append(_clean(image, size, tally))
    _check_images(source, kept, tally)
    boxes, labels, ignored = zip(*arrays, strict=True)
    used = set(np.concatenate(labels).tolist())
    findings = replace(
        findings,
        without_boxes=sum(not len(each) for each in labels),
        ignored=sum(int(each.sum()) for each in ignored),
        unused_classes=tuple(name for i, name in enumerate(classes) if i not in used),
        unknown_classes=tally.unknown_classes,
        **tally.counts,  # type: ignore[arg-type]  # each is a field of that type
    )
    samples = tuple(each.sample for each in kept)
    return BoxSet(samples, tuple(classes), boxes, labels, ignored, source, sizes, findings)


def read_size(sample: Sample) -> tuple[int, int]:
    """Return the width and height, px, of an image as it stands upright.

    Raises:
        ImageError: it cannot be read.
        DataUnreadable: it is in an archive that can no longer be read.
    """
    return upright_size(sample.path if sample.size < 0 else sample.read(), sample.name)


def _check_images(source: str, kept: Sequence[Marked], tally: Tally) -> None:
    """Check that images can be learned from.

    Raises:
        NoReadableImages: not one can be read.
        OtherImageSizes: every image has another size than stated.
        TinyImages: every image has a side of less than 32 px.
    """
    if not kept:
        raise NoReadableImages(source)
    counts = tally.counts
    if "other_sizes" in counts and counts["other_sizes"].count == len(kept):
        raise OtherImageSizes(source, counts["other_sizes"].first)
    if "small" in counts and counts["small"].count == len(kept):
        raise TinyImages(source, counts["small"].first, _SMALL_PX)


def _clean(image: Marked, size: tuple[int, int], tally: Tally) -> tuple[Array, Array, Array]:
    """Return an image's boxes, labels and what is ignored: cut at its edges, without doubles."""
    name, (width, height) = image.sample.name, size
    given = np.array(image.boxes, np.float64).reshape(-1, 4)
    if image.relative:
        given = given * (width, height, width, height)
    labels, ignored = np.array(image.labels, np.intp), np.array(image.ignored, np.bool_)
    low, high = given[:, :2], given[:, :2] + np.maximum(given[:, 2:], 0)
    inner_low, inner_high = low.clip(0, size), high.clip(0, size)
    boxes = np.concatenate([inner_low, inner_high - inner_low], axis=1).astype(np.float32)
    out = (np.maximum(inner_low - low, high - inner_high) > _STICKS_OUT_PX).any(axis=1)
    has_area = (boxes[:, 2:] >= _LEAST_SIDE_PX).all(axis=1)
    tally.add("empty", name, int((~has_area).sum()))
    tally.add("clipped", name, int((out & has_area).sum()))
    kept = np.flatnonzero(has_area)
    if len(kept) > 1:
        keys = np.column_stack([labels[kept], np.round(boxes[kept], 2)])
        _, first = np.unique(keys, axis=0, return_index=True)
        tally.add("doubled", name, len(kept) - len(first))
        kept = kept[np.sort(first)]
    return boxes[kept], labels[kept], ignored[kept]


def is_number(value: object) -> bool:
    """Return whether a value from outside is a finite number of a size that pixels can have."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return -_LARGEST < value < _LARGEST
