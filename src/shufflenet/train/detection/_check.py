"""Whether a recipe is for detectors, or for classifiers."""

from dataclasses import fields

from shufflenet.errors import SpecError
from shufflenet.recipes import RECIPES, Recipe
from shufflenet.spec import Task
from shufflenet.train.detection._input_size import check_sizes

__all__ = ["check_recipe"]

# Fields that do nothing for a network of the other kind.
_OF_CLASSIFIERS = (
    *("smallest_area", "balance", "trivial", "randaugment", "magnitude", "erasing"),
    *("mixup", "cutmix", "label_smoothing", "distillation", "temperature", "initialization"),
)
_OF_DETECTORS = ("zoom", "jitter", "mosaic")


def check_recipe(recipe: Recipe, task: Task) -> None:
    """Check that a recipe is for networks of a task.

    Raises:
        SpecError: it is not, or has a field that does nothing for them, or a size that no detector
            can have.
    """
    detects = task == "detection"
    if recipe.detects != detects:
        known = ", ".join(name for name, each in RECIPES.items() if each.detects == detects)
        raise SpecError("recipe", recipe.name, f"one for --task {task}: {known}")
    usual = {field.name: field.default for field in fields(recipe)}
    usual["label_smoothing"] = 0.0 if detects else recipe.label_smoothing
    for name in _OF_CLASSIFIERS if detects else _OF_DETECTORS:
        if getattr(recipe, name) != usual[name]:
            kind = "detector" if detects else "classifier"
            expected = f"{usual[name]}, for it does nothing for a {kind}"
            raise SpecError(name, getattr(recipe, name), expected)
    if detects:
        check_sizes(recipe)
