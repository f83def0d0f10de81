"""Cards that a stranger may have written: each is read as it says, or refused in a sentence."""

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from conftest import card_for
from shufflenet.errors import SpecError
from shufflenet.layers import layers
from shufflenet.networks import build, build_detector
from shufflenet.spec import Accuracy, Card, DetectionAccuracy, DetectorSpec, Int8, Published
from shufflenet.zoo import NETWORKS

COUNTS = Accuracy(images=100, top1=50, top5=80)
INT8 = Int8(
    weight_range="portable",
    calibrator="percentile",
    calibration_images=56,
    kept_in_float=("fc",),
    judged_by="labels",
    float_accuracy=COUNTS,
    int8_accuracy=COUNTS,
)


def fields_of(name: str, classes: int = 3) -> dict[str, Any]:
    card = replace(
        card_for(replace(NETWORKS[name], classes=classes)),
        accuracy=COUNTS,
        published=Published(top1_percent=70, top5_percent=90.5, source="a table"),
        int8=INT8,
    )
    fields: dict[str, Any] = json.loads(card.to_json())
    return fields


ONE_OF_EACH: tuple[str, ...] = (
    "shufflenet_v1_g3_x0_25",
    "shufflenet_v2_x0_25",
    "shufflenet_v2_plus_small",
)
ONE_OF_EACH += ("shufflenet_v2_large", "shufflenet_v2_exlarge")
CARDS = {name: fields_of(name) for name in ONE_OF_EACH}
BOXES = DetectionAccuracy(
    images=87,
    boxes=100,
    map=0.5,
    map50=0.8,
    map75=0.6,
    map_small=None,
    map_medium=0.5,
    map_large=0.6,
)


def detector_fields() -> dict[str, Any]:
    card = replace(
        card_for(replace(NETWORKS["shufflenet_v2_x0_25"], classes=2)),
        task="detection",
        detector=DetectorSpec(neck_channels=12, bins=4, head_layers=1),
        detection=BOXES,
        int8=replace(INT8, float_accuracy=BOXES, int8_accuracy=BOXES),
    )
    fields: dict[str, Any] = json.loads(card.to_json())
    assert Card.from_json(json.dumps(fields)) == card
    return fields


CARDS["a detector"] = detector_fields()

VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 300),
    st.sampled_from([-(2**63), 2**31, 2**63, 10**60, -1, 0, 1e-300, 1e300, -0.0]),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=8),
    st.lists(st.integers(-1, 300) | st.none() | st.text(max_size=3), max_size=4),
    st.dictionaries(st.sampled_from(["channels", "repeats", "a"]), st.integers(), max_size=3),
)


def places(value: object, path: tuple[object, ...] = ()) -> Iterator[tuple[object, ...]]:
    """Yield where the parts of a JSON value are; of long lists, those of the first three."""
    if path:
        yield path
    if isinstance(value, dict):
        for key, part in value.items():
            yield from places(part, (*path, key))
    if isinstance(value, list):
        for number, part in enumerate(value[:3]):
            yield from places(part, (*path, number))


def put(fields: dict[str, Any], place: tuple[Any, ...], value: object) -> dict[str, Any]:
    changed: dict[str, Any] = json.loads(json.dumps(fields))
    part: Any = changed
    for key in place[:-1]:
        part = part[key]
    part[place[-1]] = value
    return changed


@settings(suppress_health_check=[HealthCheck.too_slow], max_examples=400)
@given(st.data())
def test_any_value_in_any_field_makes_a_card_or_a_sentence(data: st.DataObject) -> None:
    """A card that is taken describes a network whose layers can be counted, and built."""
    name = data.draw(st.sampled_from(list(CARDS)))
    place = data.draw(st.sampled_from(list(places(CARDS[name]))))
    text = json.dumps(put(CARDS[name], place, data.draw(VALUES)))
    try:
        card = Card.from_json(text)
    except SpecError:
        return
    assert Card.from_json(card.to_json()) == card
    counted = sum(layer.parameters for layer in layers(card.network, 32, 32, card.detector))
    assert counted > 0
    if place[0] in ("network", "detector"):
        spec, detector = card.network, card.detector
        with torch.device("meta"):  # no memory, however wide it is
            net = build_detector(spec, detector) if detector else build(spec)
        assert sum(parameter.numel() for parameter in net.parameters()) == counted


