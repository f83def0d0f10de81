"""LiteRT files (``.tflite``): the network's operations, its card, and what other programs read.

A file takes pixels, ``(n, h, w, c)``, from 0 to 255: float32 in a float file, uint8 in one in int8.
They are normalized inside, channel by channel, since MediaPipe has one mean for all three. Pixels
of 16 bits, from 0 to 65535, are float32 in every file. A network that subtracts a mean image takes
normalized images, float32.
"""

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from shufflenet.export._litert_graph import add_operations
from shufflenet.export._litert_metadata import COLOR_SPACES, append_labels, task_metadata
from shufflenet.export._litert_model import Codes, Model, Operation
from shufflenet.export._litert_tensors import Tensors, signed
from shufflenet.export._options import Request
from shufflenet.graph import Program
from shufflenet.preprocess import affine
from shufflenet.runtimes import INPUT_KEY
from shufflenet.spec import Card, Preprocess

__all__ = ["write"]

# What an element of the input means, by whether it is a byte.
_PIXELS = {False: None, True: Codes(np.ones(1, np.float32))}


def write(program: Program, request: Request) -> dict[str, bytes]:
    """Return the LiteRT file of a network.

    It states the shape that was asked for, which most programs keep to; one that resizes the input
    may give it images of any number and size.
    """
    model, card = Model(), request.card
    tensors = Tensors(program, model, halves=request.precision == "float16")
    of_pixels = program.takes_bytes or _normalizes_each_pixel(card)
    as_bytes = program.images in program.params and card.preprocess.bits == 8
    if program.takes_bytes:
        images = _add_bytes(program, model, tensors)
    elif of_pixels:
        images = _add_pixels(program, model, tensors, card.preprocess, as_bytes=as_bytes)
    else:
        images = _add_normalized(program, model, tensors)
    add_operations(program, model, tensors)
    metadata = {key: text.encode() for key, text in request.metadata.items()}
    metadata[INPUT_KEY] = b"pixels" if of_pixels else b"normalized"
    if of_pixels and card.preprocess.in_channels in COLOR_SPACES:
        metadata["TFLITE_METADATA"] = task_metadata(card, request.size, as_bytes=as_bytes)
    content = model.finish(images, tensors.read(program.logits, as_bytes=False), metadata)
    return {f"{request.stem}.tflite": append_labels(content, card)}


def _normalizes_each_pixel(card: Card) -> bool:
    how = card.preprocess
    return card.network.in_channels == how.in_channels and not how.mean_image


def _add_bytes(program: Program, model: Model, tensors: Tensors) -> int:
    """Add the input of a program that takes pixels in bytes, and return its number."""
    name = program.images
    meant = signed(program.params[name])
    unsigned = Codes(meant.scale, program.params[name].zero_point)
    images = model.tensor("images", tensors.shape(name), "uint8", unsigned)
    pixels = model.tensor("pixels", tensors.shape(name), "int8", meant)
    quantize = Operation("QUANTIZE", schema.QuantizeOptionsT(), 2)
    model.operator(quantize, [images], [pixels])
    tensors.take(name, pixels, as_bytes=True)
    return images


def _add_normalized(program: Program, model: Model, tensors: Tensors) -> int:
    """Add an input of normalized images, and return its number."""
    images = model.tensor("images", tensors.shape(program.images))
    _take(program, tensors, images)
    return images


def _add_pixels(
    program: Program, model: Model, tensors: Tensors, how: Preprocess, *, as_bytes: bool
) -> int:
    """Add an input of pixels, and their normalization in the program's order of channels.

    That is ``pixel * factor + offset``, as a convolution of one pixel in float32, also in int8
    files: of all that LiteRT can do with each channel by itself, it is the fastest.

    Returns:
        The number of the input.
    """
    shape = tensors.shape(program.images)
    images = model.tensor("images", shape, "uint8" if as_bytes else "float32", _PIXELS[as_bytes])
    pixels = images
    if as_bytes:
        pixels = model.tensor("pixels", shape)
        model.operator(Operation("DEQUANTIZE", schema.DequantizeOptionsT()), [images], [pixels])
    factors, offsets = (each.astype(np.float32) for each in affine(how))
    matrix = np.diag(factors)[:, :: -1 if how.channels == "bgr" else 1]
    channels = len(matrix)
    constants = [
        model.constant("factors", np.ascontiguousarray(matrix).reshape(channels, 1, 1, channels)),
        model.constant("offsets", offsets),
    ]
    options = schema.Conv2DOptionsT(schema.Padding.VALID, 1, 1)
    normalized = model.tensor("normalized", shape)
    model.operator(Operation("CONV_2D", options), [pixels, *constants], [normalized])
    _take(program, tensors, normalized)
    return images


def _take(program: Program, tensors: Tensors, normalized: int) -> None:
    """Take normalized images as those of the program, which may hold them in bytes."""
    name = program.images
    tensors.take(name, normalized, as_bytes=False)
    if name in program.params:
        rounded = tensors.rounded(name, program.params[name])
        tensors.take(name, rounded, as_bytes=True)
