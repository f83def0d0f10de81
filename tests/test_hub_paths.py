"""Paths that lead to no file of weights, given wherever a model is: each ends in one sentence."""

import os
from pathlib import Path

import pytest

from conftest import Run
from shufflenet import open_model
from shufflenet.errors import CheckpointError, ShuffleNetError
from shufflenet.models import load_model
from shufflenet.zoo import SHIPPED


def make(folder: Path, suffix: str = ".onnx") -> dict[str, str]:
    """Make paths of every kind, and return what is said of each."""
    os.mkfifo(folder / f"pipe{suffix}")
    os.mkfifo(folder / "pipe")
    (folder / f"folder{suffix}").mkdir()
    (folder / f"zero{suffix}").symlink_to("/dev/zero")
    (folder / "zero").symlink_to("/dev/zero")
    (folder / f"broken{suffix}").symlink_to("nowhere")
    (folder / f"loop{suffix}").symlink_to(f"loop{suffix}")
    (folder / "notes.txt").write_text("no model")
    return {
        f"pipe{suffix}": "is a pipe. Name a file of weights",
        "pipe": "is a pipe. Name a file of weights",
        f"folder{suffix}": "is a folder. Name a file of weights",
        f"zero{suffix}": "is not a regular file. Name a file of weights",
        "zero": "is not a regular file. Name a file of weights",
        f"broken{suffix}": "does not exist",
        f"loop{suffix}": "Too many levels of symbolic links",
        "notes.txt": "is neither a .onnx nor a .safetensors file",
        "n" * 300 + suffix: "File name too long",
        f"a\0b{suffix}": "does not exist",
        f"\udcff{suffix}": "does not exist",
        f"notes.txt/a{suffix}": "cannot be read (Not a directory)",
    }


@pytest.mark.parametrize("runtime", ["auto", "onnxruntime", "openvino", "llvm"])
def test_a_path_that_leads_to_no_model_is_said_so_by_every_runtime(
    runtime: str, tmp_path: Path
) -> None:
    for name, problem in make(tmp_path).items():
        with pytest.raises(CheckpointError) as error:
            open_model(f"{tmp_path}/{name}", runtime=runtime)
        assert problem in str(error.value)


def test_a_path_that_leads_to_no_checkpoint_is_said_so(tmp_path: Path) -> None:
    for name, problem in make(tmp_path, ".safetensors").items():
        with pytest.raises(CheckpointError) as error:
            load_model(f"{tmp_path}/{name}")
        assert problem in str(error.value)


@pytest.mark.parametrize("name", ["", " ", ".", "..", "/", "n" * 300, "a\0b", "\udcff", "~", "*"])
def test_words_that_name_no_model_are_said_so(name: str) -> None:
    with pytest.raises(ShuffleNetError):
        open_model(name)


def test_the_commands_say_so_too(run: Run, tmp_path: Path) -> None:
    make(tmp_path)
    for command in (("show",), ("predict", SHIPPED.onnx, "--model")):
        for name in ("pipe.onnx", "zero", "n" * 300, "folder.onnx"):
            code, out, err = run(*command, tmp_path / name)
            assert (code, out, err.count("\n")) == (1, "", 1)
