"""A random view of a photo, or of four, with the boxes in it."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import interpolate

from shufflenet.data import Sample
from shufflenet.errors import DataError, ImageError
from shufflenet.preprocess import Pixels, mean_color, pixel_type, placement
from shufflenet.recipes import Recipe
from shufflenet.spec import Preprocess
from shufflenet.train._load_crop import load_photo
from shufflenet.train.detection._colors import jitter_colors
from shufflenet.train.detection._view import Boxes, View, draw_view

__all__ = ["Boxed", "collate_views", "load_view"]

_ASPECT = 1.16  # by which a part is wider or narrower than the photo, at most
_MIDDLE = 0.3, 0.7  # where the four photos of a mosaic meet, as shares of the sides


@dataclass(frozen=True, slots=True)
class Boxed:
    """Photos and the boxes in them.

    Attributes:
        samples: The photos.
        boxes: Of each the boxes to learn, ``(k, 5)``: class, left, top, right, bottom, px.
    """

    samples: tuple[Sample, ...]
    boxes: tuple[Boxes, ...]


def load_view(
    boxed: Boxed, number: int, how: Preprocess, recipe: Recipe, rng: np.random.Generator
) -> tuple[Tensor, Tensor]:
    """Return a random view of a photo and the boxes in it.

    It is a part of the photo, put into the input as validation puts a photo, with the mean color
    around it. With a probability of ``recipe.mosaic`` four photos share the input: this one and
    three others, whose parts are as large as their parts of the input.

    Source of the mosaic: Bochkovskiy et al. 2020, section 3.3, https://arxiv.org/abs/2004.10934

    Args:
        boxed: The photos.
        number: Of the photo.
        how: The size of the input, and how photos are put into it.
        recipe: Its zoom, jitter, mosaic and mirror.
        rng: Draws all that is random.

    Returns:
        Pixels ``(h, w, channels)``, uint8 or uint16; and boxes, float32 ``(k, 5)``: class, left,
        top, right, bottom in pixels of the input.

    Raises:
        DataError: there is no such file any more.
        ImageError: it cannot be read as an image, or not as one of these channels and bits.
    """
    canvas = np.empty((*how.size_px, how.in_channels), pixel_type(how))
    canvas[:] = mean_color(how)
    photo = load_photo(boxed.samples[number], how)
    painter = _Painter(canvas, how, recipe, rng)
    if rng.random() < recipe.mosaic:
        boxes = _paint_mosaic(painter, boxed, number, photo)
    else:
        boxes = painter.paint(photo, boxed.boxes[number], (0, how.height_px), (0, how.width_px))
    if recipe.mirror and rng.random() < 0.5:
        canvas, boxes = canvas[:, ::-1], _mirrored(boxes, how.width_px)
    if recipe.jitter:
        canvas = jitter_colors(canvas, recipe.jitter, rng, how.max_value)
    return torch.from_numpy(np.ascontiguousarray(canvas)), torch.from_numpy(boxes)


@dataclass(frozen=True, slots=True)
class _Painter:
    """What photos are painted on, and how their parts are drawn."""

    canvas: Pixels
    how: Preprocess
    recipe: Recipe
    rng: np.random.Generator

    def paint(
        self, photo: Pixels, boxes: Boxes, rows: tuple[int, int], columns: tuple[int, int]
    ) -> Boxes:
        """Paint a random part of a photo into a part of the canvas; return the boxes seen there.

        Without zoom, a pixel of the photo is as large as validation shows it. A part that fills the
        canvas has about the shape of the photo, and else that of the part of the canvas.

        Args:
            photo: ``(h, w, channels)``.
            boxes: Of the photo, ``(k, 5)``.
            rows: Of the canvas, the first and the one after the last.
            columns: Likewise.
        """
        height, width = photo.shape[:2]
        size = rows[1] - rows[0], columns[1] - columns[0]
        scale = placement(width, height, self.how).scale
        zoom = self.recipe.zoom ** self.rng.uniform(-1, 1)
        part = size[0] / scale[1] / zoom, size[1] / scale[0] / zoom
        if size == self.how.size_px:
            aspect = min(_ASPECT, self.recipe.zoom) ** self.rng.uniform(-1, 1)
            part = height / zoom / aspect, width / zoom * aspect
        view = draw_view((height, width), part, self.how.cropped_to(size), self.rng)
        _paint(self.canvas[slice(*rows), slice(*columns)], photo, view)
        moved = view.boxes(boxes)
        moved[:, 1::2] += columns[0]
        moved[:, 2::2] += rows[0]
        return moved


def _paint_mosaic(painter: _Painter, boxed: Boxed, number: int, photo: Pixels) -> Boxes:
    """Paint a photo and three others, and return their boxes; one that is unreadable stays out."""
    how, rng = painter.how, painter.rng
    rows, columns = (
        (0, round(side * rng.uniform(*_MIDDLE)), side) for side in (how.height_px, how.width_px)
    )
    places = [(rows[i : i + 2], columns[j : j + 2]) for i in (0, 1) for j in (0, 1)]
    others = rng.integers(len(boxed.samples), size=3).tolist()
    found = []
    for place, other in zip(rng.permutation(len(places)), [number, *others], strict=True):
        shown = photo if other == number else _load(boxed.samples[other], how)
        if shown is not None:
            (top, bottom), (left, right) = places[place]
            found.append(painter.paint(shown, boxed.boxes[other], (top, bottom), (left, right)))
    return np.concatenate(found)


def _load(sample: Sample, how: Preprocess) -> Pixels | None:
    """Return a photo; ``None`` if it cannot be read, of which its own view warns."""
    try:
        return load_photo(sample, how)
    except (DataError, ImageError):
        return None


def _paint(canvas: Pixels, photo: Pixels, view: View) -> None:
    """Resize what is shown of a photo into a canvas, both ``(h, w, channels)``.

    torch resizes bytes and floats, fast where the layout is recognized as channels last.
    """
    across, down = view.across, view.down
    part = np.array(photo[down.start : down.stop, across.start : across.stop])
    is_bytes = part.dtype == np.uint8
    batch = torch.from_numpy(part if is_bytes else part.astype(np.float32))[None]
    size = down.to_stop - down.to_start, across.to_stop - across.to_start
    resized = interpolate(batch.permute(0, 3, 1, 2), size=size, mode="bilinear", antialias=True)
    values = resized[0].permute(1, 2, 0).numpy()
    values = values if is_bytes else values.round()
    canvas[down.to_start : down.to_stop, across.to_start : across.to_stop] = values


def _mirrored(boxes: Boxes, width: int) -> Boxes:
    """Return boxes ``(k, 5)`` as they are in the mirrored input."""
    result = boxes.copy()
    result[:, 1], result[:, 3] = width - boxes[:, 3], width - boxes[:, 1]
    return result


def collate_views(views: Sequence[tuple[Tensor, Tensor]]) -> tuple[Tensor, Tensor]:
    """Return views as a batch: pixels ``(n, h, w, channels)`` and boxes ``(n, most, 5)``.

    Of a view with fewer boxes than others the last have the class -1, which is none.
    """
    most = max(1, *(len(boxes) for _, boxes in views))
    padded = torch.full((len(views), most, 5), -1.0)
    for row, (_, boxes) in zip(padded, views, strict=True):
        row[: len(boxes)] = boxes
    return torch.stack([pixels for pixels, _ in views]), padded
