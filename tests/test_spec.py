import dataclasses
import json
from dataclasses import replace

import pytest

from conftest import card_for
from shufflenet.errors import SpecError
from shufflenet.spec import Accuracy, Card, Preprocess, Stage, V2Spec
from shufflenet.zoo import NETWORKS

SPEC = V2Spec(name="n", stages=(Stage(channels=4, repeats=1),), head_channels=8, classes=2)


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: Stage(channels=5, repeats=1), "channels is 5, but must be even and positive"),
        (lambda: Stage(channels=4, repeats=0), "repeats is 0, but must be at least 1"),
        (lambda: replace(SPEC, stem_stride=3), "stem_stride is 3, but must be 4, 2 or"),
        (lambda: replace(SPEC, classes=0), "classes is 0, but must be at least 1"),
        (
            lambda: replace(SPEC, stages=()),
            "stages is \\(\\), but must be at least one",
        ),
        (
            lambda: replace(SPEC, activation="elu"),  # type: ignore[arg-type]  # wrong on purpose
            "activation is 'elu', but must be",
        ),
        (lambda: Preprocess(resize_px=32, crop_px=40), "resize_px is 32, but must be at least"),
        (lambda: Preprocess(resize_px=32, crop_px=0), "crop_px is 0, but must be at least 1"),
        (lambda: Preprocess(resize_px=9, crop_px=9, std=(1, 0, 1)), "std positive"),
        (
            lambda: replace(card_for(SPEC), labels=()),
            "labels is 0, but must be one for each of 2 classes",
        ),
    ],
)
def test_a_value_that_describes_nothing_is_refused(make: object, sentence: str) -> None:
    assert callable(make)
    with pytest.raises(SpecError, match=sentence):
        make()


def test_every_network_has_the_same_properties() -> None:
    v1, v2 = NETWORKS["shufflenet_v1_g3_x1_0"], NETWORKS["shufflenet_v2_x1_0"]
    plus, large = NETWORKS["shufflenet_v2_plus_small"], NETWORKS["shufflenet_v2_large"]
    exlarge = NETWORKS["shufflenet_v2_exlarge"]
    specs = (v1, v2, plus, large, exlarge)
    assert [s.stem_widths for s in specs] == [(24,), (24,), (16,), (64, 64, 128), (64, 128, 256)]
    assert [s.stage_inputs for s in specs] == [
        (24, 240, 480),
        (24, 116, 232),
        (16, 36, 104, 208),
        (128, 256, 512, 1024),
        (256, 320, 640, 1280),
    ]
    assert [s.head_channels for s in specs] == [0, 1024, 1280, 1280, 0]
    assert [s.head_kernel for s in specs] == [1, 1, 1, 3, 1]
    assert [s.feature_channels for s in specs] == [960, 1024, 1280, 1280, 2560]
    assert [s.dropout for s in specs] == [0, 0, 0.2, 0.2, 0.2]
    assert [s.norm_eps for s in specs] == [1e-5, 1e-5, 1e-5, 1e-9, 1e-5]
    hidden = replace(plus, hidden_channels=40)  # type: ignore[arg-type]  # a V2PlusSpec
    assert (hidden.feature_channels, hidden.embedding_channels) == (1280, 40)
    assert [stage.stride for stage in (*large.stages, *plus.stages)] == [1, 2, 2, 2, 2, 2, 2, 2]


@pytest.mark.parametrize("name", NETWORKS)
def test_a_card_holds_the_fields_of_its_network_and_no_properties(name: str) -> None:
    """Properties follow from fields, and cards of older versions must stay readable."""
    spec = NETWORKS[name]
    fields = json.loads(card_for(spec).to_json())["network"]
    generation = {"V1Spec": "v1", "V2Spec": "v2", "V2PlusSpec": "v2plus"}.get(
        type(spec).__name__, "v2large" if "_large" in name else "v2exlarge"
    )
    assert fields.pop("generation") == generation
    assert list(fields) == [field.name for field in dataclasses.fields(spec)]
    stages = [list(stage) for stage in fields["stages"]]
    searched = ["channels", "kinds", "middles", "activation", "squeeze"]
    plain = ["channels", "repeats", "stride"]
    assert all(stage == (searched if generation == "v2plus" else plain) for stage in stages)
    assert Card.from_json(card_for(spec).to_json()).network == spec


def test_a_card_survives_its_json() -> None:
    card = replace(card_for(SPEC), accuracy=Accuracy(images=7, top1=3, top5=5))
    assert Card.from_json(card.to_json()) == card
    assert Card.from_json(card_for(SPEC).to_json()) == card_for(SPEC)


def test_a_card_of_a_task_is_refused_by_readers_of_the_format_before() -> None:
    """Those take the greatest format that they know for 1, and do not know the field."""
    usual = json.loads(card_for(SPEC).to_json())
    assert usual["format"] == 1
    assert "task" not in usual
    card = replace(card_for(SPEC), task="multi-label")
    fields = json.loads(card.to_json())
    assert (fields["format"], fields["task"]) == (2, "multi-label")
    assert Card.from_json(card.to_json()) == card


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
