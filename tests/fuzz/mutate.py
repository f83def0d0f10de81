"""Damage to bytes, to JSON, to the members of archives, and to graphs of ONNX."""

import io
import json
import tarfile
import zipfile
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import numpy as np
import onnx
from google.protobuf.message import DecodeError
from onnx import helper, numpy_helper

from resealed import reseal

Rng = np.random.Generator
T = TypeVar("T")
Mutator = Callable[[Rng, bytes], bytes]

NUMBERS = (0, 1, -1, 2, 7, 127, 128, 255, 256, 2**15, 2**31 - 1, 2**31, 2**32, 2**62, 2**63 - 1)
NEGATIVE = (-(2**31), -(2**63), -2)


def pick(rng: Rng, values: Sequence[T]) -> T:
    return values[int(rng.integers(len(values)))]


# Bytes.


def flip(rng: Rng, data: bytes) -> bytes:
    changed = bytearray(data)
    for _ in range(int(rng.integers(1, 9))):
        changed[int(rng.integers(len(changed)))] ^= 1 << int(rng.integers(8))
    return bytes(changed)


def cut(rng: Rng, data: bytes) -> bytes:
    return data[: int(rng.integers(len(data)))]


def remove(rng: Rng, data: bytes) -> bytes:
    start = int(rng.integers(len(data)))
    return data[:start] + data[start + int(rng.integers(1, 65)) :]


def repeat(rng: Rng, data: bytes) -> bytes:
    start = int(rng.integers(len(data)))
    piece = data[start : start + int(rng.integers(1, 257))]
    return data[:start] + piece * int(rng.integers(2, 9)) + data[start:]


def insert(rng: Rng, data: bytes) -> bytes:
    start = int(rng.integers(len(data)))
    return data[:start] + rng.bytes(int(rng.integers(1, 33))) + data[start:]


def overwrite(rng: Rng, data: bytes) -> bytes:
    """Put a number of 1, 2, 4 or 8 bytes somewhere, preferably near the start."""
    size = pick(rng, (1, 2, 4, 8))
    value: int = pick(rng, (*NUMBERS, *NEGATIVE)) % (1 << 8 * size)
    number = value.to_bytes(size, pick(rng, ("little", "big")))
    start = int(len(data) * rng.random() ** 3)
    return data[:start] + number + data[start + size :]


BYTES: tuple[Mutator, ...] = (flip, flip, cut, remove, repeat, insert, overwrite, overwrite)


def damaged(rng: Rng, data: bytes) -> bytes:
    """Damage bytes in one to three ways."""
    for _ in range(int(rng.integers(1, 4))):
        data = pick(rng, BYTES)(rng, data) if data else rng.bytes(8)
    return data


# JSON.


_WORDS = ("0", "1", "-1", "2", "7", "101", "65536", "1.50000000e+00", "Split", "images", "nan")


def damaged_lines(rng: Rng, data: bytes) -> bytes:
    """Change, drop or double a word of a text, or a digit, or swap two lines."""
    lines = data.decode().split("\n")
    at, other = (int(each) for each in rng.integers(len(lines) - 1, size=2))
    words = lines[at].split(" ")
    place = int(rng.integers(len(words)))
    match rng.integers(6):
        case 0:
            words[place] = pick(rng, _WORDS)
        case 1:
            del words[place]
        case 2:
            key, _, value = words[place].partition("=")
            words[place] = f"{key}={pick(rng, _WORDS)}" if value else f"{key}x"
        case 3:
            words.insert(place, words[place])
        case 4:
            lines[other], words = lines[at], lines[other].split(" ")
        case _:
            digits = [i for i, letter in enumerate(lines[at]) if letter.isdigit()] or [0]
            i = pick(rng, digits)
            words = [lines[at][:i] + str(rng.integers(10)) + lines[at][i + 1 :]]
    lines[at] = " ".join(words)
    return "\n".join(lines).encode()


def odd_value(rng: Rng) -> object:
    deep: list[object] = []
    for _ in range(int(rng.integers(1, 200))):
        deep = [deep]
    odd: tuple[object, ...] = (
        None, True, 0, -1, 3, 2**31, 10**400, 1e308, -0.0, 0.5, float("nan"), float("inf"), "",
        "0", "x" * 100_000, "\x1b[2J\r\n", "\ud800", "../../up", [], {}, [None] * 3, [[]], {"": 0},
        deep, "3" * 5000, list(range(300)),
    )  # fmt: skip
    return pick(rng, odd)


Places = list[tuple[Any, Any]]


def places_of(value: dict[str, Any] | list[Any]) -> Places:
    """List every place in a JSON value, as its container and its key."""
    found: Places = []
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for key, each in items:
        found.append((value, key))
        if isinstance(each, dict | list):
            found += places_of(each)
    return found


