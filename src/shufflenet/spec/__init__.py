"""The values that flow through the package: frozen, hashable, made of plain Python."""

from shufflenet.spec._card import CARD_KEY, Accuracy, Card, Int8, Label, Origin, Published
from shufflenet.spec._networks import (
    Activation,
    NetworkSpec,
    SearchedStage,
    Split,
    Stage,
    UnitKind,
    V1Spec,
    V2ExLargeSpec,
    V2LargeSpec,
    V2PlusSpec,
    V2Spec,
    differing_fields,
)
from shufflenet.spec._preprocess import Preprocess

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
