"""The recipe, image size and batch size that are chosen where none is named."""

import dataclasses
import logging
import statistics
from collections.abc import Mapping
from typing import Any

from shufflenet.data import ImageSet, Sample
from shufflenet.errors import DataError, ImageError
from shufflenet.preprocess import open_image
from shufflenet.recipes import Recipe, find_recipe, preprocess_for
from shufflenet.spec import Card

__all__ = ["choose_recipe", "shorter_side_px"]

_log = logging.getLogger(__name__)

_MEASURED = 64  # images whose size is read, evenly over the set
_SIZES_PX = (32, 40, 48, 64, 80, 96, 128, 160, 192, 224)
_MIN_STEPS_PER_EPOCH = 10  # unless batches would be smaller than this:
_MIN_BATCH = 16
_FEW = 5000  # images, with which starting from random weights works poorly


def choose_recipe(
    recipe: Recipe | None, fields: Mapping[str, Any], images: ImageSet, start: Card | None
) -> Recipe:
    """Return the recipe to train by, and log what was chosen and why.

    The choice is a function of the arguments, so that a run resumes by the command that started it.

    Args:
        recipe: The recipe that was named, if any.
        fields: Values that were given; they override those of a recipe and any choice.
        images: The images to train on, including those to be held out.
        start: The card of the weights to start from, if there are any.

    Raises:
        SpecError: a value is impossible.
    """
    px = shorter_side_px(images)
    if recipe is not None:
        result = dataclasses.replace(recipe, **fields)
        if px is not None and result.image_px > 1.5 * px:
            _log.warning(
                "The recipe %s is for images of %d px or more, but these have about %d px and are "
                "enlarged. A smaller --image-px and --train-px would take less time.",
                *(result.name, result.image_px, px),
            )
        return result
    base = find_recipe("fine-tuning" if start else "small-images")
    changes = _sizes(base, fields, px, start) | _batches(base, fields, len(images))
    result = dataclasses.replace(base, **{**changes, **fields})
    _log_choice(result, px, images, start)
    return result


def _log_choice(recipe: Recipe, px: int | None, images: ImageSet, start: Card | None) -> None:
    reason = "there are weights to start from" if start else "there are no weights to start from"
    sides = "" if px is None else f" (the shorter side of yours has {px} px)"
    _log.info(
        "Chosen: recipe %s, because %s; image size %d px%s, %d epochs, batch size %d, learning "
        "rate %g for %d images.",
        *(recipe.name, reason, recipe.image_px, sides, recipe.epochs, recipe.batch_size),
        *(recipe.learning_rate, len(images)),
    )
    if start is None and len(images) < _FEW:
        _log.info(
            "With fewer than %d images, starting from trained weights is usually more accurate: "
            "see --weights.",
            _FEW,
        )


def _sizes(
    base: Recipe, fields: Mapping[str, Any], px: int | None, start: Card | None
) -> dict[str, Any]:
    """Choose image sizes: those the weights know, or the largest to which images are shrunk.

    Images that are not shrunk look sharper than the random crops of training, and fewer of them
    are recognized (docs/training-log.md, run d).
    Without weights the first half of training uses 5/6 of the size, as the recipe itself does.
    """
    if "train_px" in fields:
        return {"image_px": fields["train_px"][-1]}
    if start is not None:
        image_px = fields.get("image_px", start.preprocess.crop_px)
        return {"image_px": image_px, "train_px": (image_px,)}
    if px is None and "image_px" not in fields:
        return {}
    fitting = [size for size in _SIZES_PX if px and preprocess_for(size).resize_px < px]
    image_px = fields.get("image_px", max(fitting, default=_SIZES_PX[0]))
    first = max(_SIZES_PX[0], round(image_px * base.train_px[0] / base.image_px / 8) * 8)
    return {"image_px": image_px, "train_px": tuple(dict.fromkeys((first, image_px)))}


def _batches(base: Recipe, fields: Mapping[str, Any], images: int) -> dict[str, Any]:
    """Choose a batch size that gives an epoch enough steps, and the learning rate for it.

    The rate is proportional to the size: Goyal et al. 2017, section 2.1,
    https://arxiv.org/abs/1706.02677
    """
    size = base.batch_size
    while size > _MIN_BATCH and images < _MIN_STEPS_PER_EPOCH * size:
        size //= 2
    size = fields.get("batch_size", size)
    return {"batch_size": size, "learning_rate": base.learning_rate * size / base.batch_size}


def shorter_side_px(images: ImageSet) -> int | None:
    """Return the median of the shorter sides of some images; ``None`` if none can be read.

    Only the header of a file is decoded.
    """
    number = min(_MEASURED, len(images))
    some = (images.samples[i * len(images) // number] for i in range(number))
    sides = [side for side in map(_shorter_side_px, some) if side]
    return round(statistics.median(sides)) if sides else None


def _shorter_side_px(sample: Sample) -> int:
    """Return the shorter side of an image; 0 if it cannot be read, which training reports."""
    try:
        with open_image(sample.read(), sample.name) as image:
            return min(image.size)
    except (DataError, ImageError):
        return 0
