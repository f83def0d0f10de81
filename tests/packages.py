"""Small networks as ONNX files with a card, and as Core ML packages."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
from onnx import helper

from conftest import card_for
from random_graphs import Builder, quantized
from shufflenet.spec import CARD_KEY, Accuracy, Card, Int8, V2Spec
from shufflenet.zoo import NETWORKS

__all__ = ["activations", "card_of", "of_int8", "with_card"]


def card_of(classes: int = 5, image_px: int = 32) -> Card:
    """Return a card of images of 32 px and of five classes, as random graphs have."""
    spec = NETWORKS["shufflenet_v2_x0_25"]
    assert isinstance(spec, V2Spec)
    return card_for(replace(spec, classes=classes), image_px)


def with_card(model: onnx.ModelProto, path: Path, card: Card | None = None) -> Path:
    """Write a model with a card."""
    helper.set_model_props(model, {CARD_KEY: (card or card_of()).to_json()})
    path.parent.mkdir(parents=True, exist_ok=True)
    onnx.save(model, path)
    return path


def of_int8(model: onnx.ModelProto, path: Path) -> Path:
    """Write a model in int8, with a card that says so."""
    counts = Accuracy(images=0, top1=0, top5=0)
    how = Int8(
        weight_range="full",
        calibrator="minmax",
        calibration_images=3,
        judged_by="float",
        float_accuracy=counts,
        int8_accuracy=counts,
    )
    return with_card(quantized(model, path), path, replace(card_of(), int8=how))


def activations(*, channels: int = 3) -> onnx.ModelProto:
    """Return a network of the operations that random graphs lack.

    A hard swish, a squeeze block of each kind of sigmoid, and a channel shuffle of two groups, for
    images of 32 px.
    """
    graph = Builder(0)
    x = graph.add("HardSwish", graph.conv("images", 8, channels, 3, 3, stride=2))
    for gate in ("Sigmoid", "HardSigmoid"):
        mean = graph.add("ReduceMean", x, graph.constant(np.array([2, 3])), keepdims=1)
        squeezed = graph.add("Relu", graph.conv(mean, 4, 8, 1, 1))
        options = {"alpha": 1 / 6, "beta": 0.5} if gate == "HardSigmoid" else {}
        x = graph.add("Mul", x, graph.add(gate, graph.conv(squeezed, 8, 4, 1, 1), **options))
    for sizes, axes in (((-1, 2, 4, 16, 16), [0, 2, 1, 3, 4]), ((-1, 8, 16, 16), None)):
        x = graph.add("Reshape", x, graph.constant(np.array(sizes)))
        x = graph.add("Transpose", x, perm=axes) if axes else x
    model = graph.finish(x, 8)
    model.graph.input[0].type.tensor_type.shape.dim[1].dim_value = channels
    return model
