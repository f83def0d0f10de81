"""Core ML packages: a program of one image, whose results are labels, probabilities and logits.

Float networks are of operator set CoreML5, which iOS 15 and macOS 12 read; networks with 8-bit
weights of CoreML6, iOS 16 and macOS 13.
"""

from collections import Counter
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from shufflenet import files
from shufflenet.errors import SpecError
from shufflenet.export._coreml_nodes import Builder, add_nodes
from shufflenet.export._options import Request
from shufflenet.files.mlpackage import (
    ArrayInput,
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

    Raises:
        SpecError: images are of another size than the mean image that is subtracted from them.
    """
    quantized = request.precision == "int8"
    dtype = "float32" if request.precision == "float32" else "float16"
    builder = Builder(dtype, batch_dims=quantized)
    _, channels, height, width = program.shapes[program.images]
    images: ImageInput | ArrayInput
    if channels == 3:
        colors = "rgb" if program.takes_bytes else request.card.preprocess.channels
        about = f"An RGB image, resized and cropped to {width}x{height} px."
        images = ImageInput(_IMAGE, height, width, colors, about)
        prepared = _normalize(builder, request.card, program)
    else:
        images = ArrayInput(_ARRAY, program.shapes[program.images], "Prepared images, (n, c, h, w)")
        prepared = _ARRAY
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


def _normalize(builder: Builder, card: Card, program: Program) -> str:
    """Add what turns an image's values, 0 to 255, into what the network reads, in float32.

    That is ``preprocess.normalize``, or what bytes mean to a network that reads bytes.

    Raises:
        SpecError: a mean image is subtracted, and is of another size.
    """
    image: npt.NDArray[np.float32] | None = None
    if program.takes_bytes:
        params = program.params[program.images]
        scale, offset = np.full(3, params.scale), np.full(3, -params.zero_point * params.scale)
    else:
        (scale, offset), image = affine(card.preprocess), mean_image(card.preprocess)
    name, shape = _IMAGE, program.shapes[program.images]
    if image is not None and image.shape != shape[1:]:
        size = f"{image.shape[1]} px, the size of the mean image that is subtracted"
        raise SpecError("image_px", shape[2:], size)
    steps = [("sub", image[None])] if image is not None else []
    steps += [("mul", scale.reshape(1, 3, 1, 1)), ("add", offset.reshape(1, 3, 1, 1))]
    for kind, constant in steps:
        values = {"x": name, "y": builder.constant(np.ascontiguousarray(constant, np.float32))}
        name = builder.add(kind, values, shape, dtype="float32")
    return name


def _results(builder: Builder, logits: str, card: Card) -> tuple[Result, ...]:
    """Add logits in float32, probabilities and the label; return what the model returns."""
    shape = (1, len(card.labels))
    builder.convert(logits, "float32", shape, name=_LOGITS)
    axis = builder.constant(np.array(-1, np.int32))
    probabilities = builder.add("softmax", {"x": _LOGITS, "axis": axis}, shape, dtype="float32")
    label = Result(_LABEL, TensorType("str", ()), "The most probable class.")
    each = Result(_PROBABILITIES, "probabilities", "The probability of each class, 0 to 1.")
    builder.classify(probabilities, (label, each), _labels(card))
    about = "The network's outputs before the softmax."
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
