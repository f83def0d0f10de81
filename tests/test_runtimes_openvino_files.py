"""OpenVINO's own files as strangers may write or damage them."""

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from shufflenet.errors import (
    ChangedExport,
    CheckpointError,
    DamagedOpenVino,
    FileMissing,
    NoCard,
    NotAFile,
    SpecError,
)
from shufflenet.export import ExportOptions, export_onnx_file
from shufflenet.runtimes import OpenVinoClassifier
from shufflenet.zoo import SHIPPED

pytestmark = pytest.mark.skipif(find_spec("openvino") is None, reason="OpenVINO is not installed")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("openvino") / "a.xml"
    export_onnx_file(SHIPPED.onnx or "", path, ExportOptions(batch=2, image_px=(80, 80)))
    return path


@pytest.fixture
def copied(whole: Path, tmp_path: Path) -> Path:
    for suffix in (".xml", ".bin"):
        (tmp_path / f"b{suffix}").write_bytes(whole.with_suffix(suffix).read_bytes())
    return tmp_path / "b.xml"


def rewrite(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def test_files_may_be_renamed_together(copied: Path) -> None:
    logits = OpenVinoClassifier(copied).logits_from_pixels(np.zeros((1, 80, 80, 3), np.uint8))
    assert logits.shape == (1, 200)


def test_images_of_another_size_are_refused_by_name_of_the_size(copied: Path) -> None:
    classifier = OpenVinoClassifier(copied)
    sentence = "the size of images is '64x80 px', but must be 80x80 px, the only size that the file"
    with pytest.raises(SpecError, match=sentence):
        classifier.logits(np.zeros((1, 3, 80, 64), np.float32))


def test_weights_that_are_missing_are_named(copied: Path) -> None:
    copied.with_suffix(".bin").unlink()
    with pytest.raises(FileMissing, match=r"b\.bin' does not exist"):
        OpenVinoClassifier(copied)
    copied.with_suffix(".bin").mkdir()
    with pytest.raises(NotAFile, match="is a folder"):
        OpenVinoClassifier(copied)


def test_weights_that_are_cut_are_refused(copied: Path) -> None:
    content = copied.with_suffix(".bin").read_bytes()
    copied.with_suffix(".bin").write_bytes(content[:-4])
    with pytest.raises(DamagedOpenVino, match="a constant that is not in the file of weights"):
        OpenVinoClassifier(copied)


@pytest.mark.parametrize("place", [0, 1_000_000, -1])
def test_weights_of_another_network_are_refused(place: int, copied: Path) -> None:
    content = bytearray(copied.with_suffix(".bin").read_bytes())
    content[place] ^= 1
    copied.with_suffix(".bin").write_bytes(content)
    with pytest.raises((ChangedExport, DamagedOpenVino)):
        OpenVinoClassifier(copied)


def test_a_text_that_was_changed_is_refused(copied: Path) -> None:
    rewrite(copied, 'pads_begin="1, 1"', 'pads_begin="1, 0"')
    with pytest.raises(ChangedExport, match="was damaged or changed after it was exported"):
        OpenVinoClassifier(copied)


def test_a_file_without_a_card_is_refused(copied: Path) -> None:
    rewrite(copied, "<shufflenet value=", "<other value=")
    with pytest.raises(NoCard):
        OpenVinoClassifier(copied)


BOMB = '<!DOCTYPE net [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>'


def before(text: str) -> Callable[[Path], None]:
    return lambda path: rewrite(path, "<net ", f"{text}<net ")


def instead(old: str, new: str) -> Callable[[Path], None]:
    return lambda path: rewrite(path, old, new)


def cut(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: content.index(b">", 100_000) + 1])  # numbers of names vary in length


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (cut, "no element found"),
        (lambda path: path.write_text(""), "no element found"),
        (lambda path: path.write_bytes(b"\xff\xfe\0\0"), "not well-formed"),
        (before(BOMB), "it declares entities or a document type"),
        (lambda path: path.write_text("<a><b/></a>"), "it describes no network"),
        (lambda path: path.write_text("<net>" * 20), "too many elements"),
        (instead('strides="2, 2"', 'strides="4294967296, 2"'), "a number of '4294967296'"),
        (instead('strides="2, 2"', 'strides="two, 2"'), "a number of 'two'"),
        (instead('type="Convolution"', 'type="Loop"'), "it has a layer 'Loop'"),
        (instead('offset="0"', 'offset="4000000000"'), "a number of '4000000000'"),
        (instead('offset="0"', 'offset="2921000"'), "a constant that is not in the file"),
        (instead('offset="0"', 'offset="-8"'), "a constant without a place"),
        (instead('shape="24, 3, 3, 3"', 'shape="24, 3, 3, 4"'), "a constant that is not in"),
        (instead("</rt_info>\n</net>", '<shufflenet value="" /></rt_info>\n</net>'), "twice"),
    ],
)
def test_what_export_does_not_write_is_refused_before_openvino_reads_it(
    change: Callable[[Path], None], reason: str, copied: Path
) -> None:
    change(copied)
    with pytest.raises(DamagedOpenVino, match=reason):
        OpenVinoClassifier(copied)


def test_damaged_files_end_in_a_sentence(copied: Path) -> None:
    rng, text = np.random.default_rng(0), copied.read_bytes()
    for _ in range(60):
        damaged = bytearray(text)
        for place in rng.integers(0, len(text), int(rng.integers(1, 4))):
            damaged[place] = int(rng.integers(256))
        copied.write_bytes(damaged)
        if bytes(damaged) != text:
            with pytest.raises(CheckpointError):
                OpenVinoClassifier(copied)
