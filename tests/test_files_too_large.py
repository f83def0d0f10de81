"""Files of more bytes than any model has: refused by their size, before a byte is read or hashed.

Each is a hole of 20 GB, which takes no disk.
"""

import hashlib
import os
from pathlib import Path

import pytest

from conftest import Run
from shufflenet.errors import FileTooLarge
from shufflenet.files import (
    check_model_file,
    hash_content,
    hash_onnx_graph,
    read_checkpoint,
    read_model,
    read_onnx_file,
)
from shufflenet.spec import FORMATS, MAX_MODEL_BYTES
from shufflenet.zoo import SHIPPED, find_published

SUFFIXES = sorted({".safetensors", ".so", ".wasm", *(form.suffix for form in FORMATS.values())})
REFUSED = "is not read (it is larger than 4.29 GB). No network of the family is"


@pytest.fixture
def unread(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no file be hashed: 20 GB take half a minute."""

    def digest(*_: object, usedforsecurity: bool = True) -> None:
        raise AssertionError("it is hashed")

    monkeypatch.setattr(hashlib, "file_digest", digest)
    monkeypatch.setattr(hashlib, "md5", digest)


def hole(path: Path, size: int = 20 * 10**9) -> Path:
    path.touch()
    os.truncate(path, size)
    return path


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.usefixtures("unread")
def test_every_door_asks_for_the_size_first(suffix: str, tmp_path: Path) -> None:
    path = hole(tmp_path / f"a{suffix}")
    for door in (check_model_file, hash_content, hash_onnx_graph, read_onnx_file, read_checkpoint):
        with pytest.raises(FileTooLarge, match=r"larger than 4\.29 GB"):
            door(path)
    with pytest.raises(FileTooLarge):
        read_model(path, 1 << 40)
    with pytest.raises(OSError, match=r"larger than 4\.29 GB"):
        find_published(path)


def test_the_largest_size_is_one_that_is_read(tmp_path: Path) -> None:
    path = hole(tmp_path / "a.xml", MAX_MODEL_BYTES)
    check_model_file(path)
    with pytest.raises(FileTooLarge, match="larger than 4 MB"):
        read_model(path, 4 * 10**6)


@pytest.mark.usefixtures("unread")
@pytest.mark.parametrize(
    "words",
    [
        "show FILE.onnx", "verify FILE.onnx", "predict photo.png --model FILE.onnx",
        "export FILE.onnx --to a.tflite", "convert FILE.onnx --to a.safetensors",
        "convert FILE.safetensors --to a.safetensors", "convert FILE.pth --to a.onnx",
        "show FILE.safetensors", "verify FILE.tflite",
    ],
)  # fmt: skip
def test_commands_say_so(words: str, tmp_path: Path, run: Run) -> None:
    name = next(word for word in words.split() if word.startswith("FILE"))
    path = hole(tmp_path / f"a{Path(name).suffix}")
    model = {".onnx": SHIPPED.onnx, ".safetensors": SHIPPED.checkpoint}.get(path.suffix)
    if model is not None:  # it begins as one, so that its kind is no reason
        with path.open("r+b") as file:
            file.write(model.read_bytes()[:64])
    code, _, err = run(*words.replace(name, str(path)).split())
    assert code == 1
    assert REFUSED in err
