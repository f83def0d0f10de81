import dataclasses
import itertools

import pytest

from shufflenet.errors import SpecError, UnknownName
from shufflenet.recipes import RECIPES, find_recipe, preprocess_for
from shufflenet.spec import Preprocess

SMALL = find_recipe("small-images")


def test_the_learning_rate_rises_in_a_line_and_falls_along_a_cosine_to_nothing() -> None:
    rates = [SMALL.learning_rate_at(step, 1000) for step in range(1000)]
    top = rates.index(max(rates))
    assert max(rates) == SMALL.learning_rate
    assert top == round(SMALL.warmup * 1000) - 1
    assert rates[: top + 1] == sorted(rates[: top + 1])
    assert rates[top + 1 :] == sorted(rates[top + 1 :], reverse=True)
    assert rates[-1] < 1e-4


@pytest.mark.parametrize("steps", [1, 2, 3])
def test_the_shortest_runs_have_a_learning_rate(steps: int) -> None:
    assert all(SMALL.learning_rate_at(step, steps) > 0 for step in range(steps))


def test_sizes_take_turns_of_equal_length() -> None:
    recipe = dataclasses.replace(SMALL, epochs=6, train_px=(32, 40, 48))
    assert [recipe.px_at(epoch) for epoch in range(6)] == [32, 32, 40, 40, 48, 48]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("epochs", 0),
        ("batch_size", -1),
        ("learning_rate", 0.0),
        ("warmup", 1.0),
        ("smallest_area", -0.1),
        ("train_px", (15,)),
        ("train_px", (32, (8, 64))),
        ("image_px", 8),
        ("image_px", (32, 5000)),
        ("image_px", 5000),
        ("seed", -1),
        ("mixup", -1.0),
        ("cutmix", float("nan")),
        ("schedule", "square"),
        ("average", 1.0),
        ("accumulate", 0),
        ("distillation", 1.5),
        ("temperature", 0.0),
        ("clip", float("inf")),
        ("patience", -1),
        ("repeats", 0),
        ("balance", 1.1),
        ("balance", float("nan")),
        ("randaugment", -1),
        ("magnitude", 31),
        ("magnitude", -1),
    ],
)
def test_an_impossible_field_is_refused_by_name(field: str, value: object) -> None:
    with pytest.raises(SpecError, match=field):
        dataclasses.replace(SMALL, **{field: value})  # type: ignore[arg-type]  # wrong on purpose


def test_sizes_may_be_rectangles_and_a_square_is_written_in_one_way() -> None:
    recipe = dataclasses.replace(SMALL, epochs=2, train_px=((32, 32), (16, 96)), image_px=(48, 48))
    assert (recipe.train_px, recipe.image_px) == ((32, (16, 96)), 48)
    assert [recipe.px_at(epoch) for epoch in (0, 1)] == [32, (16, 96)]
    assert recipe.epochs_at_other_sizes == 1


def test_the_crop_of_any_shape_has_seven_eighths_of_the_shorter_side() -> None:
    assert preprocess_for(56) == Preprocess(resize_px=64, crop_px=56)
    assert preprocess_for((56, 112)) == Preprocess(resize_px=64, crop_px=(56, 112))
    for fit in ("pad", "squash"):
        assert preprocess_for((56, 112), fit).resize_px == 56


def test_an_unknown_recipe_suggests_the_nearest() -> None:
    with pytest.raises(UnknownName, match="Did you mean 'torchvision'"):
        find_recipe("torchvison")


def test_every_recipe_says_where_it_is_from_and_what_it_reaches() -> None:
    for name, recipe in RECIPES.items():
        assert recipe.name == name
        assert recipe.source
        assert recipe.expected
        assert not {"name", "source", "expected"} & recipe.overridable.keys()


def test_a_line_falls_evenly() -> None:
    recipe = dataclasses.replace(SMALL, schedule="linear", warmup=0.0)
    rates = [recipe.learning_rate_at(step, 100) for step in range(100)]
    falls = [a - b for a, b in itertools.pairwise(rates[1:])]
    assert max(falls) - min(falls) < 1e-9
    assert rates[-1] < 0.02 * rates[0]
