"""The values that flow through the package: frozen, hashable, made of plain Python."""

import dataclasses
import json
from dataclasses import dataclass
from typing import Any, Literal

from shufflenet.errors import SpecError

__all__ = ["CARD_KEY", "Accuracy", "Card", "Label", "Origin", "Preprocess", "Stage", "V2Spec"]

CARD_KEY = "shufflenet"  # the metadata entry that holds a card, in safetensors and in ONNX
CARD_FORMAT = 1  # raised when a reader of the format before could misread the card


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """Units at one resolution: the first halves height and width, the others keep them."""

    channels: int
    repeats: int

    def __post_init__(self) -> None:
        if self.channels < 2 or self.channels % 2:
            raise SpecError("channels", self.channels, "even and positive, to be split in two")
        if self.repeats < 1:
            raise SpecError("repeats", self.repeats, "at least 1, the unit that halves the size")


@dataclass(frozen=True, slots=True, kw_only=True)
class V2Spec:
    """One ShuffleNet V2.

    ``stem_stride`` is how far the stem shrinks the image before the first stage: 4 is the
    paper's (a convolution of stride 2, then a max pool of stride 2), meant for images of about
    224 px; 2 leaves the pool out and suits 64 px; 1 has neither and suits 32 px. The three
    stages shrink by another 8, so that 224, 64 and 32 px end as 7x7, 4x4 and 4x4.

    Source: Ma et al. 2018, Table 5, https://arxiv.org/abs/1807.11164
    """

    name: str
    stages: tuple[Stage, ...]
    head_channels: int
    stem_channels: int = 24
    stem_stride: int = 4
    in_channels: int = 3
    classes: int = 1000
    activation: Literal["relu", "swish"] = "relu"

    def __post_init__(self) -> None:
        if not self.stages:
            raise SpecError("stages", self.stages, "at least one stage")
        if self.stem_stride not in (1, 2, 4):
            raise SpecError("stem_stride", self.stem_stride, "4, 2 or 1")
        for field in ("head_channels", "stem_channels", "in_channels", "classes"):
            if getattr(self, field) < 1:
                raise SpecError(field, getattr(self, field), "at least 1")
        if self.activation not in ("relu", "swish"):
            raise SpecError("activation", self.activation, "'relu' or 'swish'")


@dataclass(frozen=True, slots=True, kw_only=True)
class Preprocess:
    """How an image becomes the network's input: part of a set of weights, never of the code.

    The shorter side is resized to ``resize_px`` with antialiasing, the centred square of
    ``crop_px`` is kept, and values become ``(value / 255 - mean) / std``, RGB.
    """

    resize_px: int
    crop_px: int
    interpolation: Literal["bilinear"] = "bilinear"
    mean: tuple[float, float, float] = (0.485, 0.456, 0.406)
    std: tuple[float, float, float] = (0.229, 0.224, 0.225)

    def __post_init__(self) -> None:
        if self.crop_px < 1:
            raise SpecError("crop_px", self.crop_px, "at least 1")
        if self.resize_px < self.crop_px:
            raise SpecError("resize_px", self.resize_px, f"at least crop_px, {self.crop_px}")
        if self.interpolation != "bilinear":
            raise SpecError("interpolation", self.interpolation, "'bilinear'")
        if len(self.mean) != 3 or len(self.std) != 3 or min(self.std) <= 0:
            raise SpecError("mean and std", (self.mean, self.std), "3 numbers each, std positive")


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
class Origin:
    """Where weights come from: what they were trained on, how, for how long, by what."""

    data: str
    licence: str
    started_from: str = ""  # the checkpoint that training began with; empty for random weights
    recipe: str = ""
    steps: int = 0
    software: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """What travels with weights in every container: the JSON in a file's metadata."""

    name: str
    network: V2Spec
    preprocess: Preprocess
    labels: tuple[Label, ...]
    origin: Origin
    accuracy: Accuracy | None = None

    def __post_init__(self) -> None:
        if len(self.labels) != self.network.classes:
            raise SpecError(
                "labels", len(self.labels), f"one for each of {self.network.classes} classes"
            )

    def to_json(self) -> str:
        """Write the card; ``from_json`` reads the same card back."""
        fields = dataclasses.asdict(self)
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
            )
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise SpecError(
                "the card", text[:40], f"one this version writes ({error!r})"
            ) from error


def _network(fields: dict[str, Any]) -> V2Spec:
    stages = tuple(Stage(**stage) for stage in fields.pop("stages"))
    return V2Spec(stages=stages, **fields)


def _preprocess(fields: dict[str, Any]) -> Preprocess:
    mean, std = tuple(fields.pop("mean")), tuple(fields.pop("std"))
    return Preprocess(mean=mean, std=std, **fields)
