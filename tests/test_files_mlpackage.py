"""Core ML packages, written and read: bytes as coremltools writes them, and strangers' refused."""

import json
import struct
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from shufflenet.errors import CheckpointError, DamagedPackage, FileMissing
from shufflenet.files.mlpackage import (
    ArrayInput,
    ImageInput,
    Model,
    Operation,
    Package,
    Result,
    TensorType,
    encode_package,
    read_package,
)

GOLDEN = Path(__file__).parent / "golden" / "coreml-operations.json"
SPEC, WEIGHTS = "Data/com.apple.CoreML/model.mlmodel", "Data/com.apple.CoreML/weights/weight.bin"


def constant(name: str, value: np.ndarray | str) -> Operation:
    if isinstance(value, str):
        kind = TensorType("str", ())
    else:
        kind = TensorType(value.dtype.name, value.shape)
    return Operation("const", {}, ((name, kind),), attributes={"val": value})


def model() -> Model:
    """A model with every kind of constant, of input and of result."""
    rng, floats = np.random.default_rng(0), TensorType("float32", (1, 3))
    codes = rng.integers(-127, 128, (3, 12), np.int8)
    weights = Operation(
        "constexpr_affine_dequantize",
        {},
        (("weights", TensorType("float16", (3, 12))),),
        attributes={
            "axis": np.array(0, np.int32),
            "quantized_data": codes,
            "scale": np.array([0.5, 0.25, 2], np.float16),
            "zero_point": np.zeros(3, np.int8),
        },
    )
    operations = (
        constant("pad_type", "custom"),
        constant("pad", np.array([1, -1, 70000, 0], np.int32)),
        constant("keep", np.array(True)),
        constant("small", np.array([1.5, -2], np.float32)),
        constant("large", rng.standard_normal((4, 5)).astype(np.float32)),
        constant("halves", rng.standard_normal(11).astype(np.float16)),
        weights,
        Operation("two", {"values": ("image", "large")}, (("a", floats), ("logits", floats))),
        Operation(
            "classify",
            {"probabilities": ("a",)},
            (("label", TensorType("str", ())), ("each", "probabilities")),
            literals={"classes": ("ant", "bee", "Käfer")},
        ),
    )
    results = (
        Result("label", TensorType("str", ()), "The class."),
        Result("each", "probabilities"),
        Result("logits", floats, "Logits."),
    )
    return Model(
        version=7,
        opset="CoreML6",
        input=ImageInput("image", 30, 40, "bgr", "An image."),
        operations=operations,
        results=results,
        metadata={"a": "1", "b": "ü"},
        about=("what", "who", "licence"),
    )


def same(first: Model, second: Model) -> bool:
    return repr(first) == repr(second)  # arrays print their values and their types


def decoded(contents: dict[str, bytes]) -> Model:
    return Package(Path("a.mlpackage"), contents).model()


def refusal(contents: dict[str, bytes]) -> str:
    """Return the sentence that refuses a package, or nothing."""
    try:
        decoded(contents)
    except CheckpointError as error:
        return str(error)
    return ""


def written(folder: Path, contents: dict[str, bytes]) -> Path:
    for name, content in contents.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


def test_what_is_written_is_read_again() -> None:
    with np.printoptions(threshold=10_000):
        assert same(decoded(encode_package(model())), model())
        array = replace(model(), input=ArrayInput("images", (1, 5, 30, 40)))
        assert same(decoded(encode_package(array)), array)


def test_a_package_is_read_from_its_folder(tmp_path: Path) -> None:
    package = read_package(written(tmp_path / "a.mlpackage", encode_package(model())))
    assert package.metadata() == {"a": "1", "b": "ü"}
    assert same(package.model(), model())


def test_the_same_model_makes_the_same_bytes() -> None:
    assert encode_package(model()) == encode_package(
        replace(model(), metadata={"b": "ü", "a": "1"})
    )


def test_the_manifest_is_as_coremltools_leaves_it() -> None:
    """It writes it anew when it opens a package: keys in order, four spaces, a last newline."""
    text = encode_package(model())["Manifest.json"].decode()
    manifest = json.loads(text)
    assert text == json.dumps(manifest, indent=4, sort_keys=True) + "\n"
    items = manifest["itemInfoEntries"]
    assert [items[each]["path"] for each in sorted(items)] == [
        "com.apple.CoreML/weights",
        "com.apple.CoreML/model.mlmodel",
    ]
    assert items[manifest["rootModelIdentifier"]]["name"] == "model.mlmodel"


