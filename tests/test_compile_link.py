"""Objects linked into libraries: what they export, need and keep to themselves."""

import ctypes
import functools
import re
import shutil
import struct
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("llvmlite")
pytest.importorskip("ziglang")
from llvmlite import binding

from shufflenet.compile._link import link
from shufflenet.errors import LinkError, MissingDependency
from shufflenet.spec import TARGETS

CODE = """
@answer = {kind} constant i32 40
define i32 @net_add(i32 %a) nounwind {{
  %b = load i32, ptr @answer
  %c = add i32 %a, %b
  ret i32 %c
}}
define float @net_half(float %a) nounwind {{
  %b = fmul float %a, 0.5
  ret float %b
}}
define i32 @hidden() nounwind {{ ret i32 7 }}
"""
EXPORTS = ("net_add", "net_half")
NAMES = {"wasm32": "net.wasm", "x86-64-windows": "net.dll", "aarch64-macos": "libnet.dylib"}


@functools.cache
def object_of(target_name: str, code: str = CODE.format(kind="internal")) -> bytes:
    target = TARGETS[target_name]
    binding.initialize_all_targets()
    binding.initialize_all_asmprinters()
    machine = binding.Target.from_triple(target.triple).create_target_machine(
        cpu=target.cpu, features=target.features, reloc="pic", abiname=target.abi
    )
    content: bytes = machine.emit_object(binding.parse_assembly(code))
    return content


def read(tool: str, *arguments: str, content: bytes, to: Path) -> str:
    if not shutil.which(tool):
        pytest.skip(f"{tool} is not installed")
    to.write_bytes(content)
    command = [tool, *arguments, str(to)]
    return subprocess.run(command, capture_output=True, check=True, text=True).stdout


@pytest.mark.parametrize(
    "target", ["x86-64", "aarch64-linux", "armv7-linux", "riscv64-linux", *NAMES]
)
def test_linking_is_repeatable_and_leaves_nothing_behind(
    target: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    for variable in ("HOME", "XDG_CACHE_HOME", "LOCALAPPDATA", "TMPDIR"):
        monkeypatch.setenv(variable, str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    content, name = object_of(target), NAMES.get(target, "libnet.so")
    first, second = link(content, name, EXPORTS), link(content, name, EXPORTS)
    assert first == second
    assert bool(first.import_library) == (target == "x86-64-windows")
    assert str(tmp_path).encode() not in first.content
    assert list(tmp_path.iterdir()) == []
    assert capfd.readouterr() == ("", "")


def test_a_library_of_this_machine_runs(tmp_path: Path) -> None:
    if not sys.platform.startswith("linux"):
        pytest.skip("the library is one for Linux")
    path = tmp_path / "libnet.so"
    path.write_bytes(link(object_of("x86-64"), path.name, EXPORTS).content)
    try:
        library = ctypes.CDLL(str(path))
    except OSError:
        pytest.skip("this is no x86-64 processor")
    assert library.net_add(2) == 42
    assert not hasattr(library, "hidden")


@pytest.mark.parametrize("target", ["x86-64", "aarch64-linux", "armv7-linux", "riscv64-linux"])
def test_shared_objects_export_the_interface_and_need_nothing(target: str, tmp_path: Path) -> None:
    content = link(object_of(target), "libnet.so", EXPORTS).content
    text = read("readelf", "-dlW", "--dyn-syms", content=content, to=tmp_path / "a.so")
    assert "Library soname: [libnet.so]" in text
    assert "(NEEDED)" not in text
    assert set(re.findall(r" GLOBAL .* (\w+)$", text, re.M)) == set(EXPORTS)
    assert re.search(r"GNU_STACK .* RW +0", text)
    assert re.search(r"GNU_RELRO", text)


def test_webassembly_exports_functions_memory_and_the_end_of_its_data() -> None:
    content = link(object_of("wasm32"), "net.wasm", EXPORTS).content
    assert content[:8] == b"\0asm\1\0\0\0"
    for name in (*EXPORTS, "memory", "__heap_base"):
        assert bytes([len(name), *name.encode()]) in content
    assert b"hidden" not in content
    assert len(content) < 300


def test_a_dll_exports_the_interface(tmp_path: Path) -> None:
    linked = link(object_of("x86-64-windows"), "net.dll", EXPORTS)
    text = read("objdump", "-p", content=linked.content, to=tmp_path / "net.dll")
    table = text.partition("[Ordinal/Name Pointer] Table")[2]
    assert re.findall(r"\[ +\d+\] .*\b(\w+)\n", table) == list(EXPORTS)
    assert re.search(r"^Name\s+\w+ net\.dll$", text, re.M)
    assert "DLL Name:" not in text  # it imports from no other
    assert linked.import_library.startswith(b"!<arch>\n")
    assert b"net.dll" in linked.import_library


def test_a_dylib_is_signed_and_found_by_its_name() -> None:
    content = link(object_of("aarch64-macos"), "libnet.dylib", EXPORTS).content
    (commands,) = struct.unpack_from("<I", content, 16)
    kinds, at = [], 32
    for _ in range(commands):
        kind, length = struct.unpack_from("<II", content, at)
        kinds.append(kind)
        at += length
    code_signature, id_dylib = 0x1D, 0x0D
    assert {code_signature, id_dylib} <= set(kinds)
    assert b"@rpath/libnet.dylib" in content
    assert all(f"_{name}\0".encode() in content for name in EXPORTS)


def test_a_linker_that_fails_is_told_by_its_first_line() -> None:
    code = "declare i32 @memcpy()\ndefine i32 @net_add() { %a = call i32 @memcpy() ret i32 %a }"
    with pytest.raises(LinkError, match="cannot make 'libnet.so': undefined symbol: memcpy. "):
        link(object_of("x86-64", code), "libnet.so", ["net_add"])
    for target, name in NAMES.items():
        with pytest.raises(LinkError, match=re.escape(repr(name))):
            link(object_of(target)[:200], name, EXPORTS)


def test_without_the_linker_its_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ziglang", None)
    with pytest.raises(MissingDependency, match=r"pip install 'shufflenet\[compile\]'"):
        link(b"", "libnet.so", EXPORTS)
