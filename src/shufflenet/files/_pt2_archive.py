"""Archives of torch.export (``.pt2``), read and checked before torch loads them.

``torch.export.load`` runs code that a file may hold: pickled objects, compiled libraries, and
Python in expressions and guards. What is left of an archive after these checks has none: operations
from a list, numbers, names, and weights as plain bytes.

Source: PyTorch 2.13, torch/export/pt2_archive/_package.py (what an archive holds),
torch/_export/serde/schema.py and serialize.py (what of it is evaluated).
"""

import io
import re
import zipfile
from collections.abc import Iterator, Mapping
from typing import Any

from shufflenet.outside import read_json

__all__ = ["pt2_texts", "read_pt2", "safe_pt2", "write_pt2"]

_EXTRA = "extra/"  # the folder of texts that torch keeps and does not read
_MODEL = "models/model.json"
_WEIGHTS, _CONSTANTS = "data/weights/", "data/constants/"
_WEIGHTS_CONFIG = f"{_WEIGHTS}model_weights_config.json"
_CONSTANTS_CONFIG = f"{_CONSTANTS}model_constants_config.json"
_INPUTS = "data/sample_inputs/model.pt"
_PLAIN = {
    "archive_format": b"pt2",
    "archive_version": b"0",
    "byteorder": b"little",
    ".data/version": b"6\n",
    _CONSTANTS_CONFIG: b'{"config": {}}',
    _INPUTS: b"",  # none: torch would unpickle them
}
_MOST_ENTRIES = 10_000
# Texts of which none calls anything, if it is evaluated: names, and the symbol of a free size.
_NAME = re.compile(r"[\w.]{0,200}|Symbol\('s\d{1,6}', positive=True, integer=True\)")
_WEIGHT = re.compile(r"weight_\d{1,6}")
# How a function of one tensor takes and returns it.
_TREES = (
    '[1, {"type": "builtins.tuple", "context": "null", "children_spec": [{"type": "builtins.tuple",'
    ' "context": "null", "children_spec": [{"type": null, "context": null, "children_spec": []}]}, '
    '{"type": "builtins.dict", "context": "[]", "children_spec": []}]}]',
    '[1, {"type": null, "context": null, "children_spec": []}]',
)
_OPERATIONS = {
    *("add.Tensor", "avg_pool2d.default", "cat.default", "conv2d.default", "flatten.using_ints"),
    *("hardsigmoid.default", "hardswish.default", "linear.default", "max_pool2d.default"),
    *("mean.dim", "mul.Tensor", "pad.default", "relu.default", "sigmoid.default", "silu.default"),
    *("slice.Tensor", "split.Tensor", "split_with_sizes.default", "stack.default", "sub.Tensor"),
    "to.dtype",
}
_QUANTIZED = {
    f"torch.ops.quantized_decomposed.{name}.default"
    for name in ("quantize_per_tensor", "dequantize_per_tensor", "dequantize_per_channel")
}
_TARGETS = {*(f"torch.ops.aten.{name}" for name in _OPERATIONS), *_QUANTIZED, "_operator.getitem"}


def read_pt2(content: bytes) -> dict[str, bytes]:
    """Return what an archive holds by name, without the folder that all names begin with.

    Raises:
        ValueError: it is no archive, damaged, or packed otherwise than torch packs it.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            infos = archive.infolist()
            if len(infos) > _MOST_ENTRIES:
                raise ValueError(f"it has more than {_MOST_ENTRIES} entries")
            if any(each.compress_type != zipfile.ZIP_STORED for each in infos):
                raise ValueError("it has compressed entries")
            if sum(each.file_size for each in infos) > len(content):
                raise ValueError("its entries lie in each other")
            entries = {each.filename.partition("/")[2]: archive.read(each) for each in infos}
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError) as error:
        raise ValueError(str(error) or "it is no zip archive") from error
    if len(entries) != len(infos):
        raise ValueError("it has two entries of one name")
    return entries


def write_pt2(entries: Mapping[str, bytes]) -> bytes:
    """Return an archive of entries by name, as torch reads it: nothing is compressed."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_STORED) as archive:
        for name, content in entries.items():
            archive.writestr(zipfile.ZipInfo(f"archive/{name}"), content)
    return stream.getvalue()


