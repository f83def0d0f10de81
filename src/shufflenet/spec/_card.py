"""The card of a set of weights: the JSON in the metadata of every file that holds them."""

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Accuracy:
    """The numbers of correctly classified images: counts, whose sums are exact."""

    images: int
    top1: int
    top5: int

    @property
    def top1_percent(self) -> float:
        """The percentage of images whose most probable class is correct, 0 to 100."""
        return 100 * self.top1 / self.images if self.images else 0.0

    @property
    def top5_percent(self) -> float:
        """The percentage of images whose class is among the five most probable, 0 to 100."""
        return 100 * self.top5 / self.images if self.images else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """The accuracy that the authors of weights state, in percent, to their last digit."""

    top1_percent: float
    top5_percent: float
    source: str  # the file or table that states them


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
    float_accuracy: Accuracy
    int8_accuracy: Accuracy


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """The facts about a set of weights, stored as JSON in every file that holds them."""

    name: str
    network: NetworkSpec
    preprocess: Preprocess
    labels: tuple[Label, ...]
    origin: Origin
    accuracy: Accuracy | None = None
    published: Published | None = None
    int8: Int8 | None = None  # of a quantized network; its accuracy is in here

    def __post_init__(self) -> None:
        if len(self.labels) != self.network.classes:
            raise SpecError(
                "labels", len(self.labels), f"one for each of {self.network.classes} classes"
            )

    def to_json(self) -> str:
        """Return the card as JSON, which ``from_json`` parses to an equal card."""
        fields = dataclasses.asdict(self)
        names = {kind: name for name, kind in _GENERATIONS.items()}
        fields["network"]["generation"] = names[type(self.network)]
        fields["labels"] = [[label.id, label.name] for label in self.labels]
        return json.dumps({"format": CARD_FORMAT, **fields}, ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str) -> "Card":
        """Parse a card.

        Raises:
            SpecError: the text is not a card, or is one of a newer format.
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
    """Return fields with tuples for the lists of JSON."""
    return {k: tuple(v) if isinstance(v, list) else v for k, v in fields.items()}
