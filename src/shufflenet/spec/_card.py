"""What travels with weights."""

import dataclasses
import json
from dataclasses import dataclass
from typing import Any, Literal

from shufflenet.errors import SpecError
from shufflenet.spec._networks import (
    NetworkSpec,
    V1Spec,
    V2ExLargeSpec,
    V2LargeSpec,
    V2PlusSpec,
    V2Spec,
)
from shufflenet.spec._preprocess import Preprocess
from shufflenet.spec._stages import SearchedStage, Stage

__all__ = ["CARD_KEY", "Accuracy", "Card", "Int8", "Label", "Origin", "Published"]

CARD_KEY = "shufflenet"  # the metadata entry that holds a card, in safetensors and in ONNX
CARD_FORMAT = 1  # raised when a reader of the format before could misread the card

# What a card calls the type of its network; one without a generation is of the first version.
_GENERATIONS: dict[str, type[NetworkSpec]] = {
    "v1": V1Spec,
    "v2": V2Spec,
    "v2plus": V2PlusSpec,
    "v2large": V2LargeSpec,
    "v2exlarge": V2ExLargeSpec,
}


@dataclass(frozen=True, slots=True)
class Label:
    """A class: the identifier that data folders use, and the name that people read."""

    id: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Accuracy:
    """How many images were answered rightly: counts, so that parts can be added exactly."""

    images: int
    top1: int
    top5: int

    @property
    def top1_percent(self) -> float:
        """The share of images whose most probable class is right, 0 to 100."""
        return 100 * self.top1 / self.images if self.images else 0.0

    @property
    def top5_percent(self) -> float:
        """The share of images whose class is among the five most probable, 0 to 100."""
        return 100 * self.top5 / self.images if self.images else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """The accuracy that the authors of weights state: percentages, as precise as they gave them."""

    top1_percent: float
    top5_percent: float
    source: str  # the file or table that states them


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where weights come from: what they were trained on, how, for how long, by what."""

    data: str
    licence: str
    started_from: str = ""  # the checkpoint that training began with; empty for random weights
    taught_by: str = ""  # the network that it was distilled from
    recipe: str = ""
    steps: int = 0
    software: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Int8:
    """How a network was put in int8, and what that cost.

    Attributes:
        weight_range: ``portable`` weights give the same answers on every processor; ``full`` ones
            need one that adds int8 products without saturating (VNNI, AMX, ARM).
        calibrator: What chose the ranges of activations.
        calibration_images: How many it saw.
        kept_in_float: The layers that are not in int8.
        judged_by: ``labels``, or ``float`` where right is what the float network answers.
        float_accuracy: Before, on images that were not calibrated on.
        int8_accuracy: After, on the same.
    """

    weight_range: Literal["portable", "full"]
    calibrator: str
    calibration_images: int
    kept_in_float: tuple[str, ...] = ()
    judged_by: Literal["labels", "float"]
    float_accuracy: Accuracy
    int8_accuracy: Accuracy


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """What travels with weights in every container: the JSON in a file's metadata."""

    name: str
    network: NetworkSpec
    preprocess: Preprocess
    labels: tuple[Label, ...]
    origin: Origin
    accuracy: Accuracy | None = None
    published: Published | None = None
    int8: Int8 | None = None  # of a quantised network; its accuracy is there

    def __post_init__(self) -> None:
        if len(self.labels) != self.network.classes:
            raise SpecError(
                "labels", len(self.labels), f"one for each of {self.network.classes} classes"
            )

    def to_json(self) -> str:
        """Write the card; ``from_json`` reads the same card back."""
        fields = dataclasses.asdict(self)
        names = {kind: name for name, kind in _GENERATIONS.items()}
        fields["network"]["generation"] = names[type(self.network)]
        fields["labels"] = [[label.id, label.name] for label in self.labels]
        return json.dumps({"format": CARD_FORMAT, **fields}, ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str) -> "Card":
        """Read a card.

        Raises:
            SpecError: the text is not a card, or one of a newer format.
        """
        try:
            fields: dict[str, Any] = json.loads(text)
            if fields.pop("format") > CARD_FORMAT:
                raise SpecError("the card's format", "newer", f"at most {CARD_FORMAT}: upgrade")
            return cls(
                name=fields["name"],
                network=_network(fields["network"]),
                preprocess=_preprocess(fields["preprocess"]),
                labels=tuple(Label(*pair) for pair in fields["labels"]),
                origin=Origin(**fields["origin"]),
                accuracy=Accuracy(**fields["accuracy"]) if fields["accuracy"] else None,
                published=Published(**fields["published"]) if fields.get("published") else None,
                int8=_int8(fields["int8"]) if fields.get("int8") else None,
            )
        except SpecError:  # a ValueError, but already a whole sentence
            raise
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise SpecError(
                "the card", text[:40], f"one this version writes ({error!r})"
            ) from error


def _network(fields: dict[str, Any]) -> NetworkSpec:
    kind: Any = _GENERATIONS[fields.pop("generation", "v2")]
    stage: Any = SearchedStage if kind is V2PlusSpec else Stage
    stages = tuple(stage(**_with_tuples(each)) for each in fields.pop("stages"))
    network: NetworkSpec = kind(stages=stages, **_with_tuples(fields))
    return network


_COUNTS = ("float_accuracy", "int8_accuracy")


def _int8(fields: dict[str, Any]) -> Int8:
    counts: dict[str, Any] = {name: Accuracy(**fields[name]) for name in _COUNTS}
    return Int8(**_with_tuples(fields | counts))


def _preprocess(fields: dict[str, Any]) -> Preprocess:
    return Preprocess(**_with_tuples(fields))


def _with_tuples(fields: dict[str, Any]) -> dict[str, Any]:
    """Undo that JSON knows no tuples."""
    return {k: tuple(v) if isinstance(v, list) else v for k, v in fields.items()}