@pytest.mark.parametrize(
    ("place", "value", "sentence"),
    [
        (("preprocess", "mean"), [None] * 3, "preprocess.mean[0] is None, but must be a number."),
        (("preprocess", "mean"), [1e300] * 3, "mean is (1e+300, 1e+300, 1e+300), but must be 3 "),
        (("preprocess", "std"), [1e-300] * 3, "std is (1e-300, 1e-300, 1e-300), but must be 3 "),
        (("preprocess", "std"), [0, 1, 1], "mean and std is "),
        (("preprocess", "crop_px"), 10**9, "crop_px is 1000000000, but must be at most 4096."),
        (("preprocess", "crop_px"), 32.0, "preprocess.crop_px is 32.0, but must be a whole num"),
        (("preprocess", "resize_px"), 10**9, "resize_px is 1000000000, but must be at most 16384"),
        (("preprocess", "exif"), 1, "preprocess.exif is 1, but must be true or false."),
        (("preprocess", "new"), 1, "preprocess is {'new': 1}, but must be without the field 'new'"),
        (("preprocess", "channels"), ["rgb"], "preprocess.channels is ['rgb'], but must be 'rgb' "),
        (("network", "classes"), 10**9, "classes is 1000000000, but must be at most 1048576."),
        (("network", "classes"), 4, "labels is 3, but must be one for each of 4 classes."),
        (("network", "classes"), True, "network.classes is True, but must be a whole number."),
        (("network", "in_channels"), 10**6, "in_channels is 1000000, but must be at most 32768."),
        (("network", "generation"), "v9", "network.generation is 'v9', but must be 'v1' or "),
        (("network", "generation"), [], "network.generation is [], but must be 'v1' or "),
        (("network", "name"), "n" * 10_001, "name is 'nnn"),
        (("network",), "v2", "network is 'v2', but must be an object."),
        (("labels", 0), ["a"], "labels[0] is ['a'], but must be a list of 2."),
        (("labels", 0), ["a", 1], "labels[0][1] is 1, but must be text."),
        (("labels", 0), ["a", "b" * 10_001], "name is 'bbb"),
        (("labels",), {}, "labels is {}, but must be a list."),
        (("accuracy", "top1"), 81, "top1, top5 and images is (81, 80, 100), but must be counts"),
        (("accuracy", "top1"), -1, "top1, top5 and images is (-1, 80, 100), but must be counts"),
        (("published", "top1_percent"), 101, "top1_percent is 101.0, but must be at most 100."),
        (("int8", "weight_range"), "half", "int8.weight_range is 'half', but must be 'portable' "),
        (("int8", "kept_in_float"), "fc", "int8.kept_in_float is 'fc', but must be a list."),
        (("origin", "steps"), 10**16, "steps is 10000000000000000, but must be at most"),
        (("origin",), None, "origin is None, but must be an object."),
        (("format",), 3, "the card's format is 3, but must be at most 2: upgrade."),
        (
            ("task",),
            "telepathy",
            "task is 'telepathy', but must be 'classification', 'multi-label' or 'detection'.",
        ),
        (("format",), "1", "the card's format is '1', but must be a whole number."),
    ],
)
def test_what_is_wrong_with_a_card_is_said(
    place: tuple[object, ...], value: object, sentence: str
) -> None:
    with pytest.raises(SpecError) as error:
        Card.from_json(json.dumps(put(CARDS["shufflenet_v2_x0_25"], place, value)))
    assert str(error.value).startswith(sentence)


@pytest.mark.parametrize(
    ("place", "value", "sentence"),
    [
        (("detector",), None, "detector is None, but must be given on cards of detectors alone"),
        (("task",), "multi-label", "detector is DetectorSpec("),
        (("detector", "bins"), 65, "bins is 65, but must be at most 64"),
        (("detector", "new"), 1, "detector is {"),
        (("network", "stem_stride"), 2, "the strides of a detector's maps is (4, 8, 16), but must"),
        (
            ("preprocess", "crop_px"),
            30,
            "the size of a detector's images is (30, 30), but must be ",
        ),
        (("detection", "map50"), 1.5, "map50 is 1.5, but must be from 0 to 1"),
        (("int8", "int8_accuracy"), {"images": 1, "top1": 1, "top5": 1}, "int8_accuracy is "),
    ],
)
def test_what_is_wrong_with_the_card_of_a_detector_is_said(
    place: tuple[object, ...], value: object, sentence: str
) -> None:
    with pytest.raises(SpecError) as error:
        Card.from_json(json.dumps(put(CARDS["a detector"], place, value)))
    assert str(error.value).startswith(sentence)


@pytest.mark.parametrize(
    "place", [(), ("origin",), ("accuracy",), ("published",), ("int8",), ("int8", "int8_accuracy")]
)
def test_what_a_newer_version_adds_to_describe_is_passed_over(place: tuple[object, ...]) -> None:
    fields = CARDS["shufflenet_v2_x0_25"]
    newer = put(fields, (*place, "added"), {"later": [1]})
    assert Card.from_json(json.dumps(newer)) == Card.from_json(json.dumps(fields))


def test_a_card_of_the_first_version_is_read() -> None:
    fields = json.loads(card_for(NETWORKS["shufflenet_v2_x0_25"]).to_json())
    first = {key: value for key, value in fields.items() if key not in ("published", "int8")}
    del first["network"]["generation"], first["network"]["norm_eps"]
    assert Card.from_json(json.dumps(first)) == card_for(NETWORKS["shufflenet_v2_x0_25"])


@pytest.mark.parametrize("text", ["[" * 200_000, '{"format":1,"format":1}', '{"format": NaN}'])
def test_a_card_that_is_no_strict_json_is_refused(text: str) -> None:
    with pytest.raises(SpecError, match="the card is not JSON that can be read"):
        Card.from_json(text)
