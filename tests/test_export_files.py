"""Exports of ONNX files: what is asked for, what is refused, and that files are kept whole."""

import json
import resource
import signal
import sys
import tomllib
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from conftest import Run
from exported import THIN, export
from quantizing import QUICK, pictures, write_float_file, written
from shufflenet.errors import (
    ChangedExport,
    NeedsInt8,
    ParityError,
    SpecError,
    WriteError,
)
from shufflenet.export import ExportOptions, export_onnx_file
from shufflenet.export._source import computing
from shufflenet.files import model_bytes
from shufflenet.quantize import quantize_onnx
from shufflenet.runtimes import verify_file
from shufflenet.spec import FORMATS, Format
from shufflenet.zoo import SHIPPED

GATE = "shufflenet.export._gate.computing"


@pytest.fixture
def onnx(tmp_path: Path) -> Path:
    return export(THIN, tmp_path / "thin.onnx")


def test_an_onnx_file_is_exported_without_torch(tmp_path: Path, run: Run) -> None:
    path = tmp_path / "a.onnx"
    code, out, err = run("export", "default", "--to", path, "--json")
    assert (code, err) == (0, "")
    exported = json.loads(out)
    assert SHIPPED.onnx is not None
    assert path.read_bytes() == SHIPPED.onnx.read_bytes()
    assert exported["files"] == [str(path)]
    assert (exported["format"], exported["precision"]) == ("onnx", "float32")
    assert exported["max_abs_difference"] == 0
    assert exported["images"] == exported["same_top1"] == 5


def test_photos_of_the_user_are_compared_too(
    onnx: Path, class_folders: Path, tmp_path: Path, run: Run
) -> None:
    photos = sorted(class_folders.glob("*/*.png"))[:2]
    code, out, _ = run("export", onnx, "--to", tmp_path / "a.onnx", "--photos", *photos, "--json")
    assert code == 0
    assert json.loads(out)["images"] == 7
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"no image")
    code, _, err = run("export", onnx, "--to", tmp_path / "b.onnx", "--photos", broken)
    assert code == 1
    assert "broken.png" in err
    assert not (tmp_path / "b.onnx").exists()


def test_int8_needs_a_quantized_file(onnx: Path, tmp_path: Path) -> None:
    with pytest.raises(NeedsInt8, match="Quantize it first"):
        export_onnx_file(onnx, tmp_path / "a.onnx", ExportOptions(precision="int8"))
    data = written(tmp_path / "data", pictures(24), ("blue", "green", "red"))
    int8 = tmp_path / "int8.onnx"
    quantize_onnx(write_float_file(tmp_path), data, int8, QUICK)
    assert export_onnx_file(int8, tmp_path / "b.onnx").precision == "int8"
    with pytest.raises(SpecError, match="the model is in int8 already"):
        export_onnx_file(int8, tmp_path / "c.onnx", ExportOptions(precision="float32"))


@pytest.mark.parametrize("form", FORMATS.values(), ids=lambda form: form.name)
def test_what_a_format_cannot_express_is_refused(
    form: Format, onnx: Path, tmp_path: Path, run: Run
) -> None:
    path = tmp_path / f"a{form.suffix}"
    values = {"opset": "18", "batch": "2", "image_px": "32"}
    for name in values.keys() - set(form.options):
        option = f"--{name.replace('_', '-')}"
        code, _, err = run("export", onnx, "--to", path, option, values[name])
        assert (code, err) == (2, f"{form.title} files have no {option}; leave it out.\n")
        number = (32, 32) if name == "image_px" else int(values[name])
        with pytest.raises(SpecError, match=f"{form.title} files have none"):
            export_onnx_file(onnx, path, ExportOptions(**{name: number}))  # type: ignore[arg-type]  # the fields have several types
    for precision in {"float32", "float16", "int8"} - set(form.tolerances):
        code, _, err = run("export", onnx, "--to", path, "--precision", precision)
        assert code == 2
        assert err.startswith(f"{form.title} files have no --precision {precision}; choose ")
    assert not path.exists()


