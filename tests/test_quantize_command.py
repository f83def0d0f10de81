"""The command ``shufflenet quantize``."""

import json
import sys
from pathlib import Path

import pytest

from quantizing import write_float_file
from shufflenet.cli import main


def test_the_command_prints_counts(
    class_folders: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    float_file, target = write_float_file(tmp_path), tmp_path / "a.onnx"
    command = ["quantize", str(float_file), "--data", str(class_folders), "--to", str(target)]
    assert main([*command, "--max-drop", "100", "--images", "5", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["path"] == str(target)
    assert found["float"].keys() == found["int8"].keys() == {"images", "top1", "top5"}
    assert found["calibration_images"] == 5
    assert found["int8"]["images"] == 19
    assert main(["evaluate", "--data", str(class_folders), "--model", str(target), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["images"] == 24
    assert main([*command, "--max-drop", "100", "--images", "2", "--layers"]) == 0
    printed = capsys.readouterr().out
    assert "depthwise 3x3" in printed
    assert "All layers are int8." in printed


@pytest.mark.parametrize("wrong", [["--max-drop", "x"], ["--max-drop", "101"], ["--to", "a.pt"]])
def test_wrong_usage_is_told_of(wrong: list[str], tmp_path: Path) -> None:
    try:
        code = main(["quantize", "default", "--data", str(tmp_path), "--to", "a.onnx", *wrong])
    except SystemExit as left:
        code = int(left.code or 0)
    assert code == 2


def test_what_must_be_installed_is_named(
    tmp_path: Path, class_folders: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    for name in [name for name in sys.modules if name.startswith("shufflenet.quantize")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "onnx", None)
    target = str(tmp_path / "a.onnx")
    assert main(["quantize", "default", "--data", str(class_folders), "--to", target]) == 1
    assert "pip install 'shufflenet[quantize]'" in capsys.readouterr().err
