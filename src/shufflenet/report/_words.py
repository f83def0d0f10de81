"""Figures as precise as they were published, and preprocessing in words."""

from shufflenet.spec import Preprocess, Published
from shufflenet.zoo import PublishedCost, Weights

__all__ = [
    "add_difference",
    "describe_preprocess",
    "describe_use",
    "format_errors",
    "format_flops",
    "format_megabytes",
    "format_millions",
    "format_params",
    "format_percent",
    "summarize_preprocess",
]

# How many decimals each source gives: of percentages, of parameters and of FLOPs in millions. A
# float cannot tell 76.230 from 76.23. Megvii gives the errors of Large and ExLarge more precisely,
# which shows in the figure itself.
_DECIMALS = {
    "torchvision": (3, 6, 0),
    "mmpretrain": (2, 2, 0),
    "paddleclas": (2, 2, 2),
    "megvii": (1, 1, 0),
    "onnx_zoo": (2, 2, 2),
}
_OTHERS = (2, 2, 2)

# Sources that state errors, not accuracies: the READMEs that zoo/_megvii.py and _onnx_zoo.py name.
_STATE_ERRORS = ("megvii", "onnx_zoo")


def format_percent(value: float | None, source: str | None) -> str:
    """Write a percentage as precise as its source states it; ``-`` where it states none.

    >>> format_percent(76.23, "torchvision")
    '76.230'
    >>> format_percent(97.1, "megvii"), format_percent(81.44, "megvii")
    ('97.1', '81.44')
    """
    return "-" if value is None else _decimal(value, _DECIMALS.get(source or "", _OTHERS)[0])


def format_errors(published: Published, source: str) -> str:
    """Write the errors that a source states, top-1 and top-5; empty where it states accuracies.

    >>> format_errors(Published(top1_percent=69.36, top5_percent=88.32, source=""), "onnx_zoo")
    '30.64 / 11.68'
    """
    if source not in _STATE_ERRORS:
        return ""
    errors = (100 - published.top1_percent, 100 - published.top5_percent)
    return " / ".join(format_percent(round(error, 2), source) for error in errors)


def format_params(cost: PublishedCost, source: str) -> str:
    """Write the parameters that a source states, in millions."""
    return f"{_decimal(cost.params_millions, _DECIMALS.get(source, _OTHERS)[1])} M"


def format_flops(cost: PublishedCost, source: str) -> str:
    """Write what a source calls FLOPs, in millions."""
    return f"{cost.flops_millions:,.{_DECIMALS.get(source, _OTHERS)[2]}f} M"


def describe_use(weights: Weights) -> str:
    """Say how this package uses a published file; ``obtain`` is what does it."""
    if weights.runs_unconverted:
        return "as it is, in int8" if weights.quantized else "as it is"
    return "converted" if weights.convertible else "not: int8 of torch"


def add_difference(text: str, stated: float, counted: float) -> str:
    """Add to what a source states how far it is from what is counted.

    >>> add_difference("149 M", 149.0, 144.908), add_difference("2.28 M", 2.28, 2.28)
    ('149 M (+2.8 %)', '2.28 M (=)')
    """
    if abs(stated - counted) < 1e-9:
        return f"{text} (=)"
    difference = f"{100 * (stated / counted - 1):+.1f} %"
    return f"{text} ({difference.replace('-0.0', '+0.0')})"


def format_millions(number: int) -> str:
    """Write a number in millions, to a digit behind the point."""
    return f"{number / 1e6:,.1f} M"


def format_megabytes(number: int) -> str:
    """Write a number of bytes in millions, to a digit behind the point."""
    return f"{number / 1e6:,.1f} MB"


def _decimal(value: float, decimals: int) -> str:
    return max(f"{value:.{decimals}f}", repr(value), key=len)


_RESIZERS = {"pillow": "Pillow", "opencv": "OpenCV"}
_RESIZING = {
    "pillow": "by Pillow, bilinear with antialiasing",
    "opencv": "by OpenCV, bilinear without antialiasing",
}
_ROUNDING = {
    "floor": "down",
    "round": "to the nearest, halves to the even number",
    "half-up": "to the nearest, halves up",
}


def summarize_preprocess(how: Preprocess) -> str:
    """Name the sizes, the library and the colours.

    >>> summarize_preprocess(Preprocess(resize_px=256, crop_px=224))
    '256/224 Pillow RGB'
    """
    extra = ", less mean image" if how.mean_image else ""
    size = f"{how.resize_px}/{how.crop_px}"
    return f"{size} {_RESIZERS[how.resizer]} {how.channels.upper()}{extra}"


def describe_preprocess(how: Preprocess) -> str:
    """Tell every step from a file to the network's input."""
    upright = "turned upright by its EXIF tag" if how.exif else "EXIF tag ignored"
    mean, std = how.mean, how.std
    scaled = f"values of 0 to {how.value_range}"
    if any(mean):
        scaled += f", less the mean {mean}"
    if any(each != 1 for each in std):
        scaled += f", divided by the standard deviation {std}"
    if how.mean_image:
        scaled += f", less the mean image {how.mean_image!r}"
    if scaled == f"values of 0 to {how.value_range}":
        scaled += ", not normalised"
    return (
        f"{how.channels.upper()}, {upright}; "
        f"shorter side resized to {how.resize_px} px {_RESIZING[how.resizer]}, "
        f"longer side rounded {_ROUNDING[how.longer_side]}; "
        f"centre {how.crop_px} px cropped, offset rounded {_ROUNDING[how.crop_offset]}; {scaled}"
    )
