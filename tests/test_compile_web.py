"""The folder of a page: what is in it, and that it is written whole or not at all."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("llvmlite")
from shufflenet.compile import WEB, compile_network, find_target
from shufflenet.compile.web import write_site
from shufflenet.errors import SpecError, WriteError

WEIGHTS = bytes(range(256)) * 300  # longer than a number of two bytes tells


def leb128(number: int) -> bytes:
    return (
        bytes([number & 0x7F | 0x80]) + leb128(number >> 7) if number >= 0x80 else bytes([number])
    )


def section(kind: int, content: bytes) -> bytes:
    return bytes([kind]) + leb128(len(content)) + content


def module_of(*blocks: tuple[int, bytes], name: bytes) -> bytes:
    """Return a module of a memory and blocks of data, written from the specification."""
    data = b"".join(b"\0\x41" + leb128(at) + b"\x0b" + leb128(len(b)) + b for at, b in blocks)
    custom = section(0, bytes([len(name)]) + name)
    memory, count = section(5, b"\1\0\2"), section(12, leb128(len(blocks)))
    return b"\0asm\1\0\0\0" + memory + count + section(11, leb128(len(blocks)) + data) + custom


CODE = module_of((1024, WEIGHTS), (8, b"only here"), name=b"a")
RELAXED = module_of((16, b"there"), (2048, WEIGHTS), name=b"b")


def about(module: bytes) -> dict[str, object]:
    """Read the section that a module without data ends with."""
    content = module.partition(b"\x0ashufflenet")[2]
    fields: dict[str, object] = json.loads(content)
    return fields


def test_weights_that_modules_share_are_written_once(tmp_path: Path) -> None:
    sizes = write_site(tmp_path / "site", CODE, RELAXED)
    written = {path.name: path.read_bytes() for path in (tmp_path / "site").iterdir()}
    assert sizes == {name: len(content) for name, content in written.items()}
    (weights,) = (name for name in written if name.startswith("weights-"))
    assert f'WEIGHTS = "{weights}";'.encode() in written["shufflenet.js"]
    assert written[weights] == WEIGHTS + b"only here" + b"there"
    n = len(WEIGHTS)
    code, relaxed = written["shufflenet.wasm"], written["shufflenet-relaxed.wasm"]
    assert about(code) == {"weights": weights, "segments": [[1024, 0, n], [8, n, 9]]}
    assert about(relaxed) == {"weights": weights, "segments": [[16, n + 9, 5], [2048, 0, n]]}
    for module, name in ((code, b"a"), (relaxed, b"b")):
        begin = b"\0asm\1\0\0\0" + section(5, b"\1\0\2") + section(0, bytes([1]) + name)
        assert module.startswith(begin)
        assert len(module) < 200


def test_everything_the_page_needs_is_kept_for_when_there_is_no_network(tmp_path: Path) -> None:
    site = tmp_path / "site"
    files = write_site(site, CODE, RELAXED)
    keeper = (site / "service-worker.js").read_text()
    listed = json.loads(re.findall(r"FILES = (\[.*\]);", keeper)[0])
    not_needed = {"README.md", "shufflenet.d.ts", "service-worker.js"}
    assert set(listed) == {"./", *files.keys() - not_needed}
    named = re.findall(
        r"""(?:href|src)="([^"]+)"|(?:new URL|register|from)\(?\s?"([^"]+)\"""",
        "".join((site / name).read_text() for name in ("index.html", "page.js", "worker.js")),
    )
    assert {(a or b).removeprefix("./") for a, b in named} <= files.keys()
    assert "@" not in keeper
    first = re.findall(r'VERSION = "(\w{16})"', keeper)
    write_site(site, CODE, module_of((0, b"!"), name=b"c"))
    assert re.findall(r'VERSION = "(\w{16})"', (site / "service-worker.js").read_text()) != first


def test_a_page_replaces_an_older_one_and_nothing_else(tmp_path: Path) -> None:
    site = tmp_path / "site"
    write_site(site, CODE, RELAXED)
    write_site(site, RELAXED, RELAXED)
    assert len(list(site.glob("weights-*"))) == 1
    before = {path.name: path.read_bytes() for path in site.iterdir()}
    (site / "thesis.txt").write_text("mine")
    with pytest.raises(
        WriteError, match=r"'thesis\.txt' is in it, which is no file of such a page"
    ):
        write_site(site, CODE, CODE)
    (site / "thesis.txt").unlink()
    assert {path.name: path.read_bytes() for path in site.iterdir()} == before
    (tmp_path / "file").write_text("mine")
    with pytest.raises(WriteError, match="it is no folder"):
        write_site(tmp_path / "file", CODE, CODE)


def test_of_a_page_that_cannot_be_written_nothing_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(WriteError, match="No space left on device"):
        write_site(tmp_path / "site", CODE, RELAXED)
    assert list(tmp_path.iterdir()) == []


def test_nothing_of_the_page_comes_from_elsewhere(tmp_path: Path) -> None:
    write_site(tmp_path, CODE, RELAXED)
    page = {path.name: path.read_text() for path in tmp_path.glob("*.[hcjs]*")}
    for name, text in page.items():
        addresses = set(re.findall(r"\w+://[\w./-]+", text))
        assert addresses <= {"http://www.w3.org/2000/svg"}, name
    policy = re.findall(r'Content-Security-Policy"\s+content="([^"]*)"', page["index.html"])[0]
    assert policy.startswith("default-src 'none'; ")
    assert not re.search(
        r"unsafe-(inline|eval)'|https?:|\*", policy.replace("'wasm-unsafe-eval'", "")
    )


@pytest.mark.parametrize("given", [{"cpu": "mvp"}, {"prefix": "other"}, {"weights": "float32"}])
def test_what_the_script_of_a_page_does_not_count_on_is_refused(
    given: dict[str, Any], tmp_path: Path
) -> None:
    with pytest.raises(SpecError, match="left out for a page"):
        compile_network("net.onnx", tmp_path / "page", WEB, **given)
    assert not (tmp_path / "page").exists()
    with pytest.raises(SpecError, match="a page has code for every browser"):
        find_target(WEB)
