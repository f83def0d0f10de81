"""Core ML packages: a program of one image, whose results are labels, probabilities and logits.

Float networks are of operator set CoreML5, which iOS 15 and macOS 12 read; networks with 8-bit
weights of CoreML6, iOS 16 and macOS 13.
"""

from collections import Counter
from collections.abc import Mapping
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from shufflenet import files
from shufflenet.export._coreml_nodes import Builder, add_nodes
from shufflenet.export._options import Request
from shufflenet.files.mlpackage import (
    ArrayInput,
    Colors,
    ImageInput,
    Model,
    Result,
    TensorType,
    encode_package,
    sealed_part,
)
from shufflenet.graph import Program
from shufflenet.preprocess import affine, mean_image
from shufflenet.spec import Card

__all__ = ["seal", "write"]

_Floats: TypeAlias = npt.NDArray[np.float64]

_FOLDER = ".mlpackage"
_IMAGE, _ARRAY, _LOGITS, _LABEL = "image", "images", "logits", "classLabel"
_PROBABILITIES = "classLabelProbs"
_PREVIEW = {"com.apple.coreml.model.preview.type": "imageClassifier"}  # what Xcode shows of it


def write(program: Program, request: Request) -> dict[str, bytes]:
    """Return the files of a package, by their paths: a classifier of one image of one size.

    Args:
        program: The network, for one image.
        request: What is wanted: ``float16`` computes in float16, ``float32`` in float32, and
            ``int8`` in float16 with the 8-bit weights of the program.
    """
    quantized = request.precision == "int8"
    dtype = "float32" if request.precision == "float32" else "float16"
    builder = Builder(dtype, batch_dims=quantized)
    _, channels, height, width = program.shapes[program.images]
    images: ImageInput | ArrayInput
    if colors := _colors(request.card, channels):
        named = "A gray" if colors == "gray" else "An RGB"
        about = f"{named} image, resized and cropped to {width}x{height} px."
        colors = "rgb" if program.takes_bytes and colors == "bgr" else colors
        images = ImageInput(_IMAGE, height, width, colors, about)
        prepared = _normalize(builder, request.card, program)
    else:
        images = ArrayInput(_ARRAY, program.shapes[program.images], "Prepared images, (n, c, h, w)")
        prepared = _prepared(builder, request.card, program)
    logits = add_nodes(builder, program, builder.cast(prepared, program.shapes[program.images]))
    results = _results(builder, logits, request.card)
    model = Model(
        version=7 if quantized else 6,
        opset="CoreML6" if quantized else "CoreML5",
        input=images,
        operations=tuple(builder.operations),
        results=results,
        metadata={**_PREVIEW, **request.metadata},
        about=_about(request.card),
    )
    folder = f"{request.stem}{_FOLDER}"
    return {f"{folder}/{name}": content for name, content in encode_package(model).items()}


def seal(contents: Mapping[str, bytes]) -> dict[str, bytes]:
    """Return a package with its hash inside; see ``files.seal``."""
    return {**contents, **files.seal(sealed_part(contents))}


def _colors(card: Card, channels: int) -> Colors | None:
    """Return what a Core ML image has, if that is all the network takes; else None."""
    how = card.preprocess
    if how.bits != 8 or how.in_channels != channels:
        return None
    match how.channels:
        case "rgb" | "bgr" | "gray":
            return how.channels
    return None


def _normalize(builder: Builder, card: Card, program: Program) -> str:
    """Add what turns an image's values, 0 to 255, into what the network reads, in float32.

    That is ``preprocess.normalize``, or what bytes mean to a network that reads bytes.
    """
    image = mean_image(card.preprocess)
    if program.takes_bytes:
        return _affine(builder, _IMAGE, _meaning(program), program)
    shape, name = program.shapes[program.images], _IMAGE
    if image is not None:
        values = {"x": name, "y": builder.constant(np.ascontiguousarray(image[None], np.float32))}
        name = builder.add("sub", values, shape, dtype="float32")
    return _affine(builder, name, affine(card.preprocess), program)


def _meaning(program: Program) -> tuple[_Floats, _Floats]:
    """Return the factor and the offset by which a network reads bytes, of each channel."""
    params = program.params[program.images]
    scale = np.full(program.shapes[program.images][1], params.scale, np.float64)
    return scale, -params.zero_point * scale


def _prepared(builder: Builder, card: Card, program: Program) -> str:
    """Add what turns a prepared image into what the network reads, if that is bytes."""
    if not program.takes_bytes:
        return _ARRAY
    (scale, offset), (factor, shift) = _meaning(program), affine(card.preprocess)
    return _affine(builder, _ARRAY, (scale / factor, offset - shift * scale / factor), program)


def _affine(builder: Builder, name: str, numbers: tuple[_Floats, _Floats], program: Program) -> str:
    """Add a factor and an offset of each channel, in float32."""
    for kind, each in zip(("mul", "add"), numbers, strict=True):
        constant = np.asarray(each.reshape(1, -1, 1, 1), np.float32)
        values = {"x": name, "y": builder.constant(constant)}
        name = builder.add(kind, values, program.shapes[program.images], dtype="float32")
    return name


def _results(builder: Builder, logits: str, card: Card) -> tuple[Result, ...]:
    """Add logits in float32, probabilities and the label; return what the model returns."""
    shape = (1, len(card.labels))
    builder.convert(logits, "float32", shape, name=_LOGITS)
    kind, values = "sigmoid", {"x": _LOGITS}
    if card.task == "classification":
        kind, values = "softmax", {**values, "axis": builder.constant(np.array(-1, np.int32))}
    probabilities = builder.add(kind, values, shape, dtype="float32")
    label = Result(_LABEL, TensorType("str", ()), "The most probable class.")
    each = Result(_PROBABILITIES, "probabilities", "The probability of each class, 0 to 1.")
    builder.classify(probabilities, (label, each), _labels(card))
    about = f"The network's outputs before the {kind}."
    return label, each, Result(_LOGITS, TensorType("float32", shape), about)


def _labels(card: Card) -> tuple[str, ...]:
    """Return a name for each class, all different, for they are keys: ids follow shared names."""
    names = [label.name or label.id for label in card.labels]
    shared = Counter(names)
    unique = [
        name if shared[name] == 1 else f"{name} ({label.id})"
        for name, label in zip(names, card.labels, strict=True)
    ]
    again = Counter(unique)
    return tuple(
        name if again[name] == 1 else f"{name} ({index})" for index, name in enumerate(unique)
    )


def _about(card: Card) -> tuple[str, str, str]:
    what = f"{card.name}: {card.network.name}, {len(card.labels)} classes"
    return (f"{what}; trained on {card.origin.data}.", "shufflenet", card.origin.licence)
