"""Kept machine code: whose it is, when it is read, and what makes it be compiled anew."""

import hashlib
import os
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("llvmlite")

from conftest import card_for, with_seeded_weights
from exported import THIN
from narrow import NARROW
from shufflenet.errors import FileChanged, SpecError
from shufflenet.export import export_onnx
from shufflenet.machine import host_target
from shufflenet.native import KeptCode, NativeCode, Sizes, _keep
from shufflenet.networks import build
from shufflenet.runtimes import LlvmClassifier

SIZES = Sizes(
    shape=(3, 8, 9),
    arena_bytes=4096,
    dtype="uint8",
    features_at=64,
    features_pitch=128,
    classes=11,
    logits_pitch=16,
    takes_pixels=True,
    images=4,
)
CODE = NativeCode(
    triple="x86_64-linux-gnu",
    functions=b"\x7fELF" + bytes(range(256)),
    constants=np.arange(200, dtype=np.uint8),
    tables=np.arange(-3, 30, dtype=np.int32),
    sizes=SIZES,
)
TARGET = host_target(int8=False)
KEPT = KeptCode("0" * 64, TARGET)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SHUFFLENET_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def kept_file(home: Path) -> Path:
    (path,) = (home / "code").iterdir()
    return path


def assert_is_kept(code: NativeCode | None) -> None:
    assert code is not None
    assert (code.triple, code.functions, code.sizes) == (CODE.triple, CODE.functions, CODE.sizes)
    assert np.array_equal(code.constants, CODE.constants)
    assert np.array_equal(code.tables, CODE.tables)
    assert (code.constants.dtype, code.tables.dtype) == (CODE.constants.dtype, CODE.tables.dtype)


def test_code_is_kept_for_one_file_processor_and_shape() -> None:
    assert KEPT.read(SIZES.shape) is None
    KEPT.write(CODE)
    assert_is_kept(KEPT.read(SIZES.shape))
    assert KEPT.read((3, 9, 8)) is None
    assert replace(KEPT, content="1" * 64).read(SIZES.shape) is None
    for other in (
        replace(TARGET, cpu="other"),
        replace(TARGET, features="+other"),
        replace(TARGET, vector_bytes=16),
        replace(TARGET, triple="other"),
    ):
        assert replace(KEPT, target=other).read(SIZES.shape) is None


@pytest.mark.parametrize("versions", [["9"], ["0.1.0", "0.50"]])
def test_code_of_other_versions_is_not_read(
    versions: list[object], monkeypatch: pytest.MonkeyPatch
) -> None:
    KEPT.write(CODE)
    monkeypatch.setattr(_keep, "_versions", lambda: versions)
    assert KEPT.read(SIZES.shape) is None


def test_what_generates_code_is_among_the_versions() -> None:
    *_, sources = _keep._versions()
    hashes: dict[str, str] = dict(sources)  # type: ignore[call-overload]  # of JSON
    package = Path(_keep.__file__).parents[1]
    assert {"codegen/_module.py", "codegen/kernels/_gemm.py", "int8.py"} <= {*hashes}
    for name, content_hash in hashes.items():
        assert hashlib.sha256((package / name).read_bytes()).hexdigest() == content_hash


def test_a_file_that_was_cut_or_changed_is_passed_over(home: Path) -> None:
    KEPT.write(CODE)
    path = kept_file(home)
    whole = path.read_bytes()
    rng = np.random.default_rng(0)
    for end in (0, 10, 40, 70, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:end])
        assert KEPT.read(SIZES.shape) is None
    for at in rng.integers(0, len(whole), 200):
        changed = bytearray(whole)
        changed[at] ^= 1 << int(rng.integers(8))
        path.write_bytes(changed)
        assert KEPT.read(SIZES.shape) is None
    path.write_bytes(whole + b"\0")
    assert KEPT.read(SIZES.shape) is None
    KEPT.write(CODE)
    assert path.read_bytes() == whole


def test_a_file_of_another_network_under_this_name_is_passed_over(home: Path) -> None:
    replace(KEPT, content="1" * 64).write(CODE)
    other = kept_file(home)
    KEPT.write(CODE)
    mine = next(path for path in (home / "code").iterdir() if path != other)
    other.replace(mine)
    assert KEPT.read(SIZES.shape) is None


def nothing(home: Path) -> None:
    pass


def open_file_to_all(home: Path) -> None:
    kept_file(home).chmod(0o666)


def open_folder_to_all(home: Path) -> None:
    (home / "code").chmod(0o777)


def open_home_to_all(home: Path) -> None:
    home.chmod(0o777)


def open_parent_to_all(home: Path) -> None:
    home.parent.chmod(0o777)


def open_parent_with_names_safe(home: Path) -> None:
    home.parent.chmod(0o1777)


