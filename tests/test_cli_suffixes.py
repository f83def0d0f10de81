"""Endings in capitals name the same kinds of files, written or read."""

from pathlib import Path

import numpy as np
import pytest
from pyarrow import parquet

from conftest import Run, saved
from exported import THIN, export
from shufflenet import compile as compiling
from shufflenet.compile._make import find_form  # private: compiling takes half a minute
from shufflenet.data import open_images
from shufflenet.files import read_card
from shufflenet.models import create_model, save
from shufflenet.networks import ShuffleNet
from shufflenet.recipes import preprocess_for
from shufflenet.spec import FORMATS, Format


@pytest.fixture(scope="module")
def onnx(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return export(THIN, tmp_path_factory.mktemp("net") / "THIN.ONNX")


@pytest.mark.parametrize("form", FORMATS.values(), ids=lambda form: form.name)
def test_an_export_has_the_ending_that_was_asked_for_and_is_opened(
    form: Format, onnx: Path, tmp_path: Path, run: Run
) -> None:
    pytest.importorskip(form.package)
    path = tmp_path / f"a{form.suffix.upper()}"
    code, out, err = run("export", onnx, "--to", path)
    assert code == 0, err
    assert out.startswith(f"{path}: ")
    assert path.exists()
    assert not list(tmp_path.glob(f"*{form.suffix}"))
    code, out, err = run(
        "verify", path, *(["--runtime", "coreml-program"] * (form.name == "coreml"))
    )
    assert code == 0, err


@pytest.mark.parametrize("suffix", [".o", ".a", ".so"])
def test_a_network_is_compiled_into_what_the_ending_says(
    suffix: str, tmp_path: Path, run: Run
) -> None:
    pytest.importorskip("ziglang")
    order = compiling.Order(target="x86_64-linux")
    _, binary = find_form(tmp_path / f"net{suffix.upper()}", order)
    assert binary.suffix == suffix
    code, _, err = run("compile", tmp_path / "no.onnx", "--to", tmp_path / f"a{suffix.upper()}")
    assert (code, "does not exist" in err) == (1, True)  # the ending is none of its faults


def test_a_network_is_quantized_into_a_file_of_that_ending(tmp_path: Path, run: Run) -> None:
    code, _, err = run("quantize", "default", "--data", tmp_path / "no", "--to", "a.ONNX")
    assert (code, "does not exist" in err) == (1, True)  # likewise


def test_weights_are_converted_and_saved(small_net: ShuffleNet, tmp_path: Path, run: Run) -> None:
    net = create_model("shufflenet_v2_x0_25", num_classes=3)
    checkpoint = saved(net, tmp_path / "a.safetensors")
    theirs = tmp_path / "theirs.PDPARAMS"
    assert run("convert", checkpoint, "--layout", "paddle", "--to", theirs)[0] == 0
    labels = tmp_path / "labels.txt"
    labels.write_text("a\nb\nc\n")
    ours = tmp_path / "ours.SAFETENSORS"
    assert run("convert", theirs, "--labels", labels, "--to", ours)[0] == 0
    assert read_card(ours).network.classes == 3
    own = tmp_path / "own.SAFETENSORS"
    save(small_net, own, labels=("x", "y", "z"), preprocess=preprocess_for(32))
    assert read_card(own).name == "own"


def test_images_are_packed_and_embedded(
    class_folders: Path, checkpoint: Path, tmp_path: Path, run: Run
) -> None:
    archive = tmp_path / "a.TAR"
    assert run("pack", class_folders, "--to", archive, "--size", 32)[0] == 0
    assert len(open_images(archive)) == 24
    image = class_folders / "red" / "0.png"
    for name in ("a.NPY", "a.PARQUET"):
        to = tmp_path / name
        assert run("embed", image, "--to", to, "--model", checkpoint)[0] == 0
    assert np.load(tmp_path / "a.NPY").shape == (1, 512)
    assert parquet.read_table(tmp_path / "a.PARQUET")["path"].to_pylist() == [str(image)]
