"""The model in the package, against the accuracy its card states."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from shufflenet.data import ImageSet, open_images, relabel
from shufflenet.deploy import deploy
from shufflenet.evaluate import evaluate
from shufflenet.files import narrow
from shufflenet.labels import class_index
from shufflenet.models import load_model_and_card
from shufflenet.recipes import RECIPES
from shufflenet.runtimes import Classifier, LlvmClassifier, OnnxClassifier, OpenVinoClassifier
from shufflenet.runtimes.pytorch import TorchClassifier
from shufflenet.zoo import SHIPPED


@pytest.fixture
def validation(real_data: Path) -> ImageSet:
    _, card = load_model_and_card("default")
    images = open_images(real_data / "tiny-imagenet-200.val.tar.gz")
    return relabel(images, [label.id for label in card.labels], class_index(card.labels))


def shipped(runtime: str) -> Classifier:
    if runtime == "onnxruntime":
        assert SHIPPED.onnx
        return OnnxClassifier(SHIPPED.onnx)
    if runtime == "openvino":
        assert SHIPPED.onnx
        return OpenVinoClassifier(SHIPPED.onnx, threads=1)
    if runtime == "llvm":
        assert SHIPPED.onnx
        return LlvmClassifier(SHIPPED.onnx, threads=1)
    net, card = load_model_and_card("default")
    return TorchClassifier(deploy(net) if runtime == "deployed" else net, card)


def test_the_card_states_what_is_counted(validation: ImageSet) -> None:
    classifier = shipped("onnxruntime")
    assert evaluate(classifier, validation) == classifier.card.accuracy


def test_every_runtime_counts_the_same(validation: ImageSet) -> None:
    some = replace(validation, samples=validation.samples[::20])
    expected = evaluate(shipped("onnxruntime"), some)
    for runtime in ("torch", "deployed", "openvino", "llvm"):
        assert evaluate(shipped(runtime), some) == expected, runtime


def test_weights_of_the_deployed_network_take_two_bytes() -> None:
    net, _ = load_model_and_card("default")
    weights = [each.detach().numpy() for each in deploy(net).parameters() if each.ndim > 1]
    assert {narrow(weight).dtype for weight in weights} == {np.dtype(np.float16)}


def test_the_card_says_where_the_weights_come_from() -> None:
    _, card = load_model_and_card("default")
    assert card.name == SHIPPED.name
    assert "Tiny-ImageNet-200" in card.origin.data
    assert card.origin.licence
    assert card.origin.steps > 0
    assert card.origin.recipe.startswith(tuple(RECIPES))
    assert card.accuracy
    assert card.accuracy.images == 5000
