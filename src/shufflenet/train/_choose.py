"""What is done where nobody says what to do: a recipe by the images, and by what is begun with."""

import dataclasses
import io
import logging
import statistics
from collections.abc import Mapping
from typing import Any

from PIL import Image

from shufflenet.data import ImageSet, Sample
from shufflenet.errors import DataError
from shufflenet.recipes import Recipe, find_recipe, preprocess_for
from shufflenet.spec import Card

__all__ = ["settled", "shorter_side_px"]

_log = logging.getLogger(__name__)

_LOOKED_AT = 64  # images whose size is looked at, evenly over the set
_SIZES_PX = (32, 40, 48, 64, 80, 96, 128, 160, 192, 224)
_STEPS_AN_EPOCH = 10  # at least, as long as a batch is no smaller than this:
_SMALLEST_BATCH = 16
_FEW = 5000  # images, with which a start from random weights is a poor one


def settled(
    recipe: Recipe | None, fields: Mapping[str, Any], images: ImageSet, source: Card | None
) -> Recipe:
    """Settle what is done, and tell what was chosen and why.

    What is chosen is a function of the arguments, so that a run resumes by the command that
    started it.

    Args:
        recipe: What was asked for; none where that is to be chosen.
        fields: Values that were given; they go before those of a recipe and before any choice.
        images: What is trained on, with what will be held out of it.
        source: The card of the weights to start from, if there are any.

    Raises:
        SpecError: a value is impossible.
    """
    px = shorter_side_px(images)
    if recipe is not None:
        result = dataclasses.replace(recipe, **fields)
        if px is not None and result.image_px > 1.5 * px:
            _log.warning(
                "The recipe %s is for images of %d px or more; these have about %d px, and are "
                "enlarged. Another --image-px and --train-px would take less time.",
                *(result.name, result.image_px, px),
            )
        return result
    base = find_recipe("fine-tuning" if source else "small-images")
    changes = _sizes(base, fields, px, source) | _batches(base, fields, len(images))
    result = dataclasses.replace(base, **{**changes, **fields})
    because = "weights to start from are given" if source else "there are no weights to start from"
    sides = "" if px is None else f" (theirs have {px} px, the shorter side)"
    _log.info(
        "Chosen: the recipe %s, since %s; images of %d px%s, %d epochs, batches of %d, a learning "
        "rate of %g for %d images.",
        *(base.name, because, result.image_px, sides, result.epochs, result.batch_size),
        *(result.learning_rate, len(images)),
    )
    if source is None and len(images) < _FEW:
        _log.info("Of so few images trained weights usually make more: see --weights.")
    return result


def _sizes(
    base: Recipe, fields: Mapping[str, Any], px: int | None, source: Card | None
) -> dict[str, Any]:
    """Choose the sizes of images: what the weights know, or the largest for which they shrink.

    Shown as they are, images are sharper than the random crops that were trained on, and fewer
    are recognised (docs/training-log.md, run d).
    Without weights the first half of training sees images of 5/6 the size, as the recipe's own.
    """
    if "train_px" in fields:
        return {"image_px": fields["train_px"][-1]}
    if source is not None:
        image_px = fields.get("image_px", source.preprocess.crop_px)
        return {"image_px": image_px, "train_px": (image_px,)}
    if px is None and "image_px" not in fields:
        return {}
    fitting = [size for size in _SIZES_PX if px and preprocess_for(size).resize_px < px]
    image_px = fields.get("image_px", max(fitting, default=_SIZES_PX[0]))
    first = max(_SIZES_PX[0], round(image_px * base.train_px[0] / base.image_px / 8) * 8)
    return {"image_px": image_px, "train_px": tuple(dict.fromkeys((first, image_px)))}


def _batches(base: Recipe, fields: Mapping[str, Any], images: int) -> dict[str, Any]:
    """Choose the size of batches so that an epoch has steps enough, and the rate that suits it.

    The rate is proportional to the size: Goyal et al. 2017, section 2.1,
    https://arxiv.org/abs/1706.02677
    """
    size = base.batch_size
    while size > _SMALLEST_BATCH and images < _STEPS_AN_EPOCH * size:
        size //= 2
    size = fields.get("batch_size", size)
    return {"batch_size": size, "learning_rate": base.learning_rate * size / base.batch_size}


def shorter_side_px(images: ImageSet) -> int | None:
    """Say how long the shorter sides of images are, in the median of some; none can be read: none.

    Of a file no more is looked at than its header.
    """
    number = min(_LOOKED_AT, len(images))
    some = (images.samples[i * len(images) // number] for i in range(number))
    sides = [side for side in map(_shorter_side_px, some) if side]
    return round(statistics.median(sides)) if sides else None


def _shorter_side_px(sample: Sample) -> int:
    try:
        with Image.open(io.BytesIO(sample.read())) as image:
            return min(image.size)
    except (DataError, OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return 0  # that is told where it is trained on
