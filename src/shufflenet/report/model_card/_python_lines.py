"""Lines of Python that prepare a photo and compute an exported file by ONNX Runtime alone."""

from shufflenet.preprocess import mean_color
from shufflenet.spec import Card, Preprocess

__all__ = ["python_lines", "why_no_python_lines"]


_MODES = {"rgb": "RGB", "bgr": "RGB", "gray": "L"}  # Pillow's


def why_no_python_lines(how: Preprocess) -> str:
    """Return why Pillow and NumPy do not prepare images in a few lines; empty if they do.

    >>> why_no_python_lines(Preprocess(resize_px=8, crop_px=8, resizer="opencv"))
    'its images are resized as OpenCV does'
    """
    if how.resizer != "pillow":
        return "its images are resized as OpenCV does"
    if how.mean_image:
        return f"the mean image `{how.mean_image}` is subtracted, which is in this package"
    if how.channels not in _MODES or how.bits != 8:
        return "its images are neither RGB nor gray of 8 bits"
    return ""


def python_lines(card: Card, file: str) -> str:
    """Return a program that prints the most probable classes of ``photo.jpg``.

    Args:
        card: A card whose images ``why_no_python_lines`` does not exclude.
        file: The name of the ONNX file that holds it.
    """
    how = card.preprocess
    opened = 'Image.open("photo.jpg")'
    image = f"ImageOps.exif_transpose({opened})" if how.exif else opened
    lines = [
        "import json",
        "",
        "import numpy as np",
        "import onnxruntime",
        f"from PIL import Image{', ImageOps' if how.exif else ''}",
        "",
        f'session = onnxruntime.InferenceSession("{file}")',
        'card = json.loads(session.get_modelmeta().custom_metadata_map["shufflenet"])',
        "",
        "# Of a photo without transparent parts:",
        f'image = {image}.convert("{_MODES[how.channels]}")',
        *_fitting(how),
        *(["pixels = pixels[..., np.newaxis]"] if how.channels == "gray" else []),
        *_normalizing(card),
        "batch = np.ascontiguousarray(values.transpose(2, 0, 1))[np.newaxis]",
        "",
        'logits = session.run(["logits"], {"images": batch})[0][0]',
        *_probabilities(card),
        "for index in probabilities.argsort()[::-1][:5]:",
        "    print(f\"{probabilities[index]:6.1%}  {card['labels'][index][1]}\")",
    ]
    return "\n".join(lines)


def _fitting(how: Preprocess) -> list[str]:
    """Return the lines that make an image of any size one of the network's, as ``pixels``."""
    height, width = how.height_px, how.width_px
    if how.fit == "squash":
        resized = f"image = image.resize(({width}, {height}), Image.Resampling.BILINEAR)"
        return [resized, "pixels = np.asarray(image)"]
    shorter = min(height, width)
    across, down = (round(how.resize_px * side / shorter) for side in (width, height))
    narrow = "w <= h" if height == width else f"w * {height} <= h * {width}"
    first, second = (
        f"w, h = {across}, {_scaled(how, across, 'h', 'w')}",
        f"w, h = {_scaled(how, down, 'w', 'h')}, {down}",
    )
    if how.fit == "pad":
        narrow = narrow.replace("<=", ">=")
    lines = [
        "w, h = image.size",
        f"if {narrow}:",
        f"    {first}",
        "else:",
        f"    {second}",
        "image = image.resize((w, h), Image.Resampling.BILINEAR)",
    ]
    if how.fit == "pad":
        levels = [int(value) for value in mean_color(how)]
        color = levels[0] if how.channels == "gray" else tuple(levels)
        return [
            *lines,
            f'canvas = Image.new("{_MODES[how.channels]}", ({width}, {height}), {color})',
            f"canvas.paste(image, ({_start(how, width, 'w')}, {_start(how, height, 'h')}))",
            "pixels = np.asarray(canvas)",
        ]
    return [
        *lines,
        f"left, top = {_start(how, width, 'w')}, {_start(how, height, 'h')}",
        f"pixels = np.asarray(image.crop((left, top, left + {width}, top + {height})))",
    ]


def _scaled(how: Preprocess, to_px: int, side: str, other: str) -> str:
    """Return the length of a side when the other becomes ``to_px``, in the order of the source."""
    scaled = {
        "floor": f"int({to_px} * {side} / {other})",
        "round": f"round({side} * ({to_px} / {other}))",
        "half-up": f"int({to_px} / {other} * {side} + 0.5)",
    }[how.longer_side]
    return f"max(1, {scaled})" if how.fit == "pad" or how.height_px != how.width_px else scaled


def _start(how: Preprocess, kept_px: int, side: str) -> str:
    spare = f"({kept_px} - {side})" if how.fit == "pad" else f"({side} - {kept_px})"
    return f"round({spare} / 2)" if how.crop_offset == "round" else f"{spare} // 2"


def _normalizing(card: Card) -> list[str]:
    """Return the lines that turn ``pixels`` into ``values``, the network's numbers."""
    how = card.preprocess
    pixels = "pixels[..., ::-1]" if how.channels == "bgr" else "pixels"
    scaled = f"{pixels} / 255" if how.value_range == 1 else f"{pixels} * 1.0"
    if any(how.mean):
        scaled = f"({scaled} - {how.mean})"
    if any(each != 1 for each in how.std):
        scaled = f"{scaled} / {how.std}"
    values = f"values = ({scaled}).astype(np.float32)"
    if card.int8 is None:
        return [values]
    return [
        "values = pixels",
        'if session.get_inputs()[0].type == "tensor(float)":  # else it takes pixels',
        f"    {values}",
    ]


def _probabilities(card: Card) -> list[str]:
    if card.task == "multi-label":  # each class by itself
        return ["probabilities = 1 / (1 + np.exp(-logits))"]
    return ["probabilities = np.exp(logits - logits.max())", "probabilities /= probabilities.sum()"]
