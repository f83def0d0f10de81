import dataclasses
import json

import pytest

from conftest import card_for
from shufflenet.errors import SpecError
from shufflenet.spec import Accuracy, Card, Preprocess, Stage, V2Spec

SPEC = V2Spec(name="n", stages=(Stage(channels=4, repeats=1),), head_channels=8, classes=2)


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: Stage(channels=5, repeats=1), "channels is 5, but must be even and positive"),
        (lambda: Stage(channels=4, repeats=0), "repeats is 0, but must be at least 1"),
        (lambda: dataclasses.replace(SPEC, stem_stride=3), "stem_stride is 3, but must be 4, 2 or"),
        (lambda: dataclasses.replace(SPEC, classes=0), "classes is 0, but must be at least 1"),
        (
            lambda: dataclasses.replace(SPEC, stages=()),
            "stages is \\(\\), but must be at least one",
        ),
        (
            lambda: dataclasses.replace(SPEC, activation="elu"),  # type: ignore[arg-type]  # wrong on purpose
            "activation is 'elu', but must be",
        ),
        (lambda: Preprocess(resize_px=32, crop_px=40), "resize_px is 32, but must be at least"),
        (lambda: Preprocess(resize_px=32, crop_px=0), "crop_px is 0, but must be at least 1"),
        (lambda: Preprocess(resize_px=9, crop_px=9, std=(1, 0, 1)), "std positive"),
        (
            lambda: dataclasses.replace(card_for(SPEC), labels=()),
            "labels is 0, but must be one for each of 2 classes",
        ),
    ],
)
def test_a_value_that_describes_nothing_is_refused(make: object, sentence: str) -> None:
    assert callable(make)
    with pytest.raises(SpecError, match=sentence):
        make()


def test_a_card_survives_its_json() -> None:
    card = dataclasses.replace(card_for(SPEC), accuracy=Accuracy(images=7, top1=3, top5=5))
    assert Card.from_json(card.to_json()) == card
    assert Card.from_json(card_for(SPEC).to_json()) == card_for(SPEC)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": 1}', '{"format": 99}', "null"])
def test_what_is_no_card_is_refused_as_such(text: str) -> None:
    with pytest.raises(SpecError, match="card"):
        Card.from_json(text)


def test_a_card_with_an_impossible_network_is_refused() -> None:
    fields = json.loads(card_for(SPEC).to_json())
    fields["network"]["stages"][0]["channels"] = 5
    with pytest.raises(SpecError, match="channels is 5"):
        Card.from_json(json.dumps(fields))


def test_percentages_come_from_counts() -> None:
    accuracy = Accuracy(images=8, top1=3, top5=6)
    assert (accuracy.top1_percent, accuracy.top5_percent) == (37.5, 75.0)
    assert Accuracy(images=0, top1=0, top5=0).top1_percent == 0
