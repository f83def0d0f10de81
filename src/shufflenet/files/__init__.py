"""Reads and writes this package's files; ``shufflenet.files.downloads`` brings published ones."""

from shufflenet.files._atomic import (
    PARTIAL,
    check_place,
    partial_beside,
    partial_folder,
    write_atomic,
    write_together,
)
from shufflenet.files._cache import cache_dir
from shufflenet.files._checkpoint import (
    Checkpoint,
    narrow,
    read_card,
    read_checkpoint,
    write_checkpoint,
)
from shufflenet.files._model_file import (
    PACKAGE_PROGRAM,
    check_model_file,
    errors_of,
    hash_content,
    model_bytes,
    read_model,
    read_part,
)
from shufflenet.files._ncnn_file import (
    NCNN_FLOAT16,
    NCNN_FLOAT32,
    NCNN_INT8,
    NcnnLayer,
    NcnnValue,
    read_ncnn_text,
    write_ncnn_text,
)
from shufflenet.files._onnx_card import (
    card_from_metadata,
    computes_int8,
    read_onnx_card,
    read_onnx_metadata,
)
from shufflenet.files._onnx_file import hash_onnx_graph, read_onnx_file
from shufflenet.files._onnx_last_layer import (
    Headless,
    OnnxLayer,
    cut_last_layer,
    tell_last_layer,
)
from shufflenet.files._onnx_numbers import check_onnx_numbers
from shufflenet.files._pictures import is_picture_of, write_picture
from shufflenet.files._private import make_private, open_private
from shufflenet.files._pt2_archive import pt2_texts, read_pt2, safe_pt2, write_pt2
from shufflenet.files._seal import SEAL_KEY, UNSEALED, check_seal, seal
from shufflenet.files._sidecar import read_sidecar, sidecar_content, sidecar_of
from shufflenet.files._tables import check_replaceable, csv_content, is_csv_of
from shufflenet.files._wasm import read_leb128, wasm_sections

__all__ = [
    "NCNN_FLOAT16",
    "NCNN_FLOAT32",
    "NCNN_INT8",
    "PACKAGE_PROGRAM",
    "PARTIAL",
    "SEAL_KEY",
    "UNSEALED",
    "Checkpoint",
    "Headless",
    "NcnnLayer",
    "NcnnValue",
    "OnnxLayer",
    "cache_dir",
    "card_from_metadata",
    "check_model_file",
    "check_onnx_numbers",
    "check_place",
    "check_replaceable",
    "check_seal",
    "computes_int8",
    "csv_content",
    "cut_last_layer",
    "errors_of",
    "hash_content",
    "hash_onnx_graph",
    "is_csv_of",
    "is_picture_of",
    "make_private",
    "model_bytes",
    "narrow",
    "open_private",
    "partial_beside",
    "partial_folder",
    "pt2_texts",
    "read_card",
    "read_checkpoint",
    "read_leb128",
    "read_model",
    "read_ncnn_text",
    "read_onnx_card",
    "read_onnx_file",
    "read_onnx_metadata",
    "read_part",
    "read_pt2",
    "read_sidecar",
    "safe_pt2",
    "seal",
    "sidecar_content",
    "sidecar_of",
    "tell_last_layer",
    "wasm_sections",
    "write_atomic",
    "write_checkpoint",
    "write_ncnn_text",
    "write_picture",
    "write_pt2",
    "write_together",
]
