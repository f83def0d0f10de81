"""Runtimes and formats as rows of tables: a row that is added is offered everywhere."""

import json
import tomllib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import shufflenet
from conftest import Run
from exported import THIN, export
from fakes import Reddest
from shufflenet.errors import CheckpointError, MissingDependency, SpecError
from shufflenet.export import Request
from shufflenet.graph import Program
from shufflenet.runtimes import find_runtimes, open_by, open_fastest
from shufflenet.spec import CARD_KEY, FORMATS, RUNTIMES, Arithmetic, Runtime, find_extra
from test_runtimes_model import CARD

ROOT = Path(__file__).parent.parent
TOY = Runtime(
    name="toy",
    title="Toy",
    package="numpy",
    extra="",
    suffixes=(".toy",),
    module=__name__,
)


def open_file(path: Path, *, threads: int | None, precision: Arithmetic) -> Reddest:
    """What the row ``TOY`` names by its module."""
    if not path.is_file():
        raise CheckpointError(path, "does not exist", "Name one that does.")
    return Reddest(CARD)


@pytest.fixture
def toy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file of a runtime that is known by one entry, made here."""
    monkeypatch.setitem(RUNTIMES, TOY.name, TOY)
    file = tmp_path / "model.toy"
    file.write_bytes(b"toy")
    return file


def test_a_runtime_of_one_entry_opens_models(toy: Path) -> None:
    batch = np.random.default_rng(0).normal(size=(2, 3, 8, 8)).astype(np.float32)
    for runtime in ("toy", "auto"):
        logits = shufflenet.open_model(toy, runtime=runtime).logits(batch)
        assert np.array_equal(logits, batch.mean(axis=(2, 3), dtype=np.float32))
    with pytest.raises(CheckpointError, match=r"is not a .toy file"):
        shufflenet.open_model("default", runtime="toy")
    with pytest.raises(CheckpointError, match=r"is not a .toy file"):
        shufflenet.open_model("shufflenet_v2_x0_5.torchvision_in1k", runtime="toy")
    with pytest.raises(CheckpointError, match="neither a .onnx nor a .safetensors"):
        shufflenet.open_model(toy, runtime="onnxruntime")


def write(program: Program, request: Request) -> dict[str, bytes]:
    """What the format of the test below names by its module."""
    return {f"{request.stem}.toy": str(len(program.nodes)).encode()}


def test_a_format_of_one_entry_is_written_by_export(
    toy: Path, tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = replace(
        FORMATS["onnx"], name="toy", title="Toy", suffix=".toy", module=__name__, runtime="toy",
        options=(), tolerances={"float32": 1e9}, card="beside",
    )  # fmt: skip
    monkeypatch.setitem(FORMATS, "toy", row)
    path = tmp_path / "net.toy"
    onnx = export(replace(THIN, classes=3), tmp_path / "thin.onnx")
    code, out, _ = run("export", onnx, "--to", path, "--json")
    assert code == 0
    exported = json.loads(out)
    assert exported["files"] == [str(path), f"{path}.json"]
    assert (exported["format"], exported["precision"]) == ("toy", "float32")
    assert path.read_text() == "58"
    assert json.loads(Path(f"{path}.json").read_text())[CARD_KEY]["name"] == "test"
    code, _, err = run("export", onnx, "--to", path, "--opset", "19")
    assert (code, err) == (2, "Toy files have no --opset; leave it out.\n")


def test_a_runtime_of_one_entry_is_a_choice_of_predict(
    toy: Path, class_folders: Path, run: Run
) -> None:
    image = class_folders / "red" / "0.png"
    for chosen in (("--runtime", "toy"), ()):
        code, out, _ = run("predict", image, "--model", toy, *chosen, "--json")
        assert code == 0
        assert json.loads(out)["predictions"][0]["label"] == "red"
    with pytest.raises(SystemExit):
        run("predict", image, "--runtime", "tensorrt")


def test_the_help_of_predict_lists_every_runtime(
    toy: Path, capsys: pytest.CaptureFixture[str], run: Run
) -> None:
    with pytest.raises(SystemExit):
        run("predict", "--help")
    assert f"{{{','.join(('auto', *RUNTIMES))}}}" in "".join(capsys.readouterr().out.split())


def test_a_runtime_of_one_entry_is_measured_by_benchmark(toy: Path, run: Run) -> None:
    code, out, _ = run("benchmark", toy, "--seconds", 0.01, "--json")
    assert code == 0
    assert [(row["runtime"], row["precision"]) for row in json.loads(out)] == [("toy", "float32")]
    code, out, _ = run("benchmark", toy, "--seconds", 0.01, "--runtime", "toy")
    assert code == 0


def test_runtimes_are_found_by_name_and_precision() -> None:
    assert find_runtimes("auto") == tuple(RUNTIMES.values())
    assert [runtime.name for runtime in find_runtimes("auto", "bfloat16")] == ["openvino"]
    with pytest.raises(SpecError, match="runtime is 'tensorrt', but must be 'auto', 'onnxruntime'"):
        find_runtimes("tensorrt")
    with pytest.raises(SpecError, match="'bfloat16', but must be 'float32' with llvm"):
        find_runtimes("llvm", "bfloat16")


def test_a_file_that_no_runtime_opens_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="none of these runtimes opens"):
        open_fastest(tmp_path / "model.toy")


def test_a_runtime_that_is_not_installed_is_told_with_its_extra(tmp_path: Path) -> None:
    row = Runtime(
        name="none", title="None", package="none", extra="openvino", suffixes=(".none",),
        module="no_such_module",
    )  # fmt: skip
    with pytest.raises(MissingDependency, match=r"The None runtime .* 'shufflenet\[openvino\]'"):
        open_by(row, tmp_path / "a.none")


# --- the tables agree with what is written elsewhere ---


def test_every_extra_installs_the_package_that_it_is_named_for() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras: dict[str, list[str]] = project["optional-dependencies"]
    packages = [runtime.package for runtime in RUNTIMES.values()]
    packages += [form.package for form in FORMATS.values()]
    for package in (*packages, "onnx", "onnxscript", "lightning_fabric", "matplotlib", "pyarrow"):
        extra = find_extra(package)
        wanted = project["dependencies"] if extra is None else extras[extra]
        assert any(each.startswith(package.replace("_", "-") + ">=") for each in wanted), package


def test_the_documentation_has_a_row_for_every_runtime() -> None:
    lines = (ROOT / "docs" / "using.md").read_text().splitlines()
    start = lines.index("| runtime | extra | files | |") + 2
    rows = [line.split("|")[1:4] for line in lines[start : start + len(RUNTIMES)]]
    cells = [[cell.strip().replace("`", "") for cell in row] for row in rows]
    assert cells == [[r.name, r.extra, ", ".join(r.suffixes)] for r in RUNTIMES.values()]
