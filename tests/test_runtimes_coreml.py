"""Core ML packages opened: by every door of the program, and strangers' packages refused."""

import json
import platform
import shutil
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from conftest import Run
from packages import of_int8, with_card
from random_graphs import random_model
from seeded import photo
from shufflenet import open_model
from shufflenet.errors import (
    ChangedExport,
    CheckpointError,
    DamagedPackage,
    FileMissing,
    NoCard,
    OtherSystem,
    SpecError,
    UnsupportedByRuntime,
)
from shufflenet.export import _coreml, export_onnx_file  # whose seal strangers may copy
from shufflenet.files import SEAL_KEY, UNSEALED
from shufflenet.files.mlpackage import Model, TensorType, encode_package, read_package
from shufflenet.runtimes import open_by, verify_file
from shufflenet.spec import RUNTIMES

PROGRAM = RUNTIMES["coreml-program"]
SPEC, WEIGHTS = "Data/com.apple.CoreML/model.mlmodel", "Data/com.apple.CoreML/weights/weight.bin"


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small network in float16."""
    folder = tmp_path_factory.mktemp("coreml")
    path = folder / "net.mlpackage"
    export_onnx_file(with_card(random_model(1), folder / "net.onnx"), path)
    return path


def pixels(count: int = 3) -> np.ndarray:
    return np.random.default_rng(5).integers(0, 256, (count, 32, 32, 3), np.uint8)


def rewritten(package: Path, folder: Path, change: Model) -> Path:
    """Write a package of a changed program, sealed as an honest writer would."""
    metadata = {**change.metadata, SEAL_KEY: UNSEALED}
    for name, content in _coreml.seal(encode_package(replace(change, metadata=metadata))).items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


# --- the doors ---


def test_predict_and_verify_take_a_package(package: Path, run: Run, tmp_path: Path) -> None:
    from PIL import Image  # noqa: PLC0415

    image = tmp_path / "a.png"
    Image.fromarray(photo("a", 40, 52)).save(image)
    code, out, _ = run("predict", image, "--model", package, "--json")
    assert code == 0
    opened = open_model(package.with_suffix(".onnx"), runtime="onnxruntime")
    (expected,) = opened.classify(image, k=5)
    answered = json.loads(out)["predictions"]
    assert [each["index"] for each in answered] == [each.index for each in expected]
    code, out, _ = run("verify", package, "--json")
    assert code == 0
    verified = json.loads(out)
    assert verified["runtime"] == "coreml-program"
    assert verified["agrees"]
    assert 0 < verified["max_abs_difference"] < verified["tolerance"]


def test_int8_is_verified_by_the_logits_of_the_int8_network(tmp_path: Path) -> None:
    source, path = of_int8(random_model(3), tmp_path / "a.onnx"), tmp_path / "a.mlpackage"
    export_onnx_file(source, path)
    assert verify_file(path).agrees


def test_prepared_images_are_converted_back_to_bytes(package: Path) -> None:
    from shufflenet.preprocess import normalize  # noqa: PLC0415

    opened = open_by(PROGRAM, package, threads=1)
    prepared = normalize(pixels(), opened.card.preprocess)
    assert np.array_equal(opened.logits(prepared), opened.logits_from_pixels(pixels()))
    assert opened.logits_from_pixels(pixels(0)).shape == (0, 5)


def test_several_threads_may_compute(package: Path) -> None:
    opened = open_by(PROGRAM, package, threads=1)
    expected = opened.logits_from_pixels(pixels())
    with ThreadPoolExecutor(4) as pool:
        for result in pool.map(lambda _: opened.logits_from_pixels(pixels()), range(8)):
            assert np.array_equal(result, expected)


def test_images_of_another_size_are_refused_with_the_size(package: Path) -> None:
    opened = open_by(PROGRAM, package)
    with pytest.raises(SpecError, match=r"is '32x40 px', but must be 32x32 px, the only size"):
        opened.logits_from_pixels(np.zeros((1, 40, 32, 3), np.uint8))
    with pytest.raises(SpecError, match=r"must be 32x32 px"):
        opened.logits(np.zeros((1, 3, 33, 33), np.float32))


@pytest.mark.skipif(platform.system() == "Darwin", reason="Core ML computes here")
def test_core_ml_itself_computes_on_macs_only(package: Path) -> None:
    with pytest.raises(OtherSystem, match="on macOS only. Use --runtime coreml-program here"):
        open_by(RUNTIMES["coreml"], package)


def test_a_package_may_be_renamed(package: Path, tmp_path: Path) -> None:
    other = shutil.copytree(package, tmp_path / "other.MLPACKAGE")
    assert verify_file(other).agrees


# --- damaged and strangers' packages ---


@pytest.mark.parametrize("name", [SPEC, WEIGHTS])
def test_every_changed_byte_is_found(name: str, package: Path, tmp_path: Path) -> None:
    content = (package / name).read_bytes()
    rng = np.random.default_rng(0)
    for number, at in enumerate(rng.integers(0, len(content), 25)):
        changed = bytearray(content)
        changed[at] ^= 1 << int(rng.integers(8))
        folder = shutil.copytree(package, tmp_path / f"{number}.mlpackage")
        (folder / name).write_bytes(changed)
        with pytest.raises(CheckpointError):
            open_by(PROGRAM, folder)
        shutil.rmtree(folder)


def test_a_manifest_may_be_written_anew_but_must_name_the_files(
    package: Path, tmp_path: Path
) -> None:
    """Apple's tools write it anew, with other identifiers perhaps, when they open a package."""
    manifest = json.loads((package / "Manifest.json").read_text())
    items = manifest["itemInfoEntries"]
    numbers = {each: str(number) for number, each in enumerate(items)}
    renamed = {numbers[each]: item for each, item in items.items()}
    root = numbers[manifest["rootModelIdentifier"]]
    folder = shutil.copytree(package, tmp_path / "a.mlpackage")
    other = {**manifest, "itemInfoEntries": renamed, "rootModelIdentifier": root}
    (folder / "Manifest.json").write_text(json.dumps(other))
    assert verify_file(folder).agrees
    for missing in renamed:
        left = {each: item for each, item in renamed.items() if each != missing}
        (folder / "Manifest.json").write_text(json.dumps({**other, "itemInfoEntries": left}))
        with pytest.raises(DamagedPackage, match=r"its Manifest.json"):
            open_by(PROGRAM, folder)


