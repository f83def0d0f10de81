"""Files of kinds that are known but not read, named for what they are, by every command."""

import io
import struct
import tarfile
import warnings
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.numpy import save

from shufflenet import zoo
from shufflenet.cli import main
from shufflenet.outside import folder_kind, kind_of


def field(number: int, content: bytes | int) -> bytes:
    """Return a field of a protobuf message, whose number and length are small."""
    if isinstance(content, int):
        return bytes([number << 3, content])
    tag = number << 3 | 2
    head = bytes([tag]) if tag < 128 else bytes([tag & 127 | 128, tag >> 7])
    return head + bytes([len(content)]) + content


def zipped(*names: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name in names:
            archive.writestr(name, b"{}")
    return buffer.getvalue()


def tarred() -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("a.pth"))
    return buffer.getvalue()


def picture(kind: str) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8)).save(buffer, kind)
    return buffer.getvalue()


def script() -> bytes:
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch is going to remove it
        traced = torch.jit.trace(torch.nn.Linear(2, 2), torch.zeros(1, 2))  # type: ignore[no-untyped-call]
        torch.jit.save(traced, buffer)
    return buffer.getvalue()


WEIGHTS = np.random.default_rng(0).normal(0, 0.1, 4000).astype("<f4").tobytes()
TENSOR = field(1, 1) + field(2, b"Float32") + field(3, b"0000")
KINDS = {
    "a TensorFlow Lite model": b"\x1c\0\0\0TFL3" + bytes(40),
    "an ExecuTorch program": b"\x1c\0\0\0ET12" + bytes(40),
    "the text of an ncnn network": b"7767517\n3 3\nInput data 0 1 data\n",
    "an ncnn network": struct.pack("<I", 7767517) + bytes(40),
    "ncnn's .bin file": struct.pack("<I", 0x01306B47) + WEIGHTS,
    "a file of numbers without names": bytes(4) + WEIGHTS,
    "an HDF5 file": b"\x89HDF\r\n\x1a\n" + bytes(40),
    "a GGUF file": b"GGUF\x03\0\0\0",
    "one array of NumPy's": b"\x93NUMPY\x01\0",
    "an archive of NumPy's arrays": zipped("a.npy", "b.npy"),
    "a model of Keras": zipped("config.json", "metadata.json", "model.weights.h5"),
    "a pointer of Git LFS": b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n",
    "a web page": b"\n<!DOCTYPE html>\n<html><title>Sign in</title></html>",
    "an XML text": b"<?xml version='1.0'?><Error><Code>AccessDenied</Code></Error>",
    "the text of an OpenVINO network": b'<?xml version="1.0"?>\n<net name="a" version="11">',
    "a text": b'{"error": "not found"}',
    "an image": picture("JPEG"),
    "compressed by gzip": b"\x1f\x8b\x08\0" + bytes(40),
    "a tar archive": tarred(),
    "a zip archive of other files": zipped("readme.txt"),
    "a TorchScript program": script(),
    "a program of torch.export": zipped("m/archive_format", "m/models/model.json"),
    "a SavedModel of TensorFlow's": field(1, 1) + field(2, field(1, field(2, b"op"))),
    "a frozen graph of TensorFlow's": field(1, field(1, b"input") + field(2, b"Placeholder")) * 2,
    "a Core ML model": field(1, 6) + field(2, field(1, field(1, b"images") + field(3, b"ab"))),
    "a Caffe model": field(1, b"shufflenet") + field(100, field(1, b"conv1")),
    "a checkpoint of MindSpore's": field(1, field(1, b"conv1.weight") + field(2, TENSOR)) * 2,
    "a program of Paddle's": field(1, b"\x08\x00\x10\xff\xff\xff\xff\x0f"),
    "a program or a library": b"\x7fELF\x02\x01\x01" + bytes(40),
    "a WebAssembly module": b"\0asm\x01\0\0\0" + bytes(40),
    "a static library": b"!<arch>\n/               0           0",
    "empty": b"",
}


