"""The card of a set of weights: the JSON in the metadata of every file that holds them."""

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias, TypeVar, cast, get_args

from shufflenet.errors import SpecError
from shufflenet.outside import read_json, typed
from shufflenet.spec._bounds import (
    MAX_CARD_BYTES,
    MAX_COUNT,
    require_one_of,
    require_short,
    require_within,
)
from shufflenet.spec._detector import DetectionAccuracy, DetectorSpec
from shufflenet.spec._multi_label import MultiLabelAccuracy
from shufflenet.spec._networks import (
    NetworkSpec,
    V1Spec,
    V2ExLargeSpec,
    V2LargeSpec,
    V2PlusSpec,
    V2Spec,
)
from shufflenet.spec._preprocess import Preprocess

__all__ = [
    "CARD_KEY",
    "TOP5_CLASSES",
    "Accuracy",
    "AnyAccuracy",
    "Card",
    "Int8",
    "Label",
    "Origin",
    "Published",
    "Task",
]

CARD_KEY = "shufflenet"  # the metadata entry that holds a card, in safetensors and in ONNX
TOP5_CLASSES = 6  # with fewer, a class that could be measured is always among the five

# Raised when a reader of the format before could misread the card: those of format 1 take every
# network for one of which one class is right, and its logits for a softmax's.
CARD_FORMAT = 2

Task: TypeAlias = Literal["classification", "multi-label", "detection"]
_USUAL: Task = "classification"

# The generation of a network in a card; cards of the first version have none, and are of V2.
_GENERATIONS: dict[str, type[NetworkSpec]] = {
    "v1": V1Spec,
    "v2": V2Spec,
    "v2plus": V2PlusSpec,
    "v2large": V2LargeSpec,
    "v2exlarge": V2ExLargeSpec,
}


@dataclass(frozen=True, slots=True)
class Label:
    """A class: the identifier that data folders use, and the name for people."""

    id: str
    name: str

    def __post_init__(self) -> None:
        require_short(self, "id", "name")


@dataclass(frozen=True, slots=True, kw_only=True)
class Accuracy:
    """The numbers of correctly classified images: counts, whose sums are exact."""

    images: int
    top1: int
    top5: int

    def __post_init__(self) -> None:
        if not 0 <= self.top1 <= self.top5 <= self.images:
            counts = (self.top1, self.top5, self.images)
            raise SpecError("top1, top5 and images", counts, "counts, none above the next")

    @property
    def top1_percent(self) -> float:
        """The percentage of images whose most probable class is correct, 0 to 100."""
        return 100 * self.top1 / self.images if self.images else 0.0

    @property
    def top5_percent(self) -> float:
        """The percentage of images whose class is among the five most probable, 0 to 100."""
        return 100 * self.top5 / self.images if self.images else 0.0


AnyAccuracy: TypeAlias = Accuracy | MultiLabelAccuracy | DetectionAccuracy


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """The accuracy that the authors of weights state, in percent, to their last digit."""

    top1_percent: float
    top5_percent: float
    source: str  # the file or table that states them

    def __post_init__(self) -> None:
        require_within(self, 0, 100, "top1_percent", "top5_percent")
        require_short(self, "source")


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """The training of a set of weights: data, licence, starting point, recipe and software."""

    data: str
    licence: str
    started_from: str = ""  # the checkpoint that training started from; empty for random weights
    taught_by: str = ""  # the teacher of a distillation
    recipe: str = ""
    steps: int = 0
    software: str = ""

    def __post_init__(self) -> None:
        texts = ("data", "licence", "started_from", "taught_by", "recipe", "software")
        require_short(self, *texts)
        require_within(self, 0, MAX_COUNT, "steps")