def test_the_weights_of_another_package_are_refused(package: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.mlpackage"
    export_onnx_file(with_card(random_model(2), tmp_path / "other.onnx"), other)
    shutil.copy(package / WEIGHTS, other / WEIGHTS)
    with pytest.raises(ChangedExport):
        open_by(PROGRAM, other)


def test_what_is_cut_short_missing_or_without_a_card_is_refused(
    package: Path, tmp_path: Path
) -> None:
    with pytest.raises(FileMissing):
        open_by(PROGRAM, tmp_path / "none.mlpackage")
    empty = tmp_path / "empty.mlpackage"
    empty.mkdir()
    with pytest.raises(DamagedPackage, match=r"it has no Manifest.json"):
        open_by(PROGRAM, empty)
    short = shutil.copytree(package, tmp_path / "short.mlpackage")
    (short / SPEC).write_bytes((package / SPEC).read_bytes()[:-100])
    with pytest.raises(DamagedPackage, match=r"field 502 ends after its message does"):
        open_by(PROGRAM, short)
    model = read_package(package).model()
    kept = {key: text for key, text in model.metadata.items() if key != "shufflenet"}
    foreign = rewritten(package, tmp_path / "foreign.mlpackage", replace(model, metadata=kept))
    with pytest.raises(NoCard):
        open_by(PROGRAM, foreign)


def changing(model: Model, which: str = "conv", **changes: object) -> Model:
    """Change the first operation of a kind."""
    operations = list(model.operations)
    at = next(n for n, each in enumerate(operations) if each.kind == which)
    operations[at] = replace(operations[at], **changes)  # type: ignore[arg-type]
    return replace(model, operations=tuple(operations))


def test_programs_that_mean_nothing_are_refused(package: Path, tmp_path: Path) -> None:
    model = read_package(package).model()
    conv = next(each for each in model.operations if each.kind == "conv")
    without = {key: each for key, each in conv.inputs.items() if key != "strides"}
    (text,) = conv.inputs["pad_type"]
    image = model.input.name
    cases = (
        (changing(model, kind="ode"), UnsupportedByRuntime, "operation 'ode'"),
        (changing(model, inputs=without), DamagedPackage, "constant 'strides'"),
        (
            changing(model, inputs={**conv.inputs, "x": ("none",)}),
            DamagedPackage,
            "reads 'none' before anything makes it",
        ),
        (
            changing(model, inputs={**conv.inputs, "x": (text,)}),
            UnsupportedByRuntime,
            "another type than float",
        ),
        (
            changing(model, outputs=((image, TensorType("float16", (1, 2, 3, 4))),)),
            DamagedPackage,
            "makes 'image' twice",
        ),
        (
            changing(model, "linear", inputs={"x": (image,), "weight": (image,)}),
            DamagedPackage,
            "ONNX Runtime refuses its program",
        ),
        (replace(model, results=model.results[:2]), DamagedPackage, "returns no logits"),
    )
    for number, (changed, kind, reason) in enumerate(cases):
        with pytest.raises(kind, match=reason):
            open_by(PROGRAM, rewritten(package, tmp_path / f"{number}.mlpackage", changed))


def test_huge_numbers_never_reach_the_library(package: Path, tmp_path: Path) -> None:
    """Of what ONNX Runtime accepts it is huge strides that end the process."""
    model = read_package(package).model()
    conv = next(each for each in model.operations if each.kind == "conv")
    for parameter in ("strides", "pad", "dilations", "groups"):
        (name,) = conv.inputs[parameter]
        operations = tuple(
            replace(each, attributes={"val": np.full_like(each.attributes["val"], 2**30)})
            if each.output == name
            else each
            for each in model.operations
        )
        changed = replace(model, operations=operations)
        with pytest.raises(DamagedPackage, match=f"its .* has a huge '{parameter}'"):
            open_by(PROGRAM, rewritten(package, tmp_path / f"{parameter}.mlpackage", changed))


def test_damaged_programs_with_a_true_seal_answer_or_are_refused(
    package: Path, tmp_path: Path
) -> None:
    """As a stranger writes them, who knows how files are sealed."""
    contents = {str(each.relative_to(package)): each.read_bytes() for each in package.rglob("*.*")
                if each.is_file()}  # fmt: skip
    stated = read_package(package).metadata()[SEAL_KEY].encode()
    contents[SPEC] = contents[SPEC].replace(stated, UNSEALED.encode())
    start = contents[SPEC].index(b"CoreML5")
    rng, opened = np.random.default_rng(2), 0
    for number in range(80):
        changed = bytearray(contents[SPEC])
        for at in rng.integers(start, len(changed), 2):
            changed[at] = rng.integers(256)
        folder = tmp_path / f"{number}.mlpackage"
        for name, content in _coreml.seal({**contents, SPEC: bytes(changed)}).items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(content)
        opened += answers(folder)
        shutil.rmtree(folder)
    assert 0 < opened < 60


def answers(folder: Path) -> bool:
    """Return whether a package is computed; if not, an error of this package says so."""
    try:
        logits = open_by(PROGRAM, folder, threads=1).logits_from_pixels(pixels(1))
    except CheckpointError:
        return False
    return logits.shape == (1, 5)
