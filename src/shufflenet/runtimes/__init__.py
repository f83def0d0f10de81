"""Classifiers, a file a runtime: images in, logits out; and logits to predictions."""

from shufflenet.runtimes._classifier import Classifier, Prediction, check_batch, top_k
from shufflenet.runtimes._classify import answered, classify, computed
from shufflenet.runtimes._fastest import AGREEMENT, open_fastest
from shufflenet.runtimes._int8 import (
    CHECK_KEY,
    INT8_AGREEMENT,
    check_image,
    check_int8,
    computes_int8_exactly,
)
from shufflenet.runtimes._llvm import LlvmClassifier
from shufflenet.runtimes._model import Model
from shufflenet.runtimes._onnxruntime import OnnxClassifier, card_of
from shufflenet.runtimes._openvino import OpenVinoClassifier

__all__ = [
    "AGREEMENT",
    "CHECK_KEY",
    "INT8_AGREEMENT",
    "Classifier",
    "LlvmClassifier",
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
    "open_fastest",
    "top_k",
]
