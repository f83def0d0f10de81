"""Numbers with the digits that their source states, and preprocessing in words."""

from shufflenet.preprocess import scaled_size
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
    "format_size",
    "summarize_preprocess",
]

# How many decimals each source states: of percentages, of parameters and of FLOPs in millions. As
# floats, 76.230 and 76.23 are equal. Megvii states more decimals for the errors of Large and
# ExLarge, which the number itself shows.
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
    """Return a percentage with the decimals that its source states; ``-`` for None.

    >>> format_percent(76.23, "torchvision")
    '76.230'
    >>> format_percent(97.1, "megvii"), format_percent(81.44, "megvii")
    ('97.1', '81.44')
    """
    return "-" if value is None else _decimal(value, _DECIMALS.get(source or "", _OTHERS)[0])


def format_errors(published: Published, source: str) -> str:
    """Return the errors that a source states, top-1 and top-5; empty if it states accuracies.

    >>> format_errors(Published(top1_percent=69.36, top5_percent=88.32, source=""), "onnx_zoo")
    '30.64 / 11.68'
    """
    if source not in _STATE_ERRORS:
        return ""
    errors = (100 - published.top1_percent, 100 - published.top5_percent)
    return " / ".join(format_percent(round(error, 2), source) for error in errors)


def format_params(cost: PublishedCost, source: str) -> str:
    """Return the number of parameters that a source states, in millions."""
    return f"{_decimal(cost.params_millions, _DECIMALS.get(source, _OTHERS)[1])} M"


def format_flops(cost: PublishedCost, source: str) -> str:
    """Return the number that a source calls FLOPs, in millions."""
    return f"{cost.flops_millions:,.{_DECIMALS.get(source, _OTHERS)[2]}f} M"


def describe_use(weights: Weights) -> str:
    """Return how this package runs a published file; ``hub`` implements it."""
    if weights.runs_unconverted:
        return "unconverted, in int8" if weights.quantized else "unconverted"
    return "converted, in int8" if weights.becomes_int8 else "converted"


def add_difference(text: str, stated: float, counted: float) -> str:
    """Return a source's number with its difference from our count.

    >>> add_difference("149 M", 149.0, 144.908), add_difference("2.28 M", 2.28, 2.28)
    ('149 M (+2.8 %)', '2.28 M (=)')
    """
    if abs(stated - counted) < 1e-9:
        return f"{text} (=)"
    difference = f"{100 * (stated / counted - 1):+.1f} %"
    return f"{text} ({difference.replace('-0.0', '+0.0')})"


def format_millions(number: int) -> str:
    """Return a number in millions with one decimal."""
    return f"{number / 1e6:,.1f} M"


def format_megabytes(number: int) -> str:
    """Return a number of bytes in megabytes with one decimal."""
    return f"{number / 1e6:,.1f} MB"


def _decimal(value: float, decimals: int) -> str:
    return max(f"{value:.{decimals}f}", repr(value), key=len)


_RESIZERS = {"pillow": "Pillow", "opencv": "OpenCV"}
_RESIZING = {
    "pillow": "by Pillow, bilinear with antialiasing",
    "opencv": "by OpenCV, bilinear without antialiasing",
}
_FITS = {"pad": "padded to", "squash": "squashed to"}
_ROUNDING = {
    "floor": "down",
    "round": "to the nearest, halves to even",
    "half-up": "to the nearest, halves up",
}


def format_size(size: int | tuple[int, int]) -> str:
    """Return the size of images: a side, or of a height and a width first the width, as of photos.

    >>> format_size(224), format_size((64, 128))
    ('224 px', '128x64 px')
    """
    return f"{size} px" if isinstance(size, int) else f"{size[1]}x{size[0]} px"


def summarize_preprocess(how: Preprocess) -> str:
    """Return the sizes, the library and the order of colors.

    >>> summarize_preprocess(Preprocess(resize_px=256, crop_px=224))
    '256/224 Pillow RGB'
    """
    extra = " minus mean image" if how.mean_image else ""
    size = f"{how.width_px}x{how.height_px}" if how.height_px != how.width_px else f"{how.crop_px}"
    size = f"{how.resize_px}/{size}" if how.fit == "crop" else f"{_FITS[how.fit]} {size}"
    return f"{size} {_RESIZERS[how.resizer]} {_channels(how)}{extra}"


def _channels(how: Preprocess) -> str:
    """Return the channels, and how many bits they have if those are not the usual 8."""
    count = f"{how.in_channels} channel" + ("s" if how.in_channels > 1 else "")
    name = {"gray": "gray", "stored": count}.get(how.channels, how.channels.upper())
    return name if how.bits == 8 else f"{name} of {how.bits} bits"


def describe_preprocess(how: Preprocess) -> str:
    """Return every step from a file to the network's input, in words."""
    upright = "rotated by its EXIF tag" if how.exif else "EXIF tag ignored"
    mean, std = how.mean, how.std
    scaled = f"values of 0 to {how.value_range}"
    if any(mean):
        scaled += f", minus the mean {_numbers(mean)}"
    if any(each != 1 for each in std):
        scaled += f", divided by the standard deviation {_numbers(std)}"
    if how.mean_image:
        scaled += f", minus the mean image {how.mean_image!r}"
    if scaled == f"values of 0 to {how.value_range}":
        scaled += ", not normalized"
    return f"{_channels(how)}, {upright}; {_describe_fit(how)}; {scaled}"


def _numbers(values: tuple[float, ...]) -> str:
    """Return a number for each channel, in brackets if there are several.

    >>> _numbers((0.5, 0.25)), _numbers((0.5,))
    ('(0.5, 0.25)', '0.5')
    """
    return str(values) if len(values) > 1 else str(values[0])


def _describe_fit(how: Preprocess) -> str:
    """Return how an image of any size becomes one of the network's."""
    size, resizing = format_size(how.crop_px), _RESIZING[how.resizer]
    if how.fit == "squash":
        return f"both sides resized to {size} {resizing}"
    rounded, offset = _ROUNDING[how.longer_side], _ROUNDING[how.crop_offset]
    if how.fit == "pad":
        fitted = f"resized to lie inside {size} {resizing}, other side rounded {rounded}"
        return f"{fitted}; padded with the mean color, offset rounded {offset}"
    if isinstance(how.crop_px, int):
        resized = f"shorter side resized to {how.resize_px} px {resizing}, longer side"
    else:
        width, height = scaled_size(how.width_px, how.height_px, how)
        resized = f"resized to cover {width}x{height} px {resizing}, other side"
    return f"{resized} rounded {rounded}; center {size} cropped, offset rounded {offset}"