def damaged_json(rng: Rng, text: bytes) -> bytes:
    """Damage a JSON object: a value, a key, or the text."""
    if rng.random() < 0.2:
        return damaged(rng, text)
    value = json.loads(text)
    for _ in range(int(rng.integers(1, 3))):
        places = places_of(value)
        if not places:
            break
        container, key = pick(rng, places)
        if rng.random() < 0.2:
            del container[key]
        elif rng.random() < 0.2 and isinstance(container, dict):
            container[key + " "] = container.pop(key)
        else:
            container[key] = odd_value(rng)
    return json.dumps(value).encode()


# Archives.


def damaged_zip(rng: Rng, data: bytes) -> bytes:
    """Damage a member of a zip and write it again with right checksums; other files as bytes."""
    if rng.random() < 0.2 or not data.startswith(b"PK"):
        return damaged(rng, data)
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        members = [(info.filename, archive.read(info)) for info in archive.infolist()]
    index = int(rng.integers(len(members)))
    if rng.random() < 0.6:  # the pickle is where most is decided
        index = next((i for i, (name, _) in enumerate(members) if name.endswith(".pkl")), index)
    name, content = members[index]
    members[index] = (name, damaged(rng, content))
    if rng.random() < 0.1:
        members.append(pick(rng, members))
    out = io.BytesIO()
    kind = pick(rng, (zipfile.ZIP_STORED, zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED))
    with zipfile.ZipFile(out, "w", kind) as archive:
        for each, content in members:
            archive.writestr(zipfile.ZipInfo(each), content, kind)
    return out.getvalue()


def damaged_tar(rng: Rng, data: bytes) -> bytes:
    """Damage a member of a tar, its name or its kind, and write it again with right checksums."""
    if rng.random() < 0.3:
        return damaged(rng, data)
    out = io.BytesIO()
    with tarfile.open(fileobj=io.BytesIO(data)) as old:
        members = [(info, old.extractfile(info)) for info in old.getmembers()]
        chosen = int(rng.integers(len(members)))
        with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as new:
            for index, (info, file) in enumerate(members):
                content = file.read() if file else b""
                if index == chosen:
                    content = _damage_member(rng, info, content)
                new.addfile(info, io.BytesIO(content))
    return out.getvalue()


def _damage_member(rng: Rng, info: tarfile.TarInfo, content: bytes) -> bytes:
    way = int(rng.integers(6))
    if way == 0:
        names = ("../up.jpg", "/root.jpg", "a" * 300 + ".jpg", "x/\udcff.jpg", "", "a/b", "0.json")
        info.name = pick(rng, names)
    elif way == 1:
        info.type = pick(rng, (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.DIRTYPE))
        info.linkname = "../x"
    elif way == 2:
        odd = ("99999999999999999999", "-1", "x", "")
        info.pax_headers = {pick(rng, ("size", "path", "mtime", "GNU.sparse.map")): pick(rng, odd)}
    elif way == 3 and info.name.endswith(".json"):
        content = damaged_json(rng, content)
    else:
        content = damaged(rng, content) if content else b"\x00"
    info.size = len(content) if info.type == tarfile.REGTYPE else 0
    return content


# Graphs of ONNX.


def damaged_card(rng: Rng, data: bytes) -> bytes:
    model = onnx.load_from_string(data)
    entry = next((each for each in model.metadata_props if each.key == "shufflenet"), None)
    if entry is None:  # a file of another project
        return damaged(rng, data)
    entry.value = damaged_json(rng, entry.value.encode()).decode(errors="replace")
    return bytes(model.SerializeToString())


def damaged_graph(rng: Rng, data: bytes) -> bytes:
    """Change one to three things in a graph: an attribute, an edge, a tensor, a node.

    The hash of a float file is made that of the changed graph, as a stranger can.
    """
    model = onnx.load_from_string(data)
    for _ in range(int(rng.integers(1, 4))):
        if model.graph.node:
            pick(rng, GRAPH)(rng, model)
    try:
        return bytes(reseal(model).SerializeToString())
    except ValueError:  # larger than protobuf allows
        return data


def _attribute(rng: Rng, model: onnx.ModelProto) -> None:
    node = pick(rng, [n for n in model.graph.node if n.attribute] or list(model.graph.node))
    if not node.attribute:
        return
    attribute = pick(rng, node.attribute)
    number = pick(rng, (*NUMBERS, *NEGATIVE))
    if attribute.ints:
        if rng.random() < 0.2:
            attribute.ints.append(number)
        else:
            attribute.ints[int(rng.integers(len(attribute.ints)))] = number
    elif attribute.type == onnx.AttributeProto.INT:
        attribute.i = number
    elif rng.random() < 0.5:
        node.attribute.remove(attribute)
    else:
        attribute.f = pick(rng, (0.0, -1.0, float("nan"), float("inf"), 1e-30, 1e30))


