"""What ``predict`` answers of images: classes, or boxes; as JSON, as rows and for people."""

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from shufflenet.cli._images import with_standard_input

if TYPE_CHECKING:
    from shufflenet.errors import ImageError
    from shufflenet.runtimes import Model
    from shufflenet.spec import Card, Detection

__all__ = ["TOP", "Answer", "Answers", "Asked", "answers_of"]

TOP = 5  # classes of an image


@dataclass(frozen=True, slots=True)
class Asked:
    """What is asked of a model, as options say it; None for what is usual.

    Attributes:
        top: The most classes or boxes of an image.
        min_score: The least score of a box.
        draw: Where images are written with their boxes.
    """

    top: int | None
    min_score: float | None
    draw: Path | None


@dataclass(frozen=True, slots=True)
class Answer:
    """What a model says of an image.

    Attributes:
        fields: What ``--json`` prints, besides the path.
        rows: Those of ``--csv``, without the path.
        lines: What people read.
    """

    fields: dict[str, object]
    rows: list[tuple[object, ...]]
    lines: list[str]


_Answer = Callable[["Model", Sequence[Path], Asked, int], "Iterator[Answer | ImageError]"]


@dataclass(frozen=True, slots=True)
class Answers:
    """The answers of models of a task.

    Attributes:
        columns: Those of ``--csv``, after the path.
        answer: Answers images, given by a model, paths, what is asked, and how many are computed at
            once.
    """

    columns: tuple[str, ...]
    answer: _Answer


def answers_of(card: "Card") -> Answers:
    """Return how a model of this card answers."""
    return _BOXES if card.detector else _CLASSES


def _classes(
    model: "Model", paths: Sequence[Path], asked: Asked, batch: int
) -> "Iterator[Answer | ImageError]":
    """Yield the most probable classes of every image.

    Raises:
        FindsNoBoxes: what is asked is about boxes.
        CheckpointError: the model cannot be computed.
    """
    from shufflenet.errors import FindsNoBoxes, ImageError
    from shufflenet.runtimes import classify

    if asked.min_score is not None or asked.draw is not None:
        raise FindsNoBoxes(model.card.name)
    for _, result in classify(model, with_standard_input(paths), k=asked.top or TOP, batch=batch):
        if isinstance(result, ImageError):
            yield result
            continue
        yield Answer(
            {"predictions": [dataclasses.asdict(each) for each in result]},
            [
                (rank, each.index, each.label, f"{each.probability:.6f}")
                for rank, each in enumerate(result, 1)
            ],
            [f"{each.probability:6.1%}  {each.label}" for each in result],
        )


def _boxes(
    model: "Model", paths: Sequence[Path], asked: Asked, batch: int
) -> "Iterator[Answer | ImageError]":
    """Yield the boxes in every image, which is written with them if that is asked.

    Raises:
        CheckpointError: the model cannot be computed.
        WriteError: a picture cannot be written.
    """
    from shufflenet.boxes import Search
    from shufflenet.errors import ImageError
    from shufflenet.runtimes import detect

    given: dict[str, Any] = {"min_score": asked.min_score, "k": asked.top}
    search = Search(**{name: value for name, value in given.items() if value is not None})
    pictures = with_standard_input(paths)
    found = detect(model, pictures, search, batch=batch)
    for path, (picture, result) in zip(paths, found, strict=True):
        if isinstance(result, ImageError):
            yield result
            continue
        fields: dict[str, object] = {"detections": [dataclasses.asdict(each) for each in result]}
        lines = [_line(each) for each in result] or ["no boxes"]
        if asked.draw:
            file = _draw(asked.draw, path, picture, result, exif=model.card.preprocess.exif)
            fields["file"] = str(file)
            lines.append(f"drawn in {file}")
        rows = [
            (rank, each.index, each.label, f"{each.score:.6f}", *(f"{x:.2f}" for x in each.box))
            for rank, each in enumerate(result, 1)
        ]
        yield Answer(fields, rows, lines)


_CLASSES = Answers(("rank", "index", "label", "probability"), _classes)
_BOXES = Answers(("rank", "index", "label", "score", "left", "top", "width", "height"), _boxes)


def _line(found: "Detection") -> str:
    """Return what people read of a box."""
    left, top, width, height = found.box
    size = f"{width:.0f}x{height:.0f} px"
    return f"{found.score:5.2f}  {found.label}  {size}, {left:.0f} from left, {top:.0f} from top"


def _draw(
    folder: Path, path: Path, picture: Path | bytes, found: "Sequence[Detection]", *, exif: bool
) -> Path:
    """Write an image with its boxes, as the model saw it, and return where it is."""
    from shufflenet.draw import draw_boxes, write_drawing
    from shufflenet.preprocess import decode_to_show

    photo = decode_to_show(picture, str(path), exif=exif)
    return write_drawing(folder, str(path), draw_boxes(photo, found))
