"""Homes, caches and disks that are not there, full or another's: told, and nothing half left."""

import os
import pwd
import subprocess
import sys
import time
from pathlib import Path

import pytest

from conftest import Run, write_colours
from shufflenet.data import open_images
from shufflenet.data.packing import Encoding, pack
from shufflenet.errors import NoCacheFolder, WriteError
from shufflenet.files import cache_dir, partial_beside, write_atomic
from shufflenet.files.downloads import download
from shufflenet.runtimes import open_fastest
from shufflenet.spec import RUNTIMES
from shufflenet.zoo import SHIPPED
from sites import weights


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def nobody(number: int) -> None:
    raise KeyError(number)


def test_without_a_home_a_model_opens_and_what_needs_a_cache_is_told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("HOME", "SHUFFLENET_HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(pwd, "getpwuid", nobody)
    monkeypatch.chdir(tmp_path)
    among = [RUNTIMES["onnxruntime"], RUNTIMES["openvino"]]
    assert SHIPPED.onnx
    assert open_fastest(SHIPPED.onnx, among, threads=1).card.network.classes == 200
    with pytest.raises(NoCacheFolder, match="'~/.cache/shufflenet' is in a home folder that is"):
        download(weights(url="https://example.org/m.pth"))
    assert names(tmp_path) == []  # no folder that is called ~


@pytest.mark.parametrize("home", ["~nobody-of-that-name/x", "~"])
def test_a_home_that_is_not_known_is_told(home: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HOME", raising=False)
    monkeypatch.setattr(pwd, "getpwuid", nobody)
    monkeypatch.setenv("SHUFFLENET_HOME", home)
    with pytest.raises(NoCacheFolder, match="Name another one: export SHUFFLENET_HOME=FOLDER"):
        cache_dir()


@pytest.mark.parametrize("kind", ["file", "inside a file", "link to nowhere's file", "/proc"])
def test_a_cache_that_cannot_be_written_stops_no_prediction(
    kind: str, run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to("file")
    homes = {"file": "file", "inside a file": "file/x/y", "/proc": "/proc/nothing"}
    monkeypatch.setenv("SHUFFLENET_HOME", str(tmp_path / homes.get(kind, "link")))
    code, out, err = run("predict", write_colours(tmp_path) / "red" / "0.png")
    assert (code, err) == (0, "")
    assert "%" in out
    with pytest.raises(WriteError, match="Cannot write"):
        download(weights(url="https://example.org/m.pth", sha256="00"))


def test_names_of_partial_files_are_nobody_s_number(tmp_path: Path) -> None:
    """Every container's first process has the number 1, so that it says nothing of who writes."""
    made = {partial_beside(tmp_path / "a") for _ in range(100)}
    assert len(made) == 100
    assert all(path.parent == tmp_path and path.suffix == ".partial" for path in made)


def test_a_pack_that_was_killed_holds_up_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "getpid", lambda: 1)
    images = open_images(write_colours(tmp_path))
    (tmp_path / "out").mkdir()
    to = tmp_path / "out" / "shards"
    old, new = to.with_name(".shards.1.partial"), to.with_name(".shards.2.partial")
    hours_ago = time.time() - 7200
    for left in (old, new):
        left.mkdir()
        (left / "000000.tar").write_bytes(b"half")
        os.utime(left, (hours_ago, hours_ago))
    os.utime(old / "000000.tar", (hours_ago, hours_ago))
    assert pack(images, to, Encoding(16)).images == 24
    assert names(tmp_path / "out") == [".shards.2.partial", "shards"]  # it may still be written


@pytest.mark.parametrize("name", ["n" * 255, "ü" * 127, "a\0b"])
def test_any_name_is_written_or_told(name: str, tmp_path: Path) -> None:
    if "\0" in name:
        with pytest.raises(WriteError, match="embedded null byte"):
            write_atomic(tmp_path / name, b"content")
        return
    write_atomic(tmp_path / name, b"content")
    assert names(tmp_path) == [name]


FULL = """
import resource, signal, sys
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
from shufflenet.cli import main
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.parametrize(
    "words",
    [
        ("pack", "{data}", "--to", "{out}/shards", "--size", "40"),
        ("pack", "{data}", "--to", "{out}/a.tar", "--size", "40"),
        ("embed", "{data}", "--to", "{out}/a.npy"),
    ],
)
def test_a_disk_that_takes_no_more_leaves_one_sentence_and_no_file(
    words: tuple[str, ...], tmp_path: Path
) -> None:
    data, out = write_colours(tmp_path), tmp_path / "out"
    out.mkdir()
    command = [word.format(data=data, out=out) for word in words]
    environment = {**os.environ, "SHUFFLENET_HOME": str(tmp_path / "home")}
    done = subprocess.run(
        [sys.executable, "-c", FULL, *command],
        capture_output=True,
        text=True,
        env=environment,
        check=False,
    )
    assert done.returncode == 1, done.stderr
    assert "Cannot write" in done.stderr
    assert "File too large" in done.stderr
    assert "Traceback" not in done.stderr
    assert names(out) == []
