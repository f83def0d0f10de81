"""Classifiers, a file for each runtime: from images to logits, and from logits to predictions."""

from shufflenet.runtimes._answering import Answering, answering, open_answering
from shufflenet.runtimes._cards import open_card
from shufflenet.runtimes._classifier import (
    Classifier,
    Prediction,
    check_classifier,
    check_detector,
    probabilities,
    top_k,
)
from shufflenet.runtimes._classify import classify, run_batches
from shufflenet.runtimes._compiled import CompiledClassifier
from shufflenet.runtimes._detect import Found, detect
from shufflenet.runtimes._embedder import Embedder, OnnxEmbedder, open_embedder
from shufflenet.runtimes._fastest import choose_at_once, open_fastest
from shufflenet.runtimes._file_card import read_file_card, stated_precision
from shufflenet.runtimes._file_input import INPUT_KEY
from shufflenet.runtimes._guard import check_rows, guarded
from shufflenet.runtimes._inputs import check_batch, check_pixels
from shufflenet.runtimes._int8 import INT8_AGREEMENT, check_int8, computes_int8_exactly
from shufflenet.runtimes._last_layer import SCALE_KEY, LastLayer
from shufflenet.runtimes._litert import LiteRtClassifier
from shufflenet.runtimes._llvm import LlvmClassifier
from shufflenet.runtimes._model import Model, Opening
from shufflenet.runtimes._onnxruntime import OnnxClassifier
from shufflenet.runtimes._open import find_runtimes, open_by
from shufflenet.runtimes._openvino import OpenVinoClassifier, import_openvino
from shufflenet.runtimes._pictures import Picture, load_picture
from shufflenet.runtimes._proof import (
    CHECK_KEY,
    FLOAT_CHECK_KEY,
    HASH_KEY,
    IMAGE_KEY,
    PRECISION_KEY,
    SQUARES,
    check_image,
    comparable,
    proof_of,
    rounded_logits,
    tolerance_for,
)
from shufflenet.runtimes._stderr import silent_stderr
from shufflenet.runtimes._verify import Verified, verify_file
from shufflenet.runtimes._wasmtime import WasmClassifier, WasmModule

__all__ = [
    "CHECK_KEY",
    "FLOAT_CHECK_KEY",
    "HASH_KEY",
    "IMAGE_KEY",
    "INPUT_KEY",
    "INT8_AGREEMENT",
    "PRECISION_KEY",
    "SCALE_KEY",
    "SQUARES",
    "Answering",
    "Classifier",
    "CompiledClassifier",
    "Embedder",
    "Found",
    "LastLayer",
    "LiteRtClassifier",
    "LlvmClassifier",
    "Model",
    "OnnxClassifier",
    "OnnxEmbedder",
    "OpenVinoClassifier",
    "Opening",
    "Picture",
    "Prediction",
    "Verified",
    "WasmClassifier",
    "WasmModule",
    "answering",
    "check_batch",
    "check_classifier",
    "check_detector",
    "check_image",
    "check_int8",
    "check_pixels",
    "check_rows",
    "choose_at_once",
    "classify",
    "comparable",
    "computes_int8_exactly",
    "detect",
    "find_runtimes",
    "guarded",
    "import_openvino",
    "load_picture",
    "open_answering",
    "open_by",
    "open_card",
    "open_embedder",
    "open_fastest",
    "probabilities",
    "proof_of",
    "read_file_card",
    "rounded_logits",
    "run_batches",
    "silent_stderr",
    "stated_precision",
    "tolerance_for",
    "top_k",
    "verify_file",
]