def pt2_texts(entries: Mapping[str, bytes]) -> dict[str, str]:
    """Return the texts of an archive by name, which torch calls extra files.

    Raises:
        UnicodeDecodeError: one is no UTF-8.
    """
    return {
        name.removeprefix(_EXTRA): content.decode()
        for name, content in entries.items()
        if name.startswith(_EXTRA)
    }


def safe_pt2(entries: Mapping[str, bytes]) -> bytes:
    """Return an archive of the network alone, whose loading runs nothing.

    It is written anew, so that torch reads what was checked. Texts and sample inputs are left out.

    Raises:
        ValueError: it lacks a part, or has what may run code: operations that no exported network
            has, expressions, guards, pickled objects.
        SpecError: its JSON is none, or too large.
    """
    model, config = (
        read_json(_entry(entries, name), name, limit_bytes=1 << 26)
        for name in (_MODEL, _WEIGHTS_CONFIG)
    )
    _check_model(model)
    kept = {_MODEL: entries[_MODEL], _WEIGHTS_CONFIG: entries[_WEIGHTS_CONFIG], **_PLAIN}
    if _entry(entries, _CONSTANTS_CONFIG) != _PLAIN[_CONSTANTS_CONFIG]:
        raise ValueError("it has constants beside its weights, which may be pickled")
    for path in _weights(config):
        kept[f"{_WEIGHTS}{path}"] = _entry(entries, f"{_WEIGHTS}{path}")
    return write_pt2(kept)


def _entry(entries: Mapping[str, bytes], name: str) -> bytes:
    if name not in entries:
        raise ValueError(f"it lacks {name}")
    return entries[name]


def _weights(config: Any) -> Iterator[str]:  # noqa: ANN401  # a JSON value
    """Yield the names of the files of the weights, of which none is pickled.

    Raises:
        ValueError: one is, or is none of a plain tensor.
    """
    try:
        for each in config["config"].values():
            if each["use_pickle"] is not False or not _WEIGHT.fullmatch(each["path_name"]):
                raise ValueError("it has pickled weights")
            if each["tensor_meta"]["device"] != {"type": "cpu", "index": None}:
                raise ValueError("it has weights of another device than the CPU")
            yield each["path_name"]
    except (AttributeError, KeyError, TypeError) as error:
        raise ValueError("it does not say how its weights lie") from error


def _check_model(model: Any) -> None:  # noqa: ANN401  # a JSON value
    """Check that a graph has nothing that is evaluated but names and numbers.

    Raises:
        ValueError: it has.
    """
    try:
        if model.get("guards_code"):
            raise ValueError("it has guards, which are code")
        for node in model["graph_module"]["graph"]["nodes"]:
            if node["target"] not in _TARGETS:
                raise ValueError(f"it has the operation {str(node['target'])[:80]!r}")
            if node["metadata"]:
                raise ValueError("it has notes on its operations, which are evaluated")
    except (AttributeError, KeyError, TypeError) as error:
        raise ValueError("its graph cannot be read") from error
    texts = {key: value for key, value in model.items() if key != "torch_version"}
    for text in _texts(texts):
        if not _NAME.fullmatch(text) and text not in _TREES:
            raise ValueError(f"it has the expression {text[:80]!r}")


def _texts(value: Any) -> Iterator[str]:  # noqa: ANN401  # a JSON value
    """Yield all texts of a JSON value, keys among them."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        yield from value
        for each in value.values():
            yield from _texts(each)
    elif isinstance(value, list):
        for each in value:
            yield from _texts(each)
