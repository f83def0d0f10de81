"""The inputs and outputs of a model in the Open Inference Protocol, and what it tells of them.

Sources: kserve/open-inference-protocol, specification/protocol/inference_rest.md, for metadata;
triton-inference-server/server, docs/protocol/extension_model_configuration.md, and
triton-inference-server/common, protobuf/model_config.proto, for the configuration.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from shufflenet.serve._limits import Limits
from shufflenet.serve._served import Served

__all__ = [
    "BOXES",
    "EMBEDDINGS",
    "FILES",
    "IMAGES",
    "LOGITS",
    "PIXELS",
    "PROBABILITIES",
    "VERSION",
    "Form",
    "Signature",
    "configuration",
    "metadata",
    "sign",
]

VERSION = "1"  # a model is served in one version, and the protocol counts from 1
IMAGES, PIXELS, FILES = "images", "pixels", "files"
LOGITS, PROBABILITIES, EMBEDDINGS = "logits", "probabilities", "embeddings"
BOXES = "boxes"
# Datatypes as in the configuration; BYTES are called STRING there.
_CONFIGURED: Final = {
    "FP32": "TYPE_FP32",
    "UINT8": "TYPE_UINT8",
    "UINT16": "TYPE_UINT16",
    "BYTES": "TYPE_STRING",
}
_FORMATS: Final = {IMAGES: "FORMAT_NCHW", PIXELS: "FORMAT_NHWC", FILES: "FORMAT_NONE"}


@dataclass(frozen=True, slots=True)
class Form:
    """An input or an output.

    Attributes:
        datatype: The type of its elements, as the protocol calls it.
        shape: Its lengths; the first is -1, for any number of images.
    """

    datatype: str
    shape: tuple[int, ...]


@dataclass(frozen=True, eq=False, slots=True)
class Signature:
    """A model with its inputs, of which a request has one, and its outputs, by their names."""

    served: Served
    inputs: Mapping[str, Form]
    outputs: Mapping[str, Form]


def sign(served: Served) -> Signature:
    """Return the inputs and outputs of a model.

    ``images`` are prepared as ``shufflenet.preprocess.prepare`` does, ``pixels`` are cropped,
    ``files`` are image files; only networks of as many channels as their preprocessing gives take
    the latter two. Images have the size that the card names: some runtimes compile code for each
    size, and keep it. A detector gives ``boxes``: of each cell left, top, right and bottom in
    pixels of the input, then scores of classes.
    """
    card = served.card
    channels, sides = card.network.in_channels, card.preprocess.size_px
    inputs = {IMAGES: Form("FP32", (-1, channels, *sides))}
    if card.takes_pixels:
        pixels = Form(f"UINT{card.preprocess.bits}", (-1, *sides, channels))
        inputs |= {PIXELS: pixels, FILES: Form("BYTES", (-1,))}
    names = (LOGITS, PROBABILITIES) if card.detector is None else (BOXES,)
    outputs = {name: Form("FP32", (-1, *card.row_shape)) for name in names}
    if served.embedder is not None:
        outputs[EMBEDDINGS] = Form("FP32", (-1, card.network.embedding_channels))
    return Signature(served, inputs, outputs)


def metadata(signature: Signature) -> dict[str, object]:
    """Return what a client asks for before it sends tensors."""
    return {
        "name": signature.served.name,
        "versions": [VERSION],
        "platform": _platform(signature),
        "inputs": _stated(signature.inputs),
        "outputs": _stated(signature.outputs),
    }


def _stated(forms: Mapping[str, Form]) -> list[dict[str, object]]:
    return [
        {"name": name, "datatype": form.datatype, "shape": list(form.shape)}
        for name, form in forms.items()
    ]


def configuration(signature: Signature, limits: Limits) -> dict[str, object]:
    """Return the same in Triton's words, and how many images a request may have.

    Dimensions are of one image: beside ``max_batch_size`` the first axis is left out.
    """
    inputs = [
        {**each, "format": _FORMATS[str(each["name"])], "optional": True}
        for each in _configured(signature.inputs)
    ]
    return {
        "name": signature.served.name,
        "platform": _platform(signature),
        "backend": "shufflenet",
        "max_batch_size": limits.images,
        "input": inputs,
        "output": _configured(signature.outputs),
    }


def _configured(forms: Mapping[str, Form]) -> list[dict[str, object]]:
    return [
        {"name": name, "data_type": _CONFIGURED[form.datatype], "dims": list(form.shape[1:])}
        for name, form in forms.items()
    ]


def _platform(signature: Signature) -> str:
    return f"shufflenet_{signature.served.model.runtime}"