def test_large_constants_lie_in_the_file_of_weights_as_core_ml_reads_it() -> None:
    """Header and descriptions have 64 bytes each, and begin at multiples of 64.

    Source: coremltools 9.0, mlmodel/src/MILBlob/Blob/StorageFormat.hpp
    """
    content = encode_package(model())[WEIGHTS]
    assert struct.unpack_from("<II", content) == (3, 2)
    large, halves, codes = (
        np.asarray(model().operations[at].attributes[name])
        for at, name in ((4, "val"), (5, "val"), (6, "quantized_data"))
    )
    for place, kind, value in ((64, 2, large), (256, 1, halves), (384, 4, codes)):
        mark, number, size, start = struct.unpack_from("<IIQQ", content, place)
        assert (mark, number, size, start) == (0xDEADBEEF, kind, value.nbytes, place + 64)
        assert content[start : start + size] == value.tobytes()
    assert len(content) == 384 + 64 + 64


def test_messages_are_those_of_coremltools_to_the_byte() -> None:
    """Operations as coremltools 9.0 serializes them, with maps in the order of their keys."""
    constants: dict[str, np.ndarray | str] = {
        "i": np.array([1, -2], np.int32),
        "f": np.array([1.5], np.float32),
        "h": np.array([0.5, 2], np.float16),
        "t": "custom",
        "b": np.array(True),
    }
    classify = Operation(
        "classify",
        {"probabilities": ("p",)},
        (("label", TensorType("str", ())), ("each", "probabilities")),
        literals={"classes": ("a", "b")},
    )
    operations = (*(constant(*each) for each in constants.items()), classify)
    content = encode_package(replace(model(), operations=operations))[SPEC]
    for name, expected in json.loads(GOLDEN.read_text()).items():
        assert bytes.fromhex(expected) in content, name


@pytest.mark.parametrize("name", ["Manifest.json", SPEC, WEIGHTS])
def test_a_package_without_one_of_its_files_is_refused(name: str, tmp_path: Path) -> None:
    contents = encode_package(model())
    folder = written(tmp_path / "a.mlpackage", contents)
    (folder / name).unlink()
    with pytest.raises(DamagedPackage, match=f"it has no {name}"):
        read_package(folder)
    (folder / name).mkdir()
    with pytest.raises(DamagedPackage, match=f"it has no {name}"):
        read_package(folder)


def test_what_is_no_package_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileMissing):
        read_package(tmp_path / "a.mlpackage")
    (tmp_path / "b.mlpackage").write_text("{}")
    with pytest.raises(DamagedPackage, match="it is no folder"):
        read_package(tmp_path / "b.mlpackage")
    manifest = {"rootModelIdentifier": "x", "itemInfoEntries": {"x": {"path": "../../etc/passwd"}}}
    for text, reason in (
        ("", "names no model"),
        ("[]", "names no model"),
        ("{}", "names no model"),
        (json.dumps({**manifest, "rootModelIdentifier": "y"}), "names no model"),
        (json.dumps(manifest), "does not name 'com.apple.CoreML/model.mlmodel' as its model"),
    ):
        folder = written(tmp_path / "c.mlpackage", {"Manifest.json": text.encode()})
        with pytest.raises(DamagedPackage, match=reason):
            read_package(folder)


def test_weights_of_another_size_or_type_are_refused() -> None:
    contents = encode_package(model())
    weights = contents[WEIGHTS]
    longer = struct.pack("<Q", 1 << 40)
    for changed, reason in (
        (b"", "do not begin"),
        (weights[:64], "end before byte 64"),
        (weights[:100], "end before byte 64"),
        (weights[:200], "of another size"),
        (weights[:64] + b"\0" + weights[65:], "no float32 at byte 64"),
        (weights[:68] + b"\4" + weights[69:], "no float32 at byte 64"),
        (weights[:72] + longer + weights[80:], "of another size"),
        (weights[:80] + longer + weights[88:], "of another size"),
        (weights[:4] + b"\1" + weights[5:], "do not begin"),
    ):
        with pytest.raises(DamagedPackage, match=reason):
            decoded({**contents, WEIGHTS: changed})


def test_a_constant_of_another_size_than_its_type_is_refused() -> None:
    contents = encode_package(model())
    kind = bytes.fromhex("081710011a040a02")  # int32, one axis of a size that follows
    changed = contents[SPEC].replace(kind + b"\x08\x04", kind + b"\x08\x05")
    with pytest.raises(DamagedPackage, match="of another size than its type says"):
        decoded({**contents, SPEC: changed})


def test_damaged_programs_are_read_or_refused_in_a_sentence() -> None:
    contents, rng = encode_package(model()), np.random.default_rng(1)
    spec, refused = contents[SPEC], 0
    for _ in range(400):
        content = bytearray(spec)
        for at in rng.integers(0, len(spec), 2):
            content[at] = rng.integers(256)
        cut = int(rng.integers(len(spec))) if rng.random() < 0.3 else len(spec)
        refused += refusal({**contents, SPEC: bytes(content[:cut])}).endswith("export it again.")
    assert refused > 200
