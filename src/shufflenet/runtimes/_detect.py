"""Boxes of images: decoded, resized, computed and searched batch by batch on all cores."""

from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from typing import TypeAlias, TypeVar

from shufflenet.boxes import Search, find_detections
from shufflenet.data import Photo, Sample
from shufflenet.errors import ImageError
from shufflenet.preprocess import Pixels, placement
from shufflenet.runtimes._classifier import Classifier, check_detector
from shufflenet.runtimes._classify import each_batch, in_one_array
from shufflenet.runtimes._guard import guarded
from shufflenet.runtimes._pictures import Picture, load_picture
from shufflenet.spec import Detection

__all__ = ["Found", "detect"]

_Source = TypeVar("_Source", bound=Picture | Sample | Photo)
Found: TypeAlias = tuple[Detection, ...]  # in one image, best first


def detect(
    detector: Classifier,
    pictures: Iterable[_Source],
    search: Search | None = None,
    *,
    batch: int = 8,
) -> Iterator[tuple[_Source, Found | ImageError]]:
    """Find boxes in images on all cores.

    Boxes are in pixels of the image, upright by its EXIF tag if the card says that this is
    followed, and cut at its edges.

    Args:
        detector: What computes rows of boxes; it should use one thread itself.
        pictures: Paths, samples, photos of a data set or other pictures.
        search: Which boxes are returned.
        batch: The number of images that are computed at once.

    Returns:
        An iterator of every picture, in order, with its boxes, best first, or with the reason it
        could not be read.

    Raises:
        FindsNoBoxes: it is a classifier.
        SpecError: the network takes other channels than its preprocessing gives, or a picture is
            none.
        CheckpointError: the network cannot be computed, or not to finite numbers.
    """
    check_detector(detector.card)
    run = partial(_run_batch, detector, search or Search())
    return each_batch(run, detector.card, pictures, batch=batch)


def _run_batch(
    detector: Classifier, search: Search, pictures: Sequence[_Source]
) -> list[tuple[_Source, Found | ImageError]]:
    """Return each picture of a batch with its boxes, or with its error."""
    loaded = [_Loaded(picture, detector) for picture in pictures]
    images = [each.pixels for each in loaded if not isinstance(each.pixels, ImageError)]
    rows = iter(guarded(detector)(in_one_array(images)) if images else ())
    card, results = detector.card, list[Found | ImageError]()
    labels = [label.name for label in card.labels]
    for each in loaded:
        if isinstance(each.pixels, ImageError):
            results.append(each.pixels)
        else:
            place = placement(*each.size, card.preprocess)
            results.append(tuple(find_detections(next(rows), labels, place, search)))
    return list(zip(pictures, results, strict=True))


class _Loaded:
    """A picture as the network sees it, and the size that it had."""

    def __init__(self, picture: Picture | Sample | Photo, detector: Classifier) -> None:
        self.size = (0, 0)  # width and height, px
        how = detector.card.preprocess
        self.pixels: Pixels | ImageError = load_picture(picture, how, on_size=self._set_size)

    def _set_size(self, width: int, height: int) -> None:
        self.size = width, height
