"""The recipe, image size and batch size that are chosen where none is named."""

import dataclasses
import logging
import statistics
from collections.abc import Mapping
from typing import Any

from shufflenet.data import ImageSet, Sample
from shufflenet.errors import DataError, ImageError
from shufflenet.preprocess import open_image
from shufflenet.recipes import (
    Recipe,
    Size,
    find_recipe,
    preprocess_for,
    share_of_size,
    sides,
    simplest,
)
from shufflenet.spec import Card, Fit
from shufflenet.train.detection import input_size

__all__ = ["choose_recipe", "fitted_side_px"]

_log = logging.getLogger(__name__)

_MEASURED = 64  # images whose size is read, evenly over the set
_SIZES_PX = (32, 40, 48, 64, 80, 96, 128, 160, 192, 224)
_MIN_STEPS_PER_EPOCH = 10  # unless batches would be smaller than this:
_MIN_BATCH = 16
_FEW = 5000  # images, with which starting from random weights works poorly


def choose_recipe(
    recipe: Recipe | None,
    fields: Mapping[str, Any],
    images: ImageSet,
    start: Card | None,
    fit: Fit = "crop",
) -> Recipe:
    """Return the recipe to train by, and log what was chosen and why.

    The choice is a function of the arguments, so that a run resumes by the command that started it.

    Args:
        recipe: The recipe that was named, if any.
        fields: Values that were given; they override those of a recipe and any choice.
        images: The images to train on, including those to be held out.
        start: The card of the weights to start from, if there are any.
        fit: How images of another shape than the input are made to fit.

    Raises:
        SpecError: a value is impossible.
    """
    px = fitted_side_px(images, fit)
    if recipe is not None:
        result = dataclasses.replace(recipe, **_like_image_px(recipe, fields), **fields)
        if px is not None and _fitted_side(*sides(result.image_px), fit) > 1.5 * px:
            _log.warning(
                "The recipe %s is for images of %s px or more, but these have about %d px and are "
                "enlarged. A smaller --image-px and --train-px would take less time.",
                *(result.name, _in_words(result.image_px), px),
            )
        return result
    if images.task == "detection":
        return _choose_for_boxes(fields, images, start)
    base = find_recipe("fine-tuning" if start else "small-images")
    fitting = [size for size in _SIZES_PX if px and preprocess_for(size, fit).resize_px < px]
    usual = max(fitting, default=_SIZES_PX[0]) if px else None
    changes = _sizes(base, fields, usual, start) | _batches(base, fields, len(images))
    result = dataclasses.replace(base, **{**changes, **fields})
    _log_choice(result, px, images, start, fit)
    return result


def _choose_for_boxes(fields: Mapping[str, Any], images: ImageSet, start: Card | None) -> Recipe:
    """Return the recipe of a detector, for an input shaped like most of the images."""
    base = find_recipe("detection")
    own = start if start and start.task == "detection" else None
    sizes = [size for size in map(_size_of, images.spread(_MEASURED)) if size]
    usual = input_size(sizes)
    changes = dict[str, Any](batch_size=fields.get("batch_size", base.batch_size))
    size = fields.get("image_px", own.preprocess.crop_px if own else usual)
    changes |= {"image_px": size, "train_px": (size,)}
    if "train_px" in fields:
        changes["image_px"] = fields["train_px"][-1]
    rate = base.learning_rate * changes["batch_size"] / base.batch_size
    recipe = dataclasses.replace(base, **{**changes, "learning_rate": rate, **fields})
    _log.info(
        "Chosen: recipe %s, image size %s px, %d epoch%s, batch size %d, learning rate %g for %d "
        "images.",
        *(recipe.name, _in_words(recipe.image_px)),
        *(recipe.epochs, "" if recipe.epochs == 1 else "s"),
        *(recipe.batch_size, recipe.learning_rate, len(images)),
    )
    return recipe


def _in_words(size: Size) -> str:
    return " x ".join(map(str, [size] if isinstance(size, int) else size))


def _log_choice(
    recipe: Recipe, px: int | None, images: ImageSet, start: Card | None, fit: Fit
) -> None:
    reason = "there are weights to start from" if start else "there are no weights to start from"
    side = "longer" if fit == "pad" else "shorter"
    yours = "" if px is None else f" (the {side} side of yours has {px} px)"
    _log.info(
        "Chosen: recipe %s, because %s; image size %s px%s, %d epoch%s, batch size %d, "
        "learning rate %g for %d images.",
        *(recipe.name, reason, _in_words(recipe.image_px), yours),
        *(recipe.epochs, "" if recipe.epochs == 1 else "s"),
        recipe.batch_size,
        *(recipe.learning_rate, len(images)),
    )
    if start is None and len(images) < _FEW:
        _log.info(
            "With fewer than %d images, starting from trained weights is usually more accurate: "
            "see --weights.",
            _FEW,
        )


def _sizes(
    base: Recipe, fields: Mapping[str, Any], usual: int | None, start: Card | None
) -> dict[str, Any]:
    """Choose image sizes: those the weights know, or the largest to which images are shrunk.

    Images that are not shrunk look sharper than the random crops of training, and fewer of them
    are recognized (docs/training-log.md, run d).
    Without weights the first half of training uses 5/6 of the size, as the recipe itself does.

    Args:
        base: The recipe.
        fields: Values that were given.
        usual: The largest size to which images are shrunk; ``None`` if none can be read.
        start: The card of the weights to start from.
    """
    if "train_px" in fields:
        return {"image_px": fields["train_px"][-1]}
    if start is not None:
        image_px = fields.get("image_px", start.preprocess.crop_px)
        return {"image_px": image_px, "train_px": (image_px,)}
    image_px = fields.get("image_px", usual)
    if image_px is None:
        return {}
    return {"image_px": image_px, "train_px": _train_px(base, image_px)}


def _train_px(recipe: Recipe, image_px: Size) -> tuple[Size, ...]:
    """Return the sizes in training as a recipe's are to its size in validation, and then that."""
    first = share_of_size(image_px, min(sides(recipe.train_px[0])), min(sides(recipe.image_px)))
    return tuple(dict.fromkeys((first, simplest(image_px))))


def _like_image_px(recipe: Recipe, fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return the sizes in training of a named recipe where only a rectangle to validate is given.

    They are rectangles too. A square leaves them as they are.
    """
    height, width = sides(fields.get("image_px", recipe.image_px))
    if "train_px" in fields or height == width:
        return {}
    whole = min(sides(recipe.image_px))
    parts = (min(sides(size)) for size in recipe.train_px)
    scaled = (share_of_size((height, width), part, whole) for part in parts)
    return {"train_px": tuple(dict.fromkeys(scaled))}


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


def fitted_side_px(images: ImageSet, fit: Fit = "crop") -> int | None:
    """Return the median of the sides of some images that decide whether they are shrunk.

    It is the shorter side, but the longer one where images are padded; ``None`` if none can be
    read. Only the header of a file is decoded.
    """
    sizes = map(_size_of, images.spread(_MEASURED))
    found = [_fitted_side(*size, fit) for size in sizes if size]
    return round(statistics.median(found)) if found else None


def _fitted_side(height: int, width: int, fit: Fit) -> int:
    return max(height, width) if fit == "pad" else min(height, width)


def _size_of(sample: Sample) -> tuple[int, int] | None:
    """Return the height and width of an image; none if it cannot be read, which training tells."""
    try:
        with open_image(sample.read(), sample.name) as image:
            return image.height, image.width
    except (DataError, ImageError):
        return None
