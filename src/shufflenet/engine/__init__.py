"""Classifiers: images in, logits out; and logits to predictions."""

from shufflenet.engine._answers import answered, classify, computed, cores
from shufflenet.engine._classifier import Classifier, Prediction, check_batch, top_k
from shufflenet.engine._int8 import (
    CHECK_KEY,
    INT8_AGREEMENT,
    check_image,
    check_int8,
    computes_int8_exactly,
)
from shufflenet.engine._model import Model
from shufflenet.engine._onnx import OnnxClassifier, card_of
from shufflenet.engine._openvino import OpenVinoClassifier

__all__ = [
    "CHECK_KEY",
    "INT8_AGREEMENT",
    "Classifier",
    "Model",
    "OnnxClassifier",
    "OpenVinoClassifier",
    "Prediction",
    "answered",
    "card_of",
    "check_batch",
    "check_image",
    "check_int8",
    "classify",
    "computed",
    "computes_int8_exactly",
    "cores",
    "top_k",
]
