import dataclasses

import pytest

from shufflenet.errors import SpecError, UnknownName
from shufflenet.recipes import RECIPES, find_recipe

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
        ("train_px", (16,)),
        ("image_px", 8),
        ("seed", -1),
    ],
)
def test_an_impossible_field_is_refused_by_name(field: str, value: object) -> None:
    with pytest.raises(SpecError, match=field):
        dataclasses.replace(SMALL, **{field: value})  # type: ignore[arg-type]  # wrong on purpose


def test_an_unknown_recipe_suggests_the_nearest() -> None:
    assert set(RECIPES) == {"small-images", "imagenet"}
    with pytest.raises(UnknownName, match="Did you mean 'imagenet'"):
        find_recipe("imagnet")
