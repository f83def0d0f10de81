"""What an epoch shows: repeats, balance, and that each is a function of seed and epoch."""

import dataclasses
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch

from shufflenet.data import Sample, open_images
from shufflenet.recipes import Recipe, find_recipe, preprocess_for
from shufflenet.train._batches import Batches, Crops, Share, Shown
from shufflenet.train._epoch_order import epoch_order, quotas

PLAIN = dataclasses.replace(find_recipe("small-images"), batch_size=8, train_px=(32,), image_px=32)
COUNTS = (100, 25, 4)
REPEATED = dataclasses.replace(PLAIN, repeats=4)
BALANCED = dataclasses.replace(PLAIN, balance=1)
BOTH = dataclasses.replace(PLAIN, balance=0.5, repeats=4)


def samples(*counts: int) -> tuple[Sample, ...]:
    """Return images of classes one after the other, ``counts`` of each."""
    labels = [label for label, count in enumerate(counts) for _ in range(count)]
    return tuple(Sample(f"{i}.png", label, "") for i, label in enumerate(labels))


def shown(recipe: Recipe, *counts: int, epoch: int = 0) -> Counter[int]:
    """Count how often an epoch shows each image, and see that no item comes twice."""
    order = epoch_order(samples(*counts), recipe, epoch)
    assert len(order) == sum(counts) == len(set(order.tolist()))
    return Counter((order % sum(counts)).tolist())


@pytest.mark.parametrize("epoch", [0, 3])
def test_a_plain_epoch_is_the_permutation_that_seeded_runs_had(epoch: int) -> None:
    recipe = dataclasses.replace(PLAIN, seed=5)
    expected = np.random.default_rng((5, epoch)).permutation(129)
    assert np.array_equal(epoch_order(samples(*COUNTS), recipe, epoch), expected)
    batches = list(Batches(samples(*COUNTS), recipe, epoch, first=2))
    assert batches == expected[16:128].reshape(-1, 8).tolist()


@pytest.mark.parametrize("recipe", [REPEATED, BALANCED, BOTH])
def test_an_epoch_is_a_function_of_seed_and_epoch_and_keeps_its_steps(recipe: Recipe) -> None:
    images = samples(*COUNTS)
    first = list(Batches(images, recipe, 1, first=0))
    assert first == list(Batches(images, recipe, 1, first=0))
    assert first[3:] == list(Batches(images, recipe, 1, first=3))
    assert first != list(Batches(images, recipe, 2, first=0))
    assert first != list(Batches(images, dataclasses.replace(recipe, seed=1), 1, first=0))
    assert len(first) == len(Batches(images, PLAIN, 1, first=0)) == 16


@pytest.mark.parametrize("recipe", [PLAIN, REPEATED, BALANCED, BOTH])
@pytest.mark.parametrize("processes", [2, 4])
def test_processes_share_the_batches_that_one_alone_has(recipe: Recipe, processes: int) -> None:
    images = samples(*COUNTS)
    alone = Batches(images, recipe, 1, 0)
    shares = [
        Batches(images, recipe, 1, 0, Share(process, processes)) for process in range(processes)
    ]
    for whole, *parts in zip(alone, *shares, strict=True):
        assert {len(part) for part in parts} == {8 // processes}
        assert sorted(item for part in parts for item in part) == sorted(whole)


# --- repeats ---


@pytest.mark.parametrize(("repeats", "last"), [(2, 1), (4, 1), (5, 4), (200, 129)])
def test_an_epoch_shows_fewer_images_and_each_as_often_as_the_recipe_says(
    repeats: int, last: int
) -> None:
    recipe = dataclasses.replace(PLAIN, repeats=repeats)
    times = sorted(shown(recipe, 129).values())
    assert times == [last, *[repeats] * (129 // repeats)]


def test_in_time_every_image_is_repeated() -> None:
    assert set().union(*(shown(REPEATED, 40, epoch=epoch) for epoch in range(40))) == set(range(40))


def test_a_batch_shows_every_image_repeatedly_and_neighbors_differ() -> None:
    for batch in Batches(samples(64), REPEATED, 0, first=0):
        images = [item % 64 for item in batch]
        assert sorted(Counter(images).values()) == [4, 4]
        assert all(one != next_ for one, next_ in zip(images, np.roll(images, 1), strict=True))


def test_an_image_shown_again_is_cropped_anew_and_the_same_in_every_process(
    class_folders: Path,
) -> None:
    images = open_images(class_folders).samples
    shown = Shown(samples=images, how=preprocess_for(32), warned=torch.zeros(len(images)) > 0)
    crops = Crops(shown, REPEATED, epoch=1)
    for index in (0, 23):
        first, again, third = (crops[index + len(images) * times] for times in range(3))
        assert first[1] == again[1] == third[1] == images[index].label
        assert len({pixels.numpy().tobytes() for pixels, _ in (first, again, third)}) == 3
        same = Crops(shown, REPEATED, epoch=1)[index + len(images)][0]
        assert np.array_equal(again[0], same)
        assert np.array_equal(first[0], Crops(shown, PLAIN, epoch=1)[index][0])


# --- balance ---


@pytest.mark.parametrize(
    ("balance", "expected"),
    [(0.001, (100, 25, 4)), (0.5, (76, 38, 15)), (1, (43, 43, 43))],
)
def test_classes_are_shown_as_often_as_their_quotas(
    balance: float, expected: tuple[int, ...]
) -> None:
    for epoch in (0, 1):
        times = shown(dataclasses.replace(PLAIN, balance=balance), *COUNTS, epoch=epoch)
        starts = np.cumsum((0, *COUNTS))
        for label, count in enumerate(COUNTS):
            of_class = [times[i] for i in range(starts[label], starts[label + 1])]
            assert sum(of_class) == expected[label]
            # as evenly as can be
            assert set(of_class) <= {expected[label] // count, -(-expected[label] // count)}


def test_quotas_are_the_shares_of_classes_to_an_image() -> None:
    rng = np.random.default_rng(0)
    for balance in (0.0, 0.3, 0.5, 0.9, 1.0):
        for _ in range(50):
            counts = rng.integers(1, 10 ** rng.integers(1, 5), rng.integers(2, 30))
            found = quotas(counts, balance)
            shares = counts ** (1 - balance)
            assert found.sum() == counts.sum()
            assert found.min() >= 1
            assert np.abs(found - counts.sum() * shares / shares.sum()).max() < 1 + 1e-9
            if balance == 0:
                assert np.array_equal(found, counts)


def test_images_of_a_large_class_take_turns_and_classes_are_mixed() -> None:
    epochs = [set(shown(BALANCED, *COUNTS, epoch=epoch)) for epoch in range(20)]
    assert len(epochs[0] & set(range(100))) == 43
    assert set().union(*epochs) == set(range(129))
    labels = [sample.label for sample in samples(*COUNTS)]
    batches = Batches(samples(*COUNTS), BALANCED, 0, first=0)
    assert sum(len({labels[item % 129] for item in batch}) == 3 for batch in batches) > 10


def test_labels_need_not_follow_each_other_and_classes_may_be_empty() -> None:
    order = epoch_order(
        tuple(Sample(f"{i}.png", 5 if i % 10 else 2, "") for i in range(100)), BALANCED, 0
    )
    assert sum(item % 10 == 0 for item in order.tolist()) == 50
