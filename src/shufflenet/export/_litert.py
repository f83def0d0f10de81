"""LiteRT files (``.tflite``): the network's operations, its card, and what other programs read.

A file takes RGB pixels from 0 to 255, ``(n, h, w, 3)``: float32 in a float file, uint8 in one in
int8. They are normalized inside, color by color, since MediaPipe has one mean for all three. A
network that subtracts a mean image, or takes other channels than colors, takes normalized images,
float32.
"""

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from shufflenet.export._litert_graph import add_operations
from shufflenet.export._litert_metadata import append_labels, task_metadata
from shufflenet.export._litert_model import Codes, Model, Operation
from shufflenet.export._litert_tensors import Tensors, signed
from shufflenet.export._options import Request
from shufflenet.graph import Program
from shufflenet.preprocess import affine
from shufflenet.runtimes import LITERT_INPUT_KEY
from shufflenet.spec import Card, Preprocess

__all__ = ["write"]

_SIGNED_PIXELS = Codes(np.ones(1, np.float32), -128)
_LARGEST_CODE = 127


def write(program: Program, request: Request) -> dict[str, bytes]:
    """Return the LiteRT file of a network.

    It states the shape that was asked for, which most programs keep to; one that resizes the input
    may give it images of any number and size.
    """
    model, card = Model(), request.card
    tensors = Tensors(program, model, halves=request.precision == "float16")
    of_pixels = program.takes_bytes or _normalizes_each_pixel(card)
    if program.takes_bytes:
        images = _add_bytes(program, model, tensors)
    elif of_pixels:
        images = _add_pixels(program, model, tensors, card.preprocess)
    else:
        images = _add_normalized(program, model, tensors)
    flip = of_pixels and not program.takes_bytes and card.preprocess.channels == "bgr"
    add_operations(program, model, tensors, flip=flip)
    metadata = {key: text.encode() for key, text in request.metadata.items()}
    metadata[LITERT_INPUT_KEY] = b"pixels" if of_pixels else b"normalized"
    if of_pixels:
        as_bytes = program.images in program.params
        metadata["TFLITE_METADATA"] = task_metadata(card, request.size, as_bytes=as_bytes)
    content = model.finish(images, tensors.read(program.logits, as_bytes=False), metadata)
    return {f"{request.stem}.tflite": append_labels(content, card)}


def _normalizes_each_pixel(card: Card) -> bool:
    return card.network.in_channels == 3 and not card.preprocess.mean_image


def _add_bytes(program: Program, model: Model, tensors: Tensors) -> int:
    """Add the input of a program that takes pixels in bytes, and return its number."""
    name = program.images
    meant = signed(program.params[name])
    unsigned = Codes(meant.scale, program.params[name].zero_point)
    images = model.tensor("images", tensors.shape(name), "uint8", unsigned)
    pixels = model.tensor("pixels", tensors.shape(name), "int8", meant)
    model.operator(_quantize(), [images], [pixels])
    tensors.take(name, pixels, as_bytes=True)
    return images


def _add_normalized(program: Program, model: Model, tensors: Tensors) -> int:
    """Add an input of normalized images, and return its number."""
    name = program.images
    images = model.tensor("images", tensors.shape(name))
    tensors.take(name, images, as_bytes=False)
    if name in program.params:
        rounded = tensors.rounded(name, program.params[name])
        tensors.take(name, rounded, as_bytes=True)
    return images


def _add_pixels(program: Program, model: Model, tensors: Tensors, how: Preprocess) -> int:
    """Add an input of RGB pixels and their normalization, ``pixel * factor + offset``.

    Returns:
        The number of the input.
    """
    name, params = program.images, program.params.get(program.images)
    shape, order = tensors.shape(name), 1 if how.channels == "rgb" else -1
    factors, offsets = (each[::order] for each in affine(how))
    options = schema.DepthwiseConv2DOptionsT(schema.Padding.VALID, 1, 1, 1)
    if params is None:
        images = model.tensor("images", shape)
        constants = [
            model.constant("factors", factors.astype(np.float32).reshape(1, 1, 1, 3)),
            model.constant("offsets", offsets.astype(np.float32)),
        ]
        normalized, version, pixels = model.tensor("normalized", shape), 1, images
    else:
        images = model.tensor("images", shape, "uint8", Codes(np.ones(1, np.float32)))
        pixels = model.tensor("pixels", shape, "int8", _SIGNED_PIXELS)
        model.operator(_quantize(), [images], [pixels])
        constants = _integer_factors(model, factors, offsets)
        normalized, version = model.tensor("normalized", shape, "int8", signed(params)), 3
    operation = Operation("DEPTHWISE_CONV_2D", options, version)
    model.operator(operation, [pixels, *constants], [normalized])
    tensors.take(name, normalized, as_bytes=params is not None)
    return images


def _integer_factors(model: Model, factors: np.ndarray, offsets: np.ndarray) -> list[int]:
    """Add factors as int8 and offsets as int32, whose sums are rounded to bytes once.

    An offset is a whole number of scales of its factor. Of the codes from 64 to 127 a factor gets
    the one by which that is nearest to the offset.
    """
    codes = np.arange(_LARGEST_CODE // 2 + 1, _LARGEST_CODE + 1)[:, None]
    sums = offsets / factors * codes
    best = (np.abs(sums - np.rint(sums)) / codes).argmin(axis=0)
    weight, bias = codes[best, 0], np.rint(sums[best, np.arange(3)])
    scale = (factors / weight).astype(np.float32)
    weights = weight.astype(np.int8).reshape(1, 1, 1, 3)
    return [
        model.constant("factors", weights, Codes(scale, axis=3)),
        model.constant("offsets", bias.astype(np.int32), Codes(scale)),
    ]


def _quantize() -> Operation:
    return Operation("QUANTIZE", schema.QuantizeOptionsT(), 2)
