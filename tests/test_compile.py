"""Files of machine code: what they compute, what is told of them, and what is refused."""

import ctypes
import json
import platform
import shutil
import struct
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("llvmlite")
pytest.importorskip("torch")

import shufflenet
from cross import build_program, run_program
from quantizing import QUICK, pictures, write_float_file, written
from shufflenet import errors
from shufflenet.cli import main
from shufflenet.cli._compile import _print_result  # private: compiling again takes seconds
from shufflenet.codegen import WeightType
from shufflenet.compile import CompiledFile, _gate, _make, compile_network
from shufflenet.compile._archive import archive
from shufflenet.compile._header import Sizes, header
from shufflenet.quantize import quantize_onnx
from shufflenet.runtimes import INT8_AGREEMENT, check_image
from shufflenet.spec import TARGETS, Card

# A baseline of this machine's, for which less code is written than for the machine itself.
HERE = "x86-64" if platform.machine() == "x86_64" and sys.platform == "linux" else "host"
PROGRAM = r"""
#include <stdio.h>
#include <stdlib.h>
#include "net.h"

static _Alignas(NET_MEMORY_ALIGNMENT) unsigned char memory[NET_MEMORY_BYTES];

int main(int count, char **arguments) {
    int width, height;
    int32_t best[2];
    float probabilities[NET_CLASSES];
    FILE *file = count > 1 ? fopen(arguments[1], "rb") : stdin;
    if (!file || fscanf(file, "P6 %d %d 255", &width, &height) != 2) return 1;
    fgetc(file);
    uint8_t *pixels = malloc(3 * (size_t)width * height);
    if (!pixels || fread(pixels, 3 * width, height, file) != (size_t)height) return 1;
    int32_t code = net_prepare(memory, sizeof memory);
    if (!code) code = net_classify(memory, pixels, width, height, 3 * width, 3, probabilities);
    if (!code) code = net_top(probabilities, 2, best);
    if (code) return puts(net_message(code)), code;
    for (int n = 0; n < 2; n++) printf("%.4f %s\n", probabilities[best[n]], net_label(best[n]));
    return 0;
}
"""


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small float file of three classes, which are colors."""
    return write_float_file(tmp_path_factory.mktemp("net"))


@pytest.fixture(scope="module")
def compiled(network: Path) -> CompiledFile:
    return compile_network(network, network.parent / "here" / "net.a", HERE, prefix="net")


def photo(width: int, height: int) -> np.ndarray:
    coarse = np.random.default_rng(width).integers(0, 256, (height // 9 + 1, width // 9 + 1, 3))
    whole: np.ndarray = coarse.astype(np.uint8).repeat(9, 0).repeat(9, 1)
    return whole[:height, :width]


def ppm(pixels: np.ndarray) -> bytes:
    return f"P6 {pixels.shape[1]} {pixels.shape[0]} 255\n".encode() + pixels.tobytes()


def test_what_is_told_of_a_file(compiled: CompiledFile) -> None:
    assert compiled.max_abs_difference is not None
    assert 0 < compiled.max_abs_difference < 2e-5 * max(1, compiled.max_abs_logit)
    assert Path(compiled.header).name == "net.h"
    assert compiled.image_px == (32, 32)
    content = Path(compiled.path).read_bytes()
    assert len(content) == compiled.file_bytes
    assert 10_000 < compiled.code_bytes < 200_000
    assert compiled.code_bytes + compiled.weights_bytes < compiled.file_bytes
    header = Path(compiled.header).read_text("utf-8")
    assert f"#define NET_MEMORY_BYTES {compiled.memory_bytes} " in header


@pytest.mark.parametrize("target", ["x86-64", "aarch64-linux"])
def test_a_program_in_c_classifies_a_photo(
    compiled: CompiledFile, network: Path, target: str, tmp_path: Path
) -> None:
    if target == compiled.target:
        for suffix in (".a", ".h"):
            shutil.copy(Path(compiled.path).with_suffix(suffix), tmp_path)
    else:
        made = compile_network(network, tmp_path / "net.a", target, prefix="net")
        assert made.max_abs_difference is None or target == "x86-64"
    (tmp_path / "main.c").write_text(PROGRAM)
    sources = [tmp_path / "main.c", tmp_path / "net.a"]
    program = build_program(target, sources, tmp_path / "program")
    model = shufflenet.open_model(network, runtime="onnxruntime", threads=1)
    for size in ((50, 31), (32, 32), (333, 90)):
        pixels = photo(*size)
        (tmp_path / "photo.ppm").write_bytes(ppm(pixels))
        printed = run_program(target, program, str(tmp_path / "photo.ppm")).decode()
        expected = model.classify(pixels, k=2)[0]
        for line, prediction in zip(printed.splitlines(), expected, strict=True):
            probability, label = line.split()
            assert label == prediction.label
            assert abs(float(probability) - prediction.probability) < 2e-4


def test_the_header_is_plain_c_and_c_plus_plus(compiled: CompiledFile, tmp_path: Path) -> None:
    strict = ["-Wall", "-Wextra", "-Werror", "-pedantic", "-fsyntax-only"]
    for name, compiler, standard in (
        ("use.c", "gcc", "c99"),
        ("use.c", "gcc", "c17"),
        ("use.cpp", "g++", "c++11"),
        ("use.cpp", "g++", "c++20"),
    ):
        if not shutil.which(compiler):
            pytest.skip(f"{compiler} is not installed")
        text = '#include "net.h"\nint main(void) { return net_message(0) == 0; }\n'
        (tmp_path / name).write_text(text)
        command = [compiler, f"-std={standard}", *strict, "-I", str(Path(compiled.header).parent)]
        subprocess.run([*command, str(tmp_path / name)], check=True)


@pytest.mark.parametrize("magic", [b"\xcf\xfa\xed\xfe", b"\x7fELF"])
def test_an_archive_tells_linkers_its_functions(magic: bytes) -> None:
    made = magic + bytes(range(77))
    names = ("net_top", "net_card", "net_label")
    content = archive(made, names)
    members = dict(members_of(content))
    assert members["net.o"].startswith(made)
    if magic == b"\x7fELF":
        table = members[""]
        (count,) = struct.unpack_from(">I", table)
        places = set(struct.unpack_from(f">{count}I", table, 4))
        told = table[4 + 4 * count :].decode().split("\0")[:-1]
        assert told == list(names)
    else:
        table = members["__.SYMDEF SORTED"]
        (length,) = struct.unpack_from("<I", table)
        pairs = struct.unpack_from(f"<{length // 4}I", table, 4)
        texts = table[8 + length :]
        told = [texts[at : texts.index(b"\0", at)].decode() for at in pairs[::2]]
        places = set(pairs[1::2])
        assert told == sorted(f"_{name}" for name in names)
        assert content.index(made) % 8 == 0
    (place,) = places
    assert content[place : place + 60].endswith(b"`\n")
    assert content.index(made) - place in range(60, 81)


def members_of(content: bytes) -> list[tuple[str, bytes]]:
    assert content.startswith(b"!<arch>\n")
    at, members = 8, []
    while at < len(content):
        name, size = content[at : at + 16].decode().strip(), int(content[at + 48 : at + 58])
        body = content[at + 60 : at + 60 + size]
        if name.startswith("#1/"):
            length = int(name[3:])
            name, body = body[:length].rstrip(b"\0").decode(), body[length:]
        members.append((name.removesuffix("/"), body))
        at += 60 + size + size % 2
    return members


def test_a_shared_library_is_loaded_by_python(
    network: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is of images that are not square."""
    pytest.importorskip("ziglang")
    to = str(tmp_path / "net.so")
    assert main(["compile", str(network), "--to", to, "--image-px", "24,20", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["path"] == to
    assert told["image_px"] == [24, 20]
    assert told["max_abs_difference"] < 2e-5 * max(1, told["max_abs_logit"])
    header = (tmp_path / "net.h").read_text("utf-8")
    assert "#define SHUFFLENET_HEIGHT 24 " in header
    assert "#define SHUFFLENET_WIDTH 20 " in header
    library = ctypes.CDLL(to)
    library.shufflenet_card.restype = library.shufflenet_proof.restype = ctypes.c_char_p
    card = Card.from_json(library.shufflenet_card().decode())
    assert card.preprocess.crop_px == (24, 20)
    proof = json.loads(library.shufflenet_proof())
    assert proof["memory_bytes"] == told["memory_bytes"]
    assert proof["image"] == "squares of 8"
    model = shufflenet.open_model(network, runtime="onnxruntime")
    image = check_image(card.preprocess)
    expected = model.logits_from_pixels(image)[0]
    assert image.shape == (1, 24, 20, 3)
    assert np.allclose(proof["logits"], expected, rtol=1e-5)


def test_a_file_that_computes_something_else_is_refused(
    compiled: CompiledFile, network: Path
) -> None:
    card = shufflenet.open_model(network, runtime="onnxruntime").card
    expected = _gate.reference(network, card)
    made = dict(members_of(Path(compiled.path).read_bytes()))["net.o"]
    difference = _gate.check_here(made, "net.o", "net", expected)
    assert difference == compiled.max_abs_difference
    wrong = replace(expected, logits=expected.logits + 1)
    with pytest.raises(errors.ParityError, match="compiled file differs"):
        _gate.check_here(made, "net.o", "net", wrong)
    with pytest.raises(errors.ParityError, match="by inf"):  # it does not run
        _gate.check_here(made, "net.o", "other", expected)


def test_an_int8_file_is_compiled(network: Path, tmp_path: Path) -> None:
    images = written(tmp_path / "photos", pictures(60), ("blue", "green", "red"))
    quantize_onnx(network, images, tmp_path / "int8.onnx", QUICK)
    made = compile_network(tmp_path / "int8.onnx", tmp_path / "net.o", HERE)
    assert made.multiplies_bytes
    assert made.max_abs_difference is not None
    assert made.max_abs_difference < INT8_AGREEMENT * max(1, made.max_abs_logit)


def test_a_network_without_photos_says_so_in_its_header(network: Path) -> None:
    card = shufflenet.open_model(network, runtime="onnxruntime").card
    name, ends = "a */ b\nc", card.origin
    card = replace(card, name=name, origin=replace(ends, data="*/ int x;"))
    sizes = Sizes(shape=(1, 8, 8), memory_bytes=64, alignment=64, most_source_px=0)
    text = header(card, sizes, ["prepare", "logits_of_image", "message"], "net", "host")
    assert "takes no photos" in text
    assert "MOST_SOURCE_PX 0" not in text
    assert "net_classify" not in text
    assert text.count("/*") == text.count("*/")


def test_what_cannot_be_compiled_is_refused_in_a_sentence(
    network: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    to = tmp_path / "net.o"
    for options, kind in (
        ({"target": "aarch64-linx"}, errors.UnknownTarget),
        ({"target": "vax-dec-ultrix"}, errors.UnknownTarget),
        ({"target": "aarch64_be-linux-gnu"}, errors.UnknownTarget),
        ({"target": "aarch64-linux", "cpu": "cortex-a761"}, errors.UnknownProcessor),
        ({"target": "aarch64-linux", "features": "dotprod"}, errors.UnknownProcessor),
        ({"prefix": "1st"}, errors.SpecError),
        ({"prefix": "a-b"}, errors.SpecError),
        ({"image_px": (0, 32)}, errors.SpecError),
        ({"image_px": (32, 5000)}, errors.SpecError),
        ({"most_source_px": 0}, errors.SpecError),
    ):
        with pytest.raises(kind):
            compile_network(network, to, **options)
    with pytest.raises(errors.OtherBinary, match="must end in .o, .a or .wasm"):
        compile_network(network, tmp_path / "net.so", "wasm32")
    with pytest.raises(errors.FileMissing):
        compile_network(tmp_path / "no.onnx", to)
    assert not list(tmp_path.iterdir())
    assert main(["compile", str(network), "--to", str(tmp_path / "net.exe")]) == 2
    assert "must end in .o or .a or" in capsys.readouterr().err
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "mine.txt").touch()
    for arguments, problem in (
        (("net.so", "wasm32"), "must end in .o, .a or .wasm"),
        (("net.so", "cortex-m7"), "must end in .o or .a to be"),
        (("net.o", "aarch64-linx"), "Did you mean 'aarch64-linux'?"),
        (("site", "web"), "'mine.txt' is in it"),
        (("site/mine.txt/net.o", "wasm32"), "is no folder"),
        (("site/mine.txt", "web"), "it is no folder, which a page needs"),
    ):
        place, target = str(tmp_path / arguments[0]), arguments[1]
        # Neither the model's name nor anything else is looked at before.
        assert main(["compile", "no.such.model", "--to", place, "--target", target]) == 1
        assert problem in (said := capsys.readouterr().err)
        assert "Compiling takes" not in said
    assert main(["compile", str(network)]) == 2


def test_weights_are_float16_in_what_is_downloaded(
    network: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def stop(*_: object, weights: str) -> None:
        asked.append(weights)
        raise InterruptedError

    monkeypatch.setattr(_make, "object_file", stop)
    orders: list[tuple[str, WeightType | None]] = [("wasm32", None), ("aarch64-linux", None)]
    for target, weights in (*orders, ("wasm32", "float32")):
        with pytest.raises(InterruptedError):
            compile_network(network, tmp_path / "net.o", target, weights=weights)
    assert asked == ["float16", "float32", "float32"]


def test_the_command_prints_what_was_made(
    network: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    to = str(tmp_path / "net.a")
    arguments = ["compile", str(network), "--to", to, "--target", "thumbv7em-none-eabihf"]
    assert main([*arguments, "--cpu", "cortex-m7", "--image-px", "24"]) == 0
    assert capsys.readouterr().out.endswith("so what it computes is not checked.\n")
    assert main(["compile", "--list-targets", "--json"]) == 0
    assert [row["target"] for row in json.loads(capsys.readouterr().out)] == list(TARGETS)
    assert main(["compile", "--target", "aarch64-linux", "--cpu", "help", "--json"]) == 0
    assert "cortex-a76" in json.loads(capsys.readouterr().out)


@pytest.mark.parametrize(
    ("file", "target", "said"),
    [
        (
            "net.wasm",
            "wasm32",
            "Without Wasmtime what it computes is not checked: pip install 'shufflenet[wasm]'.\n"
            "Check it where it runs: shufflenet verify net.wasm\n",
        ),
        (
            "net.so",
            "aarch64-linux",
            "It cannot run on this machine, so what it computes is not checked.\n"
            "Check it where it runs: shufflenet verify net.so\n",
        ),
    ],
)
def test_the_command_says_why_a_file_is_not_checked(
    file: str, target: str, said: str, compiled: CompiledFile, capsys: pytest.CaptureFixture[str]
) -> None:
    _print_result(replace(compiled, path=file, target=target, max_abs_difference=None))
    assert capsys.readouterr().out.endswith(said)


def test_two_threads_with_memory_of_their_own(compiled: CompiledFile, tmp_path: Path) -> None:
    """The program computes two photos at once, many times, and compares with each alone."""
    (tmp_path / "main.c").write_text(
        r"""
#include <pthread.h>
#include <string.h>
#include "net.h"
struct work { uint8_t pixels[40 * 40 * 3]; float alone[NET_CLASSES]; int same; };
static struct work works[2];
static _Alignas(NET_MEMORY_ALIGNMENT) unsigned char memory[2][NET_MEMORY_BYTES];
static void *run(void *argument) {
    struct work *work = argument;
    void *own = memory[work - works];
    float now[NET_CLASSES];
    for (int n = 0; n < 50; n++) {
        if (net_classify(own, work->pixels, 40, 40, 120, 3, n ? now : work->alone)) return 0;
        if (n && memcmp(now, work->alone, sizeof now)) return 0;
    }
    work->same = 1;
    return 0;
}
int main(void) {
    pthread_t threads[2];
    float alone[NET_CLASSES];
    for (int n = 0; n < 2; n++) {
        for (int at = 0; at < 40 * 40 * 3; at++) works[n].pixels[at] = (at / 9 * (91 + n)) & 255;
        if (net_prepare(memory[n], sizeof memory[n])) return 2;
    }
    for (int n = 0; n < 2; n++) pthread_create(&threads[n], 0, run, &works[n]);
    for (int n = 0; n < 2; n++) pthread_join(threads[n], 0);
    for (int n = 0; n < 2; n++) {
        if (net_classify(memory[0], works[n].pixels, 40, 40, 120, 3, alone)) return 3;
        if (!works[n].same || memcmp(alone, works[n].alone, sizeof alone)) return 4;
    }
    return 0;
}
"""
    )
    folder = Path(compiled.header).parent
    shutil.copy(folder / "net.h", tmp_path)
    sources = [tmp_path / "main.c", folder / "net.a"]
    run_program("x86-64", build_program("x86-64", sources, tmp_path / "program"))
