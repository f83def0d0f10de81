"""Whether what was asked for is for detectors, or for classifiers."""

from collections.abc import Mapping
from typing import Any

from shufflenet.errors import SpecError
from shufflenet.recipes import RECIPES, Recipe
from shufflenet.spec import Task
from shufflenet.train.detection._input_size import check_sizes

__all__ = ["check_recipe"]

_OF_CLASSIFIERS = (
    *("smallest_area", "balance", "trivial", "randaugment", "magnitude", "erasing", "mixup"),
    *("cutmix", "label_smoothing", "distillation", "temperature", "initialization"),
)
_OF_DETECTORS = ("zoom", "jitter", "mosaic")


def check_recipe(recipe: Recipe, fields: Mapping[str, Any], task: Task) -> None:
    """Check that a recipe and the fields that are overridden are for networks of a task.

    Raises:
        SpecError: they are not, or a size is none that a detector can have.
    """
    detects = task == "detection"
    if recipe.detects != detects:
        others = " or ".join(name for name, each in RECIPES.items() if each.detects == detects)
        raise SpecError("recipe", recipe.name, f"{others}, which train for --task {task}")
    kind = "detector" if detects else "classifier"
    for name in _OF_CLASSIFIERS if detects else _OF_DETECTORS:
        if name in fields:
            raise SpecError(name, fields[name], f"left out: it does nothing for a {kind}")
    if detects:
        check_sizes(recipe)
