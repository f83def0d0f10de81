"""The values that pass between rooms: frozen, hashable dataclasses of plain Python values."""

from shufflenet.spec._binary import BINARIES, Binary
from shufflenet.spec._bounds import MAX_CARD_BYTES, MAX_CROP_PX, MAX_MODEL_BYTES
from shufflenet.spec._card import (
    CARD_KEY,
    TOP5_CLASSES,
    Accuracy,
    AnyAccuracy,
    Card,
    Int8,
    Label,
    Origin,
    Published,
    Task,
)
from shufflenet.spec._detector import STRIDES, Detection, DetectionAccuracy, DetectorSpec
from shufflenet.spec._extras import find_extra
from shufflenet.spec._format import (
    DETECTOR_TOLERANCE,
    FLOAT16_TOLERANCE,
    FLOAT32_TOLERANCE,
    FORMATS,
    INT8_TOLERANCE,
    Format,
    Precision,
)
from shufflenet.spec._multi_label import MultiLabelAccuracy
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
from shufflenet.spec._preprocess import (
    CHANNEL_COUNTS,
    MAX_PLANES,
    Bits,
    Channels,
    Fit,
    Preprocess,
)
from shufflenet.spec._runtime import RUNTIMES, Arithmetic, Runtime
from shufflenet.spec._stages import Activation, SearchedStage, Stage, UnitKind
from shufflenet.spec._target import TARGETS, ByteMultiply, Target

__all__ = [
    "BINARIES",
    "CARD_KEY",
    "CHANNEL_COUNTS",
    "DETECTOR_TOLERANCE",
    "FLOAT16_TOLERANCE",
    "FLOAT32_TOLERANCE",
    "FORMATS",
    "INT8_TOLERANCE",
    "MAX_CARD_BYTES",
    "MAX_CROP_PX",
    "MAX_MODEL_BYTES",
    "MAX_PLANES",
    "RUNTIMES",
    "STRIDES",
    "TARGETS",
    "TOP5_CLASSES",
    "Accuracy",
    "Activation",
    "AnyAccuracy",
    "Arithmetic",
    "Binary",
    "Bits",
    "ByteMultiply",
    "Card",
    "Channels",
    "Detection",
    "DetectionAccuracy",
    "DetectorSpec",
    "Fit",
    "Format",
    "Int8",
    "Label",
    "MultiLabelAccuracy",
    "NetworkSpec",
    "Origin",
    "Precision",
    "Preprocess",
    "Published",
    "Runtime",
    "SearchedStage",
    "Split",
    "Stage",
    "Target",
    "Task",
    "UnitKind",
    "V1Spec",
    "V2ExLargeSpec",
    "V2LargeSpec",
    "V2PlusSpec",
    "V2Spec",
    "differing_fields",
    "find_extra",
]
