"""The programs of docs/devices.md: built from the page, they classify a photo as `predict` does."""

import json
import re
import shutil
import subprocess
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("llvmlite")
from conftest import Run
from cross import build_program, run_program
from seeded import photo
from shufflenet import open_model
from shufflenet.compile import WEB, compile_network
from shufflenet.zoo import SHIPPED

pytestmark = pytest.mark.xdist_group("devices")  # a worker compiles for each target once

PAGE = Path(__file__).parent.parent / "docs" / "devices.md"


def program(language: str) -> str:
    """The first block of a language on the page."""
    found = re.search(rf"^```{language}\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    assert found
    return found[1]


@pytest.fixture(scope="module")
def ppm(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A photo in the format that the programs read, beside one in PNG."""
    path = tmp_path_factory.mktemp("photo") / "photo.ppm"
    image = Image.fromarray(photo("devices", 120, 161))
    image.save(path)
    image.save(path.with_suffix(".png"))
    return path


@pytest.fixture
def expected(ppm: Path, run: Run) -> list[tuple[float, str]]:
    code, out, _ = run(
        "predict", str(ppm.with_suffix(".png")), "--json", "--runtime", "onnxruntime"
    )
    assert code == 0
    predictions = json.loads(out)["predictions"]
    return [(each["probability"], each["label"]) for each in predictions]


def check(printed: bytes, expected: list[tuple[float, str]]) -> None:
    lines = [line.split(maxsplit=1) for line in printed.decode().splitlines()]
    assert [label for _, label in lines] == [label for _, label in expected[: len(lines)]]
    for (shown, _), (probability, _) in zip(lines, expected, strict=False):
        assert abs(float(shown) - probability) < 6e-4  # of three decimals


@pytest.fixture(scope="module")
def archive_for(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Return what compiles the network that ships, once for each target, with its header."""

    @cache
    def compiled(target: str) -> Path:
        assert SHIPPED.onnx
        path = tmp_path_factory.mktemp("model") / "model.a"
        compile_network(SHIPPED.onnx, path, target)
        return path

    return compiled


@pytest.mark.parametrize("target", ["x86-64", "aarch64-linux"])
def test_the_program_in_c(
    target: str,
    archive_for: Callable[[str], Path],
    tmp_path: Path,
    ppm: Path,
    expected: list[tuple[float, str]],
) -> None:
    source = tmp_path / "classify.c"
    source.write_text(program("c"))
    assert len(program("c").splitlines()) < 25
    archive = archive_for(target)
    shutil.copy(archive.with_suffix(".h"), tmp_path)
    built = build_program(target, [source, archive], tmp_path / "classify")
    check(run_program(target, built, content=ppm.read_bytes()), expected)


def test_the_program_in_rust(
    archive_for: Callable[[str], Path],
    tmp_path: Path,
    ppm: Path,
    expected: list[tuple[float, str]],
) -> None:
    if not shutil.which("rustc"):
        pytest.skip("rustc is not installed")
    archive = archive_for("x86-64")
    header = archive.with_suffix(".h").read_text()
    found = re.search(r"SHUFFLENET_MEMORY_BYTES (\d+)", header)
    assert found
    # The page has the number of some processor.
    source = re.sub(r"(MEMORY_BYTES: usize =) \d+", rf"\1 {found[1]}", program("rust"))
    (tmp_path / "classify.rs").write_text(source)
    command = ["rustc", "-O", "classify.rs", "-C", f"link-arg={archive}"]
    subprocess.run(command, check=True, cwd=tmp_path)
    check(run_program("x86-64", tmp_path / "classify", content=ppm.read_bytes()), expected)


def test_the_program_in_javascript(tmp_path: Path) -> None:
    pytest.importorskip("ziglang")
    if not shutil.which("node"):
        pytest.skip("node is not installed")
    assert SHIPPED.onnx
    compile_network(SHIPPED.onnx, tmp_path / "page", WEB)
    (tmp_path / "classify.mjs").write_text(program("js"))
    done = subprocess.run(["node", "classify.mjs"], cwd=tmp_path, check=True, capture_output=True)
    *label, probability = done.stdout.decode().split()
    model = open_model(SHIPPED.onnx, runtime="onnxruntime")
    (best,) = model.classify([np.full((64, 64, 3), 255, np.uint8)], k=1)[0]
    assert " ".join(label) == best.label
    assert abs(float(probability) - best.probability) < 1e-4
