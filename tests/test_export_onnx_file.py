"""ONNX files written from ONNX files: in other operators, of fixed sizes, in float16 and int8."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest

from conftest import Run
from random_graphs import quantized, random_model
from shufflenet.errors import DamagedCheck, NotExportable, OldOperators, SpecError
from shufflenet.export import ExportOptions, Request, export_onnx_file
from shufflenet.export._onnx_file import write  # private: int8 files of random networks lack cards
from shufflenet.files import SEAL_KEY, hash_onnx_graph, read_onnx_metadata
from shufflenet.graph import read_program
from shufflenet.runtimes import (
    CHECK_KEY,
    FLOAT_CHECK_KEY,
    HASH_KEY,
    IMAGE_KEY,
    LlvmClassifier,
    OnnxClassifier,
    check_image,
    verify_file,
)
from shufflenet.spec import CARD_KEY, FLOAT16_TOLERANCE, FLOAT32_TOLERANCE
from shufflenet.zoo import SHIPPED

SOURCE = SHIPPED.onnx or Path()
PIXELS = np.random.default_rng(0).integers(0, 256, (3, 80, 80, 3), np.uint8)


@pytest.mark.parametrize(
    "options",
    [
        ExportOptions(opset=9),
        ExportOptions(opset=28, batch=2),
        ExportOptions(opset=13, image_px=(80, 80)),
        ExportOptions(precision="float16"),
    ],
)
def test_a_file_keeps_its_card_and_holds_what_it_is_verified_by(
    options: ExportOptions, tmp_path: Path
) -> None:
    path = tmp_path / "a.onnx"
    exported = export_onnx_file(SOURCE, path, options)
    assert exported.opset == (options.opset or 18)
    assert exported.same_top1 == exported.images > 3
    source, classifier = OnnxClassifier(SOURCE), OnnxClassifier(path)
    assert classifier.card == source.card
    assert read_onnx_metadata(path)[SEAL_KEY] == hash_onnx_graph(path)
    expected = source.logits_from_pixels(PIXELS)
    difference = np.abs(classifier.logits_from_pixels(PIXELS) - expected).max()
    relative = FLOAT16_TOLERANCE if options.precision else FLOAT32_TOLERANCE
    assert difference <= relative * np.abs(expected).max()
    assert verify_file(path).agrees


def test_a_file_that_is_asked_for_as_it_is_stays_so(tmp_path: Path) -> None:
    export_onnx_file(SOURCE, tmp_path / "a.onnx")
    assert (tmp_path / "a.onnx").read_bytes() == SOURCE.read_bytes()


@pytest.mark.parametrize("opset", [13, 17])
def test_files_that_name_axes_by_attributes_are_read_again(opset: int, tmp_path: Path) -> None:
    export_onnx_file(SOURCE, tmp_path / "a.onnx", ExportOptions(opset=opset))
    export_onnx_file(tmp_path / "a.onnx", tmp_path / "b.onnx", ExportOptions(opset=18))
    expected = OnnxClassifier(SOURCE).logits_from_pixels(PIXELS)
    for classifier in (LlvmClassifier(tmp_path / "a.onnx"), OnnxClassifier(tmp_path / "b.onnx")):
        assert np.abs(classifier.logits_from_pixels(PIXELS) - expected).max() <= 1e-4


def test_files_in_float16_are_no_source(tmp_path: Path) -> None:
    export_onnx_file(SOURCE, tmp_path / "a.onnx", ExportOptions(precision="float16"))
    with pytest.raises(NotExportable, match="so that it cannot be written as ONNX"):
        export_onnx_file(tmp_path / "a.onnx", tmp_path / "b.onnx", ExportOptions(opset=17))


@pytest.mark.parametrize("size", ["[64]", "[0, 64]", "[64, 1e9]", "size"])
def test_a_damaged_size_of_the_image_is_told(size: str, tmp_path: Path) -> None:
    path = tmp_path / "a.onnx"
    export_onnx_file(SOURCE, path, ExportOptions(image_px=(64, 80)))
    model = onnx.load(path)
    model.metadata_props.add(key=IMAGE_KEY, value=size)
    onnx.save(model, path)
    with pytest.raises(DamagedCheck):
        verify_file(path)


def test_a_rectangle_of_an_older_version_is_verified(tmp_path: Path) -> None:
    """Its card states a square, and an entry beside it the size of the image."""
    path = tmp_path / "a.onnx"
    export_onnx_file(SOURCE, path, ExportOptions(image_px=(64, 80)))
    model, card = onnx.load(path), OnnxClassifier(path).card
    card = replace(card, preprocess=card.preprocess.cropped_to(80))
    next(each for each in model.metadata_props if each.key == CARD_KEY).value = card.to_json()
    model.metadata_props.add(key=IMAGE_KEY, value="[64, 80]")
    onnx.save(model, path)
    assert verify_file(path).agrees


def test_older_files_are_refused_by_the_compiler_in_a_sentence(tmp_path: Path) -> None:
    export_onnx_file(SOURCE, tmp_path / "a.onnx", ExportOptions(opset=12))
    with pytest.raises(OldOperators, match="is of ONNX operator set 12; only from 13 on is a file"):
        LlvmClassifier(tmp_path / "a.onnx")


def test_a_file_for_another_size_crops_to_it_and_takes_no_other(tmp_path: Path) -> None:
    path, source = tmp_path / "a.onnx", OnnxClassifier(SOURCE)
    export_onnx_file(SOURCE, path, ExportOptions(image_px=(64, 96)))
    classifier = OnnxClassifier(path)
    assert classifier.card.preprocess == source.card.preprocess.cropped_to((64, 96))
    batch = np.random.default_rng(0).standard_normal((1, 3, 64, 96), np.float32)
    assert np.abs(classifier.logits(batch) - source.logits(batch)).max() <= 1e-4
    assert verify_file(path).agrees
    with pytest.raises(SpecError, match="'96x96 px', but must be 96x64 px, the only size that"):
        classifier.logits_from_pixels(check_image(source.card.preprocess.cropped_to(96)))


def int8_request(model: onnx.ModelProto, options: ExportOptions) -> Request:
    card = OnnxClassifier(SOURCE).card
    metadata = {CARD_KEY: card.to_json(), FLOAT_CHECK_KEY: "[0.5]", SEAL_KEY: "later"}
    return Request(
        card=card, metadata=metadata, stem="a", precision="int8", size=(21, 18), options=options,
        onnx=model.SerializeToString(),
    )  # fmt: skip


def test_files_in_int8_hold_what_quantize_writes(tmp_path: Path) -> None:
    model = quantized(random_model(1), tmp_path / "a.onnx")
    program, request = (
        read_program(model, 1, (21, 18)),
        int8_request(model, ExportOptions(opset=17)),
    )
    path = tmp_path / "b.onnx"
    path.write_bytes(write(program, request)["a.onnx"])
    held = read_onnx_metadata(path)
    assert held.keys() == {CARD_KEY, CHECK_KEY, HASH_KEY}
    assert (held[CHECK_KEY], held[HASH_KEY]) == ("[0.5]", hash_onnx_graph(path))
    for opset in (12, 28):
        older = replace(request, options=ExportOptions(opset=opset))
        with pytest.raises(
            SpecError, match=f"opset is {opset}, but must be from 13 to 27 for int8"
        ):
            write(program, older)


@pytest.mark.parametrize("opset", [8, 29])
def test_versions_that_are_not_written_are_refused_at_once(
    opset: int, tmp_path: Path, run: Run
) -> None:
    code, _, err = run("export", "default", "--to", tmp_path / "a.onnx", "--opset", opset)
    assert (code, err) == (1, f"opset is {opset}, but must be from 9 to 28.\n")
    assert not list(tmp_path.iterdir())
