"""How an image becomes the network's input."""

from dataclasses import dataclass
from typing import Literal

from shufflenet.errors import SpecError

__all__ = ["Preprocess"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Preprocess:
    """How an image becomes the network's input: part of a set of weights, never of the code.

    The shorter side is resized to ``resize_px``, the centred square of ``crop_px`` is kept, and
    values become ``((value - mean_image) * value_range / 255 - mean) / std``.

    Attributes:
        resizer: ``pillow`` averages all pixels that fall together (antialiasing); ``opencv``
            interpolates between the four nearest, as ``cv2.INTER_LINEAR`` does.
        longer_side: How its length is rounded; ``round`` takes a half to the even number,
            ``half-up`` to the greater one.
        crop_offset: How the offset of the crop is rounded; ``round`` as above.
        channels: The order of colours.
        value_range: What 255 becomes: 1 or 255.
        mean: One number a channel, in the order of ``channels`` and the range of values.
        std: The same.
        mean_image: The name of an image, of ``crop_px`` a side and values 0 to 255, that is
            subtracted; or empty.
        exif: Whether an image is turned upright as its EXIF tag says.
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
        if self.crop_px < 1:
            raise SpecError("crop_px", self.crop_px, "at least 1")
        if self.resize_px < self.crop_px:
            raise SpecError("resize_px", self.resize_px, f"at least crop_px, {self.crop_px}")
        if self.interpolation != "bilinear":
            raise SpecError("interpolation", self.interpolation, "'bilinear'")
        for field, allowed in _CHOICES.items():
            if getattr(self, field) not in allowed:
                *most, last = map(repr, allowed)
                expected = f"{', '.join(most)} or {last}"
                raise SpecError(field, getattr(self, field), expected)
        if len(self.mean) != 3 or len(self.std) != 3 or min(self.std) <= 0:
            raise SpecError("mean and std", (self.mean, self.std), "3 numbers each, std positive")
        if self.mean_image and self.crop_px != 224:
            raise SpecError("crop_px", self.crop_px, f"224, the size of {self.mean_image!r}")


_CHOICES: dict[str, tuple[str | int, ...]] = {
    "resizer": ("pillow", "opencv"),
    "longer_side": ("floor", "round", "half-up"),
    "crop_offset": ("round", "floor"),
    "channels": ("rgb", "bgr"),
    "value_range": (1, 255),
    "mean_image": ("", "megvii-imagenet-224"),
}