@pytest.mark.parametrize("what", KINDS)
@pytest.mark.parametrize("suffix", [".pth", ".onnx", ".safetensors", ".bin"])
def test_a_file_of_another_kind_is_named_for_what_it_is(
    what: str, suffix: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / f"model{suffix}"
    path.write_bytes(KINDS[what])
    commands = [["convert", str(path), "--to", str(tmp_path / "a.safetensors")]]
    if suffix in (".pth", ".bin"):
        commands += [["show", str(path)], ["predict", str(path), "--model", str(path)]]
    for command in commands:
        assert main(command) == 1
        told = capsys.readouterr().err
        assert told.startswith(f"The file {str(path)!r} is {what}"), told
        assert told.count("\n") == 1


@pytest.mark.parametrize("what", ["a pointer of Git LFS", "a web page", "an image", "empty"])
@pytest.mark.parametrize("suffix", [".onnx", ".safetensors"])
def test_what_was_sent_in_place_of_a_model_is_named(
    what: str, suffix: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / f"model{suffix}"
    path.write_bytes(KINDS[what])
    photo = tmp_path / "photos" / "cat" / "photo.jpg"
    photo.parent.mkdir(parents=True)
    photo.write_bytes(picture("JPEG"))
    for command in (
        ["show", str(path)],
        ["predict", str(photo), "--model", str(path)],
        ["evaluate", "--data", str(tmp_path / "photos"), "--model", str(path)],
        ["export", str(path), "--to", str(tmp_path / "b.onnx")],
    ):
        assert main(command) == 1
        assert f"is {what}" in capsys.readouterr().err


def test_files_of_ours_by_another_name_are_to_be_renamed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for suffix, what in ((".onnx", "an ONNX file"), (".safetensors", "a safetensors file")):
        path = tmp_path / "model.pth"
        path.write_bytes((Path(zoo.__file__).parent / f"default{suffix}").read_bytes())
        assert main(["show", str(path)]) == 1
        told = f"is {what} by another name. Rename it so that it ends in {suffix}."
        assert told in capsys.readouterr().err
        path = path.rename(tmp_path / f"model{suffix}")
        assert main(["show", str(path)]) == 0
        capsys.readouterr()
    path.write_bytes(save({"a": np.ones(2, np.float32)}))
    path = path.rename(tmp_path / "b.onnx")
    assert main(["show", str(path)]) == 1
    assert "is a safetensors file by another name" in capsys.readouterr().err


def test_folders_of_other_libraries_are_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "saved").mkdir()
    (tmp_path / "saved" / "saved_model.pb").touch()
    (tmp_path / "a.mlpackage").mkdir()
    (tmp_path / "a.mlpackage" / "Manifest.json").touch()
    assert folder_kind(tmp_path) is None
    convert = ["convert", "--to", str(tmp_path / "a.safetensors")]
    for name, what, command in (
        ("saved", "is a SavedModel", ["show"]),
        ("saved", "is a SavedModel", convert),
        ("a.mlpackage", "is a Core ML package", convert),
        ("a.mlpackage", "is no complete Core ML package", ["show"]),
    ):
        assert main([*command, str(tmp_path / name)]) == 1
        assert what in capsys.readouterr().err


def test_no_bytes_are_more_than_a_kind() -> None:
    """Neither random bytes nor cut ones raise, of 3,000 of a fixed seed."""
    rng = np.random.default_rng(3)
    contents = list(KINDS.values())
    for _ in range(3000):
        content = bytearray(contents[rng.integers(len(contents))][: rng.integers(1, 300)])
        for _ in range(int(rng.integers(3))):
            if content:
                content[rng.integers(len(content))] = rng.integers(256)
        kind_of(io.BytesIO(bytes(content)))
        kind_of(io.BytesIO(rng.bytes(int(rng.integers(60)))))
