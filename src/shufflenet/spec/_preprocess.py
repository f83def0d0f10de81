"""The preprocessing of an image to the input of a network."""

from dataclasses import dataclass, replace
from typing import Literal

from shufflenet.errors import SpecError
from shufflenet.spec._bounds import MAX_CROP_PX, MAX_RESIZE_PX, require_one_of, require_within

__all__ = ["Preprocess"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Preprocess:
    """The preprocessing of an image to the input of a network; every set of weights has its own.

    The shorter side is resized to ``resize_px``, the square of ``crop_px`` in the center is
    cropped, and values become ``((value - mean_image) * value_range / 255 - mean) / std``.

    Attributes:
        resize_px: The length of the shorter side.
        crop_px: The height and the width of the input.
        interpolation: The interpolation of the resize.
        resizer: ``pillow`` averages all source pixels of a pixel (antialiasing); ``opencv``
            interpolates between the four nearest, as ``cv2.INTER_LINEAR`` does.
        longer_side: The rounding of its length; ``round`` rounds halves to even, ``half-up`` up.
        crop_offset: The rounding of the crop's offset; ``round`` as above.
        channels: The order of colors.
        value_range: The value that 255 becomes: 1 or 255.
        mean: A number for each channel, in the order of ``channels``, after scaling to
            ``value_range``.
        std: The same.
        mean_image: The name of an image of ``crop_px`` by ``crop_px`` and values 0 to 255 that is
            subtracted; empty for none.
        exif: Whether an image is rotated by its EXIF tag.
    """

    resize_px: int
    crop_px: int
    interpolation: Literal["bilinear"] = "bilinear"
    resizer: Literal["pillow", "opencv"] = "pillow"
    longer_side: Literal["floor", "round", "half-up"] = "floor"
    crop_offset: Literal["round", "floor"] = "round"
    channels: Literal["rgb", "bgr"] = "rgb"
    value_range: Literal[1, 255] = 1
    mean: tuple[float, float, float] = (0.485, 0.456, 0.406)
    std: tuple[float, float, float] = (0.229, 0.224, 0.225)
    mean_image: Literal["", "megvii-imagenet-224"] = ""
    exif: bool = True

    def __post_init__(self) -> None:
        require_within(self, 1, MAX_CROP_PX, "crop_px")
        if self.resize_px < self.crop_px:
            raise SpecError("resize_px", self.resize_px, f"at least crop_px, {self.crop_px}")
        require_within(self, 1, MAX_RESIZE_PX, "resize_px")
        if self.interpolation != "bilinear":
            raise SpecError("interpolation", self.interpolation, "'bilinear'")
        for field, allowed in _CHOICES.items():
            require_one_of(self, field, *allowed)
        if len(self.mean) != 3 or len(self.std) != 3 or min(self.std) <= 0:
            raise SpecError("mean and std", (self.mean, self.std), "3 numbers each, std positive")
        if not all(abs(value) <= _LARGEST for value in self.mean):
            raise SpecError("mean", self.mean, f"3 numbers of at most {_LARGEST:g}")
        if not all(1 / _LARGEST <= value <= _LARGEST for value in self.std):
            raise SpecError("std", self.std, f"3 numbers from {1 / _LARGEST:g} to {_LARGEST:g}")
        if self.mean_image and self.crop_px != 224:
            raise SpecError("crop_px", self.crop_px, f"224, the size of {self.mean_image!r}")

    def cropped_to(self, crop_px: int) -> "Preprocess":
        """Return the preprocessing for squares of another size, which shows as much of each photo.

        Raises:
            SpecError: the size is outside its range, or a mean image is subtracted.

        >>> Preprocess(resize_px=256, crop_px=224).cropped_to(112).resize_px
        128
        """
        resize_px = max(crop_px, round(self.resize_px * crop_px / self.crop_px))
        return replace(self, crop_px=crop_px, resize_px=resize_px)


_LARGEST = 1e6  # of a mean or a standard deviation: values reach 255

_CHOICES: dict[str, tuple[str | int, ...]] = {
    "resizer": ("pillow", "opencv"),
    "longer_side": ("floor", "round", "half-up"),
    "crop_offset": ("round", "floor"),
    "channels": ("rgb", "bgr"),
    "value_range": (1, 255),
    "mean_image": ("", "megvii-imagenet-224"),
}
