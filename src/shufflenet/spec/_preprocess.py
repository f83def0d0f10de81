"""The preprocessing of an image to the input of a network."""

import dataclasses
from dataclasses import dataclass, replace
from typing import Final, Literal, TypeAlias, get_args

from shufflenet.errors import SpecError
from shufflenet.spec._bounds import MAX_CROP_PX, MAX_RESIZE_PX, require_one_of, require_within

__all__ = ["CHANNEL_COUNTS", "MAX_PLANES", "Bits", "Channels", "Fit", "Preprocess"]

MAX_PLANES = 64  # channels of an image file; satellites' have about a dozen

Channels: TypeAlias = Literal["rgb", "bgr", "gray", "rgba", "stored"]
Fit: TypeAlias = Literal["crop", "pad", "squash"]
Bits: TypeAlias = Literal[8, 16]

CHANNEL_COUNTS: Final = {"rgb": 3, "bgr": 3, "gray": 1, "rgba": 4}  # those of ``stored`` vary


@dataclass(frozen=True, slots=True, kw_only=True)
class Preprocess:
    """The preprocessing of an image to the input of a network; every set of weights has its own.

    The image is resized and cut or padded as ``fit`` says, and values become
    ``((value - mean_image) * value_range / max_value - mean) / std``.

    Attributes:
        resize_px: With ``crop``, the length of the shorter side before it is cropped, see ``fit``;
            otherwise the shorter side of the input.
        crop_px: The input's side; of a rectangle its height and its width.
        interpolation: The interpolation of the resize.
        resizer: ``pillow`` averages all source pixels of a pixel (antialiasing); ``opencv``
            interpolates between the four nearest, as ``cv2.INTER_LINEAR`` does.
        longer_side: The rounding of its length; ``round`` rounds halves to even, ``half-up`` up.
        crop_offset: The rounding of the crop's offset; ``round`` as above.
        channels: The order of colors: ``gray`` is one channel, ``rgba`` are colors and opacity,
            ``stored`` are as many channels as ``mean`` has, in the order of the file.
        value_range: The value that white, ``max_value``, becomes: 1 or 255.
        mean: A number for each channel, in the order of ``channels``, after scaling to
            ``value_range``.
        std: The same.
        mean_image: The name of an image of ``crop_px`` by ``crop_px`` and values 0 to 255 that is
            subtracted; empty for none.
        exif: Whether an image is rotated by its EXIF tag.
        fit: How an image of another shape becomes one of ``height_px`` by ``width_px``. ``crop``
            scales it until it covers the input ``resize_px / min(height_px, width_px)`` times
            enlarged, and cuts out the center; ``pad`` scales it until it lies inside, and fills the
            rest with the mean color; ``squash`` scales both sides by themselves.
        bits: Of a value of a pixel: 8 for 0 to 255, 16 for 0 to 65,535.
    """

    resize_px: int
    crop_px: int | tuple[int, int]
    interpolation: Literal["bilinear"] = "bilinear"
    resizer: Literal["pillow", "opencv"] = "pillow"
    longer_side: Literal["floor", "round", "half-up"] = "floor"
    crop_offset: Literal["round", "floor"] = "round"
    channels: Channels = "rgb"
    value_range: Literal[1, 255] = 1
    mean: tuple[float, ...] = (0.485, 0.456, 0.406)
    std: tuple[float, ...] = (0.229, 0.224, 0.225)
    mean_image: Literal["", "megvii-imagenet-224"] = ""
    exif: bool = True
    fit: Fit = "crop"
    bits: Bits = 8

    def __post_init__(self) -> None:
        if self.interpolation != "bilinear":
            raise SpecError("interpolation", self.interpolation, "'bilinear'")
        for field, allowed in _CHOICES.items():
            require_one_of(self, field, *allowed)
        self._check_sizes()
        self._check_numbers()
        if self.mean_image and self.crop_px != 224:
            raise SpecError("crop_px", self.crop_px, f"224, the size of {self.mean_image!r}")
        plain = self.channels in ("rgb", "bgr") and self.bits == 8 and self.fit == "crop"
        if self.mean_image and not plain:
            raise SpecError("mean_image", self.mean_image, "'': it is for cropped RGB of 8 bits")
        if self.bits == 16 and self.resizer != "pillow":
            raise SpecError("resizer", self.resizer, "'pillow' for 16 bits")

    def _check_sizes(self) -> None:
        if not isinstance(self.crop_px, int) and self.crop_px == self.crop_px[:1] * 2:
            object.__setattr__(self, "crop_px", self.crop_px[0])  # one way to write a square
        if isinstance(self.crop_px, int):
            require_within(self, 1, MAX_CROP_PX, "crop_px")
        elif len(self.crop_px) != 2 or not all(1 <= each <= MAX_CROP_PX for each in self.crop_px):
            raise SpecError("crop_px", self.crop_px, f"a height and a width, 1 to {MAX_CROP_PX}")
        shorter, longer = sorted(self.size_px)
        if self.resize_px < shorter:
            named = "crop_px" if shorter == longer else "the shorter side of crop_px"
            raise SpecError("resize_px", self.resize_px, f"at least {named}, {shorter}")
        require_within(self, 1, MAX_RESIZE_PX * shorter // longer, "resize_px")
        if self.fit != "crop" and self.resize_px != shorter:
            expected = f"{shorter}, the shorter side of crop_px, for {self.fit!r}"
            raise SpecError("resize_px", self.resize_px, expected)

    def _check_numbers(self) -> None:
        count = CHANNEL_COUNTS.get(self.channels, len(self.mean))
        if not 0 < count <= MAX_PLANES:
            expected = f"1 to {MAX_PLANES}, one for each channel"
            raise SpecError("the number of means", count, expected)
        if len(self.mean) != count or len(self.std) != count or min(self.std) <= 0:
            values = self.mean, self.std
            raise SpecError("mean and std", values, f"{_numbers(count)} each, std positive")
        if not all(abs(value) <= _LARGEST for value in self.mean):
            raise SpecError("mean", self.mean, f"{_numbers(count)} of at most {_LARGEST:g}")
        if not all(1 / _LARGEST <= value <= _LARGEST for value in self.std):
            expected = f"{_numbers(count)} from {1 / _LARGEST:g} to {_LARGEST:g}"
            raise SpecError("std", self.std, expected)

    @property
    def height_px(self) -> int:
        """The height of the input."""
        return self.crop_px if isinstance(self.crop_px, int) else self.crop_px[0]

    @property
    def width_px(self) -> int:
        """The width of the input."""
        return self.crop_px if isinstance(self.crop_px, int) else self.crop_px[1]

    @property
    def size_px(self) -> tuple[int, int]:
        """The height and the width of the input."""
        return self.height_px, self.width_px

    @property
    def in_channels(self) -> int:
        """The channels of the input."""
        return len(self.mean)

    @property
    def max_value(self) -> int:
        """The value of a pixel that is white: 255, or 65,535."""
        return (1 << self.bits) - 1

    def cropped_to(self, size: int | tuple[int, int]) -> "Preprocess":
        """Return the preprocessing for another size, which shows as much of each photo.

        Args:
            size: The side of a square, or a height and a width.

        Raises:
            SpecError: the size is outside its range, or a mean image is subtracted.

        >>> Preprocess(resize_px=256, crop_px=224).cropped_to(112).resize_px
        128
        >>> Preprocess(resize_px=256, crop_px=224).cropped_to((112, 448)).resize_px
        128
        """
        shorter = size if isinstance(size, int) else min(size)
        resize_px = max(shorter, round(self.resize_px * shorter / min(self.size_px)))
        return replace(self, crop_px=size, resize_px=resize_px)

    def to_fields(self) -> dict[str, object]:
        """Return the fields as JSON has them, without ``fit`` and ``bits`` where they are usual.

        Files were written before these existed, and versions of that time read none that they do
        not know.

        >>> "fit" in Preprocess(resize_px=8, crop_px=8).to_fields()
        False
        """
        fields = dataclasses.asdict(self)
        usual = {each.name: each.default for each in dataclasses.fields(self)}
        return {
            name: value
            for name, value in fields.items()
            if name not in _ADDED or value != usual[name]
        }


_LARGEST = 1e6  # of a mean or a standard deviation: values reach 255
_ADDED = ("fit", "bits")

_CHOICES: dict[str, tuple[str | int, ...]] = {
    "resizer": ("pillow", "opencv"),
    "longer_side": ("floor", "round", "half-up"),
    "crop_offset": ("round", "floor"),
    "channels": get_args(Channels),
    "value_range": (1, 255),
    "mean_image": ("", "megvii-imagenet-224"),
    "fit": get_args(Fit),
    "bits": get_args(Bits),
}


def _numbers(count: int) -> str:
    return "1 number" if count == 1 else f"{count} numbers"
