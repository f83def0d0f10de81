"""The values that flow through the package: frozen, hashable, made of plain Python."""

from shufflenet.spec._card import CARD_KEY, Accuracy, Card, Int8, Label, Origin, Published
from shufflenet.spec._networks import (
    NetworkSpec,
    Split,
    V1Spec,
    V2ExLargeSpec,
    V2LargeSpec,
    V2PlusSpec,
    V2Spec,
    differing_fields,
)
from shufflenet.spec._preprocess import Preprocess
from shufflenet.spec._stages import Activation, SearchedStage, Stage, UnitKind

__all__ = [
    "CARD_KEY",
    "Accuracy",
    "Activation",
    "Card",
    "Int8",
    "Label",
    "NetworkSpec",
    "Origin",
    "Preprocess",
    "Published",
    "SearchedStage",
    "Split",
    "Stage",
    "UnitKind",
    "V1Spec",
    "V2ExLargeSpec",
    "V2LargeSpec",
    "V2PlusSpec",
    "V2Spec",
    "differing_fields",
]