def _edge(rng: Rng, model: onnx.ModelProto) -> None:
    names = [name for node in model.graph.node for name in (*node.input, *node.output)]
    node = pick(rng, model.graph.node)
    side = node.output if rng.random() < 0.3 and node.output else node.input
    if len(side):
        side[int(rng.integers(len(side)))] = pick(rng, [*names, "", "nowhere"])


def _array_of(tensor: onnx.TensorProto) -> np.ndarray | None:
    """Return a tensor's numbers, or none if an earlier change left none that can be read."""
    try:
        return numpy_helper.to_array(tensor).copy()
    except (ValueError, TypeError, KeyError, onnx.checker.ValidationError):
        return None


def _tensor(rng: Rng, model: onnx.ModelProto) -> None:
    if not model.graph.initializer:
        return
    tensor = pick(rng, model.graph.initializer)
    way = int(rng.integers(6))
    if way == 0 and tensor.dims:
        tensor.dims[int(rng.integers(len(tensor.dims)))] = pick(rng, (*NUMBERS, *NEGATIVE))
    elif way == 1:
        tensor.data_type = int(rng.integers(0, 24))
    elif way == 2:
        tensor.raw_data = tensor.raw_data[: int(rng.integers(len(tensor.raw_data) + 1))]
    elif way == 3:
        tensor.data_location = onnx.TensorProto.EXTERNAL
        tensor.external_data.add(key="location", value=pick(rng, ("../up", "/dev/zero", "x")))
    elif (array := _array_of(tensor)) is not None and array.size and array.dtype.kind in "fiu":
        flat = array.reshape(-1)
        index = int(rng.integers(flat.size))
        if array.dtype.kind == "f":
            flat[index] = pick(rng, (np.nan, np.inf, 0.0, -1.0, 1e30, 1e-30))
        else:
            limits = np.iinfo(array.dtype)
            flat[index] = pick(rng, (limits.min, limits.max, 0, 1))
        tensor.CopyFrom(numpy_helper.from_array(array, tensor.name))


def _node(rng: Rng, model: onnx.ModelProto) -> None:
    index = int(rng.integers(len(model.graph.node)))
    node = model.graph.node[index]
    way = int(rng.integers(5))
    if way == 0:
        del model.graph.node[index]
    elif way == 1:
        model.graph.node.add().CopyFrom(node)
    elif way == 2:
        other = pick(rng, model.graph.node)
        copy = onnx.NodeProto()
        copy.CopyFrom(other)
        other.CopyFrom(node)
        node.CopyFrom(copy)
    elif way == 3:
        kinds = ("Conv", "Relu", "Split", "Concat", "Sigmoid", "Gemm", "MaxPool", "Loop", "If", "X")
        node.op_type = pick(rng, kinds)
    else:
        node.domain = "com.example"


def _outside(rng: Rng, model: onnx.ModelProto) -> None:
    """Change what the graph says of itself: inputs, outputs, versions, a part that it lacks."""
    way = int(rng.integers(5))
    if way == 0 and model.opset_import:
        model.opset_import[0].version = pick(rng, (*NUMBERS, -1))
    elif way == 1:
        model.ir_version = pick(rng, (0, 1, 3, 9, 99, 2**31))
    elif way == 2 and model.graph.input:
        shape = model.graph.input[0].type.tensor_type.shape
        if shape.dim:
            pick(rng, shape.dim).dim_value = pick(rng, (*NUMBERS, *NEGATIVE))
    elif way == 3 and model.graph.output:
        model.graph.output[0].name = pick(rng, ("images", "nowhere", ""))
    else:
        model.graph.node.append(helper.make_node("Conv", ["images"], ["logits"], name="extra"))


GRAPH = (_attribute, _attribute, _edge, _tensor, _tensor, _node, _outside)


def damaged_onnx(rng: Rng, data: bytes) -> bytes:
    """Damage an ONNX file: its bytes, its card or its graph."""
    return pick(rng, (damaged, damaged_card, damaged_graph, damaged_graph))(rng, data)


def resealed(data: bytes) -> bytes:
    """Make the hash in an ONNX file that of its graph, if so much of it is whole."""
    try:
        return bytes(reseal(onnx.load_from_string(data)).SerializeToString())
    except (DecodeError, ValueError):
        return data


# Files of safetensors.


def damaged_safetensors(rng: Rng, data: bytes) -> bytes:
    """Damage a safetensors file: its bytes, its header, or the card in its header."""
    size = int.from_bytes(data[:8], "little")
    header, body = data[8 : 8 + size], data[8 + size :]
    way = rng.random()
    if way < 0.3:
        return damaged(rng, data)
    if way < 0.65:
        header = damaged_json(rng, header)
    else:
        value = json.loads(header)
        meta = value["__metadata__"]
        key = next(each for each in meta if meta[each].startswith("{"))
        meta[key] = damaged_json(rng, meta[key].encode()).decode(errors="replace")
        header = json.dumps(value).encode()
    return len(header).to_bytes(8, "little") + header + body