def test_a_file_with_a_changed_weight_gets_no_new_hash(onnx: Path, tmp_path: Path) -> None:
    """Of another format it would be sound by its hash, and agree with the changed network."""
    content = bytearray(onnx.read_bytes())
    content[len(content) // 2] ^= 0x40
    onnx.write_bytes(content)
    with pytest.raises(ChangedExport, match="was damaged or changed after it was exported"):
        export_onnx_file(onnx, tmp_path / "a.onnx")
    assert not (tmp_path / "a.onnx").exists()


def test_a_shuffle_that_an_onnx_file_no_longer_has_is_refused(
    onnx: Path, tmp_path: Path, run: Run
) -> None:
    with pytest.raises(SpecError, match="shuffle is 'keep'"):
        export_onnx_file(onnx, tmp_path / "a.onnx", ExportOptions(shuffle="keep"))
    code, _, err = run("export", onnx, "--to", tmp_path / "a.onnx", "--shuffle", "keep")
    assert code == 1
    assert ".safetensors" in err


def test_an_unknown_suffix_is_refused_with_those_that_are_known(
    onnx: Path, tmp_path: Path, run: Run
) -> None:
    code, _, err = run("export", onnx, "--to", tmp_path / "a.caffemodel")
    assert code == 2
    assert err.endswith(f"must end in {' or '.join(form.suffix for form in FORMATS.values())}.\n")
    with pytest.raises(SpecError, match="suffix is '.caffemodel'"):
        export_onnx_file(onnx, tmp_path / "a.caffemodel")


@pytest.mark.parametrize("size", ["0", "32,0", "0,0"])
def test_a_size_of_no_image_is_told_by_the_name_of_its_option(
    size: str, onnx: Path, tmp_path: Path, run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        run("export", onnx, "--to", tmp_path / "a.onnx", "--image-px", size)
    assert ended.value.code == 2
    assert f"argument --image-px: '{size}' is neither a number of px" in capsys.readouterr().err
    with pytest.raises(SpecError, match=r"image_px is \(0, 32\), but must be from 1 to 4096 px"):
        ExportOptions(image_px=(0, 32))
    code, _, err = run("export", onnx, "--to", tmp_path / "a.onnx", "--image-px", "5000")
    assert (code, err.startswith("image_px is (5000, 5000), but must be from")) == (1, True)


def test_a_file_is_replaced_only_by_one_that_was_compared(
    onnx: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.onnx"
    path.write_bytes(b"former")
    monkeypatch.setattr(GATE, lambda each: lambda x: computing(each)(x) + 1)
    with pytest.raises(ParityError, match="nothing was written"):
        export_onnx_file(onnx, path)
    assert path.read_bytes() == b"former"
    assert sorted(each.name for each in tmp_path.iterdir()) == ["a.onnx", "thin.onnx"]
    monkeypatch.setattr(GATE, computing)
    (tmp_path / "folder.onnx").mkdir()
    with pytest.raises(WriteError):
        export_onnx_file(onnx, tmp_path / "folder.onnx")
    assert export_onnx_file(onnx, path).bytes == path.stat().st_size > 6


def test_weights_of_another_format_are_not_overwritten(onnx: Path, tmp_path: Path) -> None:
    """Both OpenVINO and ncnn call them FILE.bin."""
    pytest.importorskip("ncnn")
    (tmp_path / "a.bin").write_bytes(b"of a.xml")
    with pytest.raises(
        WriteError, match=r"a.bin': it may belong to another model, for there is no"
    ):
        export_onnx_file(onnx, tmp_path / "a.param")
    assert (tmp_path / "a.bin").read_bytes() == b"of a.xml"
    assert not (tmp_path / "a.param").exists()
    export_onnx_file(onnx, tmp_path / "b.param")
    export_onnx_file(onnx, tmp_path / "b.param")


def test_nan_is_no_agreement(onnx: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(GATE, lambda each: lambda x: computing(each)(x) * np.nan)
    with pytest.raises(ParityError, match="nothing was written"):
        export_onnx_file(onnx, tmp_path / "a.onnx")


@pytest.mark.parametrize("form", FORMATS.values(), ids=lambda form: form.name)
def test_a_model_is_as_large_as_all_its_files(
    form: Format, onnx: Path, tmp_path: Path, run: Run
) -> None:
    if find_spec(form.package) is None:
        pytest.skip(f"{form.package} is not installed")
    exported = export_onnx_file(onnx, tmp_path / f"a{form.suffix}")
    beside = Path(f"{exported.path}.json")
    card_bytes = beside.stat().st_size if form.card == "beside" else 0
    assert model_bytes(exported.path) == exported.bytes - card_bytes
    capitals = Path(exported.path).rename(tmp_path / f"a{form.suffix.upper()}")
    assert model_bytes(capitals) == exported.bytes - card_bytes
    capitals.rename(exported.path)
    assert verify_file(exported.path, form.runtime).agrees
    code, out, err = run("show", exported.path, "--json")
    assert code == 0, err
    assert json.loads(out)["card"]["name"] == "test"


def test_the_first_error_names_the_extra_of_the_format(
    tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "ai_edge_litert", None)
    monkeypatch.setitem(sys.modules, "shufflenet.export", None)  # it would need another extra
    code, _, err = run("export", "default", "--to", tmp_path / "a.tflite")
    assert code == 1
    assert "LiteRT files" in err
    assert "'shufflenet[litert]'" in err


def test_an_extra_of_a_format_installs_what_reads_the_exported_file() -> None:
    root = Path(__file__).parent.parent
    project = tomllib.loads((root / "pyproject.toml").read_text())["project"]
    for form in FORMATS.values():
        needed = " ".join(project["optional-dependencies"][form.extra])
        assert "onnx>=" in needed or "shufflenet[onnx]" in needed, form.extra


def test_a_full_folder_of_temporary_files_is_named(
    onnx: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "out" / "a.onnx"
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    former = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
    try:
        with pytest.raises(WriteError, match=r"/shufflenet-.*: File too large"):
            export_onnx_file(onnx, path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, former)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "none"))
    with pytest.raises(WriteError, match="Cannot write 'a temporary folder': No such file"):
        export_onnx_file(onnx, path)
    assert not path.parent.exists()
