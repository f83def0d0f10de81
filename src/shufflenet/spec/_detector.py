"""Detectors as values: what is put on a backbone, the boxes it finds, and how good they are."""

from dataclasses import dataclass

from shufflenet.errors import SpecError
from shufflenet.spec._bounds import MAX_CHANNELS, MAX_COUNT, require_within
from shufflenet.spec._networks import NetworkSpec

__all__ = ["STRIDES", "Detection", "DetectionAccuracy", "DetectorSpec"]

STRIDES = (8, 16, 32)  # of the backbone's maps that the neck reads

_MAX_BINS = 64
_MAX_LAYERS = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class DetectorSpec:
    """What a detector adds to the stages of a classifier, whose stem has stride 4.

    Attributes:
        neck_channels: The channels of every map of the neck and the heads.
        bins: The numbers from which the distance of a cell's center to each side of a box is
            expected: 0, 1, and so on to ``bins - 1`` strides.
        head_layers: The separable convolutions of a head before its outputs.
    """

    neck_channels: int = 96
    bins: int = 8
    head_layers: int = 2

    def __post_init__(self) -> None:
        require_within(self, 1, MAX_CHANNELS, "neck_channels")
        require_within(self, 2, _MAX_BINS, "bins")
        require_within(self, 0, _MAX_LAYERS, "head_layers")

    def check_network(self, network: NetworkSpec) -> None:
        """Check that the neck reads the maps of the last stages of a network.

        Raises:
            SpecError: there are fewer, or they have other strides.
        """
        strides = network.map_strides[-len(STRIDES) :]
        if strides != STRIDES:
            raise SpecError("the strides of a detector's maps", strides, f"{STRIDES}")

    def check_size(self, height: int, width: int) -> None:
        """Check that a detector takes images of so many pixels.

        Raises:
            SpecError: a side is no multiple of the largest stride.
        """
        if height < 1 or width < 1 or height % STRIDES[-1] or width % STRIDES[-1]:
            expected = f"a height and a width that are multiples of {STRIDES[-1]} px"
            raise SpecError("the size of a detector's images", (height, width), expected)

    def stem_stride(self, network: NetworkSpec) -> int:
        """Return the stride of the stem with which the last stages of a network have those maps.

        It is that of the paper, which suits images of 224 px: 4 for V1 and V2, 2 for V2+.
        """
        return max(1, STRIDES[-1] * network.stem_stride // network.map_strides[-1])

    def cells(self, height: int, width: int) -> int:
        """Return the number of cells of an input, each of which may find a box.

        >>> DetectorSpec().cells(320, 320)
        2100
        """
        return sum((height // stride) * (width // stride) for stride in STRIDES)


@dataclass(frozen=True, slots=True)
class Detection:
    """A box that a detector found.

    Attributes:
        box: Left, top, width and height in pixels of the image.
        index: The class.
        label: Its name.
        score: From 0 to 1.
    """

    box: tuple[float, float, float, float]
    index: int
    label: str
    score: float


@dataclass(frozen=True, slots=True, kw_only=True)
class DetectionAccuracy:
    """COCO's measures of found boxes: average precisions, 0 to 1; None where no box is so.

    Attributes:
        images: The number of images.
        boxes: The number of boxes to find.
        map: The mean over classes, and over IoU of 0.5, 0.55, and so on to 0.95.
        map50: At an IoU of 0.5.
        map75: At an IoU of 0.75.
        map_small: Of boxes of fewer than 32 x 32 pixels.
        map_medium: Of those up to 96 x 96 pixels.
        map_large: Of the others.

    Source: https://cocodataset.org/#detection-eval
    """

    images: int
    boxes: int
    map: float
    map50: float
    map75: float
    map_small: float | None
    map_medium: float | None
    map_large: float | None

    def __post_init__(self) -> None:
        require_within(self, 0, MAX_COUNT, "images", "boxes")
        for name in ("map", "map50", "map75", "map_small", "map_medium", "map_large"):
            value = getattr(self, name)
            if value is not None and not 0 <= value <= 1:
                raise SpecError(name, value, "from 0 to 1")