@dataclass(frozen=True, slots=True, kw_only=True)
class Int8:
    """The quantization of a network to int8, and its accuracy before and after.

    Attributes:
        weight_range: ``portable`` weights give the same outputs on every processor; ``full`` ones
            need a processor that adds int8 products without saturation (VNNI, AMX, ARM).
        calibrator: The method that chose the ranges of activations.
        calibration_images: The number of images it used.
        kept_in_float: The layers that are not in int8.
        judged_by: What accuracy compares with: ``labels``, or the classes that the ``float``
            network predicts.
        float_accuracy: The accuracy before, on images not used in calibration.
        int8_accuracy: The accuracy after, on the same images.
    """

    weight_range: Literal["portable", "full"]
    calibrator: str
    calibration_images: int
    kept_in_float: tuple[str, ...] = ()
    judged_by: Literal["labels", "float"]
    float_accuracy: AnyAccuracy
    int8_accuracy: AnyAccuracy

    def __post_init__(self) -> None:
        require_short(self, "calibrator")
        require_within(self, 0, MAX_COUNT, "calibration_images")
        if type(self.float_accuracy) is not type(self.int8_accuracy):
            raise SpecError("int8_accuracy", self.int8_accuracy, "measured as float_accuracy is")


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """The facts about a set of weights, stored as JSON in every file that holds them.

    ``task`` says what the network answers: ``classification``, the one class that is right, by a
    softmax of its logits; ``multi-label``, whether each class is there, by a sigmoid of each;
    ``detection``, where each is, by a detector on the stages of ``network``, whose classes are
    those of the boxes.
    """

    name: str
    network: NetworkSpec
    preprocess: Preprocess
    labels: tuple[Label, ...]
    origin: Origin
    accuracy: Accuracy | None = None
    published: Published | None = None
    int8: Int8 | None = None  # of a quantized network; its accuracy is in here
    task: Task = _USUAL
    multi_label: MultiLabelAccuracy | None = None  # in place of accuracy, of that task
    detector: DetectorSpec | None = None  # of that task, and only of it
    detection: DetectionAccuracy | None = None  # in place of accuracy, of that task

    def __post_init__(self) -> None:
        require_short(self, "name")
        require_one_of(self, "task", *get_args(Task))
        if self.multi_label is not None and self.task != "multi-label":
            raise SpecError("multi_label", self.multi_label, "left out of a card of one class")
        if self.multi_label is not None:
            self.multi_label.check_classes(self.network.classes)
        if (self.detector is not None) != (self.task == "detection"):
            raise SpecError("detector", self.detector, "given on cards of detectors alone")
        if self.detector is not None:
            self.detector.check_network(self.network)
            self.detector.check_size(*self.preprocess.size_px)
        if self.detection is not None and self.detector is None:
            raise SpecError("detection", self.detection, "left out of a card of no detector")
        if len(self.labels) != self.network.classes:
            raise SpecError(
                "labels", len(self.labels), f"one for each of {self.network.classes} classes"
            )

    @property
    def row_shape(self) -> tuple[int, ...]:
        """The shape of what is computed of one image: ``(classes,)``, logits.

        Of a detector it is ``(cells, 4 + classes)``, of an image of the card's size.
        """
        if self.detector is None:
            return (self.network.classes,)
        return self.detector.cells(*self.preprocess.size_px), 4 + self.network.classes

    @property
    def takes_pixels(self) -> bool:
        """Whether the network computes what the preprocessing gives, by the number of channels."""
        return self.network.in_channels == self.preprocess.in_channels

    def to_json(self) -> str:
        """Return the card as JSON, which ``from_json`` parses to an equal card.

        What describes only tasks other than classification is left out of a card of that, which
        then is one of format 1, as older versions read it.
        """
        fields = dataclasses.asdict(self)
        names = {kind: name for name, kind in _GENERATIONS.items()}
        fields["network"]["generation"] = names[type(self.network)]
        fields["preprocess"] = self.preprocess.to_fields()
        fields["labels"] = [[label.id, label.name] for label in self.labels]
        is_usual = self.task == _USUAL
        if is_usual:
            del fields["task"]
        for name in ("multi_label", "detector", "detection"):
            if fields[name] is None:
                del fields[name]
        number = 1 if is_usual else CARD_FORMAT
        return json.dumps({"format": number, **fields}, ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str) -> "Card":
        """Parse a card; a stranger may have written it.

        Fields that this version does not know are passed over where they only describe; in
        ``network`` and ``preprocess`` they are refused, since they change what is computed.

        Raises:
            SpecError: the text is not a card, or is one of a newer format.
        """
        fields = read_json(text, "the card", limit_bytes=MAX_CARD_BYTES)
        if not isinstance(fields, dict):
            raise SpecError("the card", fields, "an object")
        version = typed(fields.get("format"), int, "the card's format")
        if version > CARD_FORMAT:
            raise SpecError("the card's format", version, f"at most {CARD_FORMAT}: upgrade")
        if missing := [name for name in _REQUIRED if name not in fields]:
            raise SpecError("the card", sorted(fields), f"one with the field {missing[0]!r}")
        pairs = typed(fields["labels"], tuple[tuple[str, str], ...], "labels")
        return cls(
            name=typed(fields["name"], str, "name"),
            network=_network(fields["network"]),
            preprocess=typed(fields["preprocess"], Preprocess, "preprocess"),
            labels=tuple(Label(*pair) for pair in pairs),
            origin=typed(fields["origin"], Origin, "origin", ignore_unknown=True),
            accuracy=_optional(fields, "accuracy", Accuracy),
            published=_optional(fields, "published", Published),
            int8=_optional(fields, "int8", Int8),
            multi_label=_optional(fields, "multi_label", MultiLabelAccuracy),
            detector=_detector(fields.get("detector")),
            detection=_optional(fields, "detection", DetectionAccuracy),
            task=cast(Task, typed(fields.get("task", _USUAL), str, "task")),
        )


_REQUIRED = ("name", "network", "preprocess", "labels", "origin")

T = TypeVar("T")


def _optional(fields: Mapping[str, object], name: str, kind: type[T]) -> T | None:
    value = fields.get(name)
    return None if value is None else typed(value, kind, name, ignore_unknown=True)


def _detector(value: object) -> DetectorSpec | None:
    """Make the detector of a card; what this version does not know changes what is computed."""
    return None if value is None else typed(value, DetectorSpec, "detector")


def _network(value: object) -> NetworkSpec:
    """Make the network of a card.

    Raises:
        SpecError: it is none that this version knows.
    """
    fields = dict(typed(value, dict[str, object], "network"))
    generation = fields.pop("generation", "v2")
    if not isinstance(generation, str) or generation not in _GENERATIONS:
        known = " or ".join(map(repr, _GENERATIONS))
        raise SpecError("network.generation", generation, f"{known}: upgrade")
    return typed(fields, _GENERATIONS[generation], "network")