def lead_by_link(home: Path) -> None:
    home.rename(home.parent / "elsewhere")
    (home.parent / "elsewhere").chmod(0o777)
    home.symlink_to(home.parent / "elsewhere")


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such permissions")
@pytest.mark.parametrize(
    ("change", "is_read"),
    [
        (nothing, True),
        (open_parent_with_names_safe, True),
        (open_file_to_all, False),
        (open_folder_to_all, False),
        (open_home_to_all, False),
        (open_parent_to_all, False),
        (lead_by_link, False),
    ],
)
def test_code_that_others_can_write_is_not_read(
    change: Callable[[Path], None], is_read: bool, home: Path
) -> None:
    KEPT.write(CODE)
    change(home)
    assert (KEPT.read(SIZES.shape) is not None) == is_read


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such permissions")
def test_code_that_another_user_owns_is_not_read(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    KEPT.write(CODE)
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    assert KEPT.read(SIZES.shape) is None


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such permissions")
def test_the_folder_is_made_for_this_user_alone(home: Path) -> None:
    KEPT.write(CODE)
    assert (home / "code").stat().st_mode & 0o777 == 0o700


def test_the_code_unused_for_longest_is_removed(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_keep, "_MOST_FILES", 3)
    files = [replace(KEPT, content=str(number) * 64) for number in range(5)]
    for age, each in enumerate(files[:3]):
        each.write(CODE)
        newest = max((home / "code").iterdir(), key=lambda path: path.stat().st_mtime_ns)
        os.utime(newest, (1000 + age, 1000 + age))
    assert files[0].read(SIZES.shape)  # used now
    files[3].write(CODE)
    assert [each.read(SIZES.shape) is not None for each in files] == [
        True,
        False,
        True,
        True,
        False,
    ]
    monkeypatch.setattr(_keep, "_MOST_BYTES", kept_size(home) * 2)
    files[4].write(CODE)
    assert len(list((home / "code").iterdir())) == 2


def kept_size(home: Path) -> int:
    return next((home / "code").iterdir()).stat().st_size


def test_many_writers_and_readers_see_whole_files() -> None:
    def write_and_read(_: int) -> NativeCode | None:
        KEPT.write(CODE)
        return KEPT.read(SIZES.shape)

    with ThreadPoolExecutor(8) as pool:
        for code in pool.map(write_and_read, range(40)):
            assert_is_kept(code)


def test_where_nothing_can_be_written_nothing_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("SHUFFLENET_HOME", str(tmp_path / "file"))
    KEPT.write(CODE)
    assert KEPT.read(SIZES.shape) is None


@pytest.mark.parametrize(
    "change", [{"classes": 17}, {"features_at": 4000}, {"images": 0}, {"shape": (3, 0, 8)}]
)
def test_sizes_that_do_not_fit_each_other_are_refused(change: dict[str, object]) -> None:
    with pytest.raises(SpecError, match="sizes of machine code"):
        replace(SIZES, **change)  # type: ignore[arg-type]


# --- the LLVM runtime ---

ALONE = """
import sys, numpy
from dataclasses import replace
from shufflenet.machine import host_target
from shufflenet.runtimes import LlvmClassifier
target = replace(host_target(int8=False), vector_bytes=16, registers=16)
classifier = LlvmClassifier(sys.argv[1], threads=1, target=target)
pixels = numpy.random.default_rng(0).integers(0, 256, (1, 32, 32, 3), numpy.uint8)
sys.stdout.buffer.write(classifier.logits_from_pixels(pixels).tobytes())
slow = {"onnx", "onnxruntime", "shufflenet.codegen", "shufflenet.graph"}
sys.stderr.write(" ".join(slow & {*sys.modules}))
"""


@pytest.fixture(scope="module")
def thin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    card = card_for(THIN)
    card = replace(card, preprocess=replace(card.preprocess, resize_px=32, crop_px=32))
    path = tmp_path_factory.mktemp("thin") / "thin.onnx"
    export_onnx(with_seeded_weights(build(THIN)).eval(), card, path)
    return path


@pytest.mark.xdist_group("codegen")
def test_kept_code_computes_the_same_without_the_generator(thin: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (1, 32, 32, 3), np.uint8)
    expected = LlvmClassifier(thin, threads=1, target=NARROW).logits_from_pixels(pixels)
    run = subprocess.run([sys.executable, "-c", ALONE, thin], capture_output=True, check=True)
    assert run.stderr.decode() == ""
    assert run.stdout == expected.tobytes()


def test_a_file_that_was_replaced_is_told(thin: Path, tmp_path: Path) -> None:
    path = tmp_path / "thin.onnx"
    path.write_bytes(thin.read_bytes())
    classifier = LlvmClassifier(path, threads=1, target=NARROW)
    classifier._network = None  # as when its code was kept
    path.write_bytes(path.read_bytes() + b"\x72\x00")  # an empty entry of metadata
    with pytest.raises(FileChanged, match="was changed while it was in use"):
        classifier.logits(np.zeros((1, 3, 16, 16), np.float32))
