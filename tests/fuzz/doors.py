"""The doors: what is done with a damaged file, and what counts as a wrong answer."""

import contextlib
import io
import re
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np

import shufflenet
from fuzz.boxes import damage_boxes, open_damaged_boxes
from fuzz.found import damage_detector, find_in_picture
from fuzz.mutate import (
    Mutator,
    Rng,
    damaged,
    damaged_lines,
    damaged_onnx,
    damaged_safetensors,
    damaged_tar,
    damaged_zip,
    pick,
    resealed,
)
from fuzz.server import download_from
from fuzz.service import ask_service, damage_request
from seeded import photo
from shufflenet import cli
from shufflenet.convert import convert_checkpoint
from shufflenet.data import open_images
from shufflenet.data.parts import Limits, cut, open_source, read_part
from shufflenet.errors import ImageError, ShuffleNetError
from shufflenet.export import _coreml, _pt2  # whose hashes strangers may copy
from shufflenet.files import PACKAGE_PROGRAM, SEAL_KEY, UNSEALED, seal
from shufflenet.files.mlpackage import read_package
from shufflenet.hub import resolve
from shufflenet.models import load_model
from shufflenet.preprocess import decode, decode_as
from shufflenet.runtimes import Model
from shufflenet.spec import Preprocess

__all__ = ["DOORS", "Door", "WrongAnswer", "run_case"]

PICTURE = photo("fuzz", 40, 52)
# How far two runtimes may differ, in parts of the largest logit, when weights or scales are
# damaged: roundings grow with them. A wrong address or a dropped layer moves logits by all of it.
RELATIVE = {"float": 0.01, "int8": 0.25}


class WrongAnswer(Exception):
    """A door answered, but not rightly."""


@dataclass(frozen=True)
class Door:
    """What takes a file.

    Attributes:
        name: The door's name.
        seeds: The folder of whole files.
        damage: What is done to such a file.
        use: Uses the damaged file as a user would; may return what came of it in a word.
        slow: Whether a case takes far longer than the others.
    """

    name: str
    seeds: str
    damage: Callable[[Rng, Path], bytes]
    use: Callable[[Path, Rng], str | None]
    slow: bool = False


def run_case(door: Door, number: int, seeds: Path, folder: Path) -> str:
    """Run a case and return what came: ``answered``, or the name of an error of this package.

    Raises:
        WrongAnswer: the answer is wrong, or an error is no sentence.
        Exception: whatever else escaped; each is a finding.
    """
    rng = np.random.default_rng([number, *door.name.encode()])
    files = sorted(path for path in (seeds / door.seeds).iterdir() if path.is_file())
    source = pick(rng, files)
    path = folder / f"case{source.suffix}"
    path.write_bytes(door.damage(rng, source))
    try:
        return door.use(path, rng) or "answered"
    except ShuffleNetError as error:
        check_sentence(str(error))
        return type(error).__name__


def check_sentence(text: str) -> None:
    """Check that an error is short, of one line, and ends as a sentence does.

    Raises:
        WrongAnswer: it is none.
    """
    if len(text) > 1500 or not text.rstrip().endswith((".", "?", "!", ")")):
        raise WrongAnswer(f"no sentence: {text[:300]!r}")
    if "\n" in text or "\r" in text:
        raise WrongAnswer(f"more than one line: {text[:300]!r}")


def by(mutator: Mutator) -> Callable[[Rng, Path], bytes]:
    return lambda rng, source: mutator(rng, source.read_bytes())


def _damage_foreign(rng: Rng, source: Path) -> bytes:
    return (damaged_zip if source.suffix == ".pth" else damaged)(rng, source.read_bytes())


def _damage_litert(rng: Rng, source: Path) -> bytes:
    """Damage a file, and seal it as a stranger would who knows how, or not."""
    content, digest = source.read_bytes(), read_metadata(source)[SEAL_KEY]
    changed = damaged(rng, content)
    return sealed_again(changed, digest) if rng.random() < 0.7 else changed


def _damage_program(rng: Rng, source: Path) -> bytes:
    """Damage a program, and mostly seal it as a stranger would who knows how.

    Not those of ExecuTorch, which can end the process, as docs/reliability.md says: of them only
    what a damaged disk or a careless hand does.
    """
    if source.suffix == ".pte":
        (sealed,) = seal({source.name: source.read_bytes()}).values()
        return damaged(rng, sealed)
    mutator = damaged_zip if source.suffix == ".pt2" else damaged
    content = mutator(rng, _SEALED.sub(_UNSEALED, source.read_bytes()))
    if rng.random() < 0.1:
        return content
    sealing = _pt2.seal if source.suffix == ".pt2" else seal
    with contextlib.suppress(ShuffleNetError, ValueError):  # the place of the hash is damaged too
        (content,) = sealing({source.name: content}).values()
    return content


_SEALED = re.compile(b'"%s": "[0-9a-f]{64}"' % re.escape(SEAL_KEY).encode())
_UNSEALED = b'"%s": "%s"' % (SEAL_KEY.encode(), UNSEALED.encode())


def _classify_by(runtime: str) -> Callable[[Path, Rng], None]:
    """Classify a picture by a runtime."""

    def use(path: Path, rng: Rng) -> None:
        [answers] = shufflenet.open_model(path, runtime=runtime, threads=1).classify(PICTURE, k=3)
        _check_probabilities([each.probability for each in answers])

    return use


def _damage_archive(rng: Rng, source: Path) -> bytes:
    return damaged_tar(rng, source.read_bytes())


def _predict_by(runtime: str, kind: str) -> Callable[[Path, Rng], None]:
    """Classify a picture by one runtime and compare with ONNX Runtime where both answer."""

    def use(path: Path, rng: Rng) -> None:
        model = shufflenet.open_model(path, runtime=runtime, threads=1)
        [answers] = model.classify(PICTURE, k=3)
        _check_probabilities([each.probability for each in answers])
        side = int(rng.integers(1, 65))
        batch = rng.normal(0, 1, (2, model.card.network.in_channels, 32, side)).astype(np.float32)
        logits = model.logits(batch)
        if runtime == "onnxruntime":
            return
        try:
            reference = shufflenet.open_model(path, runtime="onnxruntime", threads=1)
            expected = reference.logits(batch)
        except ShuffleNetError:
            return
        _check_equal(logits, expected, RELATIVE[kind])

    return use


def _embed(path: Path, rng: Rng) -> None:
    """Embed a few images, and compare with the maps that they are means of."""
    embedder = shufflenet.open_embedder(path, threads=1)
    side = int(rng.integers(1, 65))
    batch = rng.normal(0, 1, (2, embedder.card.network.in_channels, 32, side)).astype(np.float32)
    vectors = embedder.embed(batch)
    if not np.isfinite(vectors).all() or vectors.shape[0] != 2:
        raise WrongAnswer(f"embeddings of {vectors.shape}")
    _check_equal(embedder.maps(batch).mean(axis=(2, 3)), vectors, RELATIVE["float"])


def _open_package(path: Path, rng: Rng) -> None:
    """Put a program into its package, with a true hash or the former one, and classify."""
    package, seeds = path.with_suffix(".mlpackage"), path.parent.parent / "seeds"
    shutil.copytree(seeds / "packages" / "thin.mlpackage", package, dirs_exist_ok=True)
    names = [each for each in package.rglob("*") if each.is_file()]
    contents = {str(each.relative_to(package)): each.read_bytes() for each in names}
    contents[PACKAGE_PROGRAM] = path.read_bytes()
    with contextlib.suppress(ShuffleNetError, ValueError):  # the place of the hash is damaged too
        stated = read_package(package).metadata()[SEAL_KEY].encode()
        contents[PACKAGE_PROGRAM] = contents[PACKAGE_PROGRAM].replace(stated, UNSEALED.encode())
        contents = _coreml.seal(contents) if rng.random() < 0.9 else contents
    for name, content in contents.items():
        (package / name).write_bytes(content)
    [answers] = shufflenet.open_model(package, runtime="coreml-program", threads=1).classify(
        PICTURE, k=3
    )
    _check_probabilities([each.probability for each in answers])


def _check_probabilities(found: Sequence[float]) -> None:
    """Check that probabilities are finite, from 0 to 1, and sorted.

    Raises:
        WrongAnswer: they are not.
    """
    if not all(0 <= each <= 1 for each in found) or list(found) != sorted(found, reverse=True):
        raise WrongAnswer(f"probabilities {found}")


def _check_equal(logits: np.ndarray, expected: np.ndarray, relative: float) -> None:
    if logits.shape != expected.shape or logits.dtype != np.float32:
        raise WrongAnswer(f"logits of {logits.shape}, {logits.dtype}, not {expected.shape}")
    if not np.isfinite(logits).all():
        raise WrongAnswer("logits that are not finite")
    scale = max(1.0, float(np.abs(expected).max()))
    difference = float(np.abs(logits - expected).max()) / scale
    if difference > relative:
        raise WrongAnswer(f"logits differ from ONNX Runtime's by {difference} of their size")


def _use_checkpoint(path: Path, rng: Rng) -> None:
    load_model(path)
    [answers] = shufflenet.open_model(path, runtime="torch", threads=1).classify(PICTURE, k=3)
    _check_probabilities([each.probability for each in answers])


def _convert(path: Path, rng: Rng) -> None:
    converted = convert_checkpoint(path)
    for name, array in converted.checkpoint.tensors.items():
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            raise WrongAnswer(f"{name} is not finite")


def _open_data(path: Path, rng: Rng) -> None:
    images = open_images(path)
    for sample in images.samples[:8]:
        if not 0 <= sample.label < len(images.classes):
            raise WrongAnswer(f"{sample.name} has the class {sample.label}")
        with contextlib.suppress(ImageError):
            decode(sample.read(), sample.name)


def _read_parts(path: Path, rng: Rng) -> None:
    """List a source as scoring does, twice with the same result, and read some of its parts."""
    source = open_source(str(path), spool=bool(rng.random() < 0.5))
    parts = list(cut(source.units(), Limits(images=3)))
    again = list(cut(source.units(), Limits(images=3)))
    if [part.fingerprint for part in parts] != [part.fingerprint for part in again]:
        raise WrongAnswer("the parts of the same source differ")
    for part in parts[:4]:
        read = list(read_part(source.store, part, source.address))
        if part.images and len(read) != part.images:
            raise WrongAnswer(f"{len(read)} images of {part.images}")


_BANDS = Preprocess(
    resize_px=8, crop_px=8, channels="stored", bits=16, mean=(0.5,) * 7, std=(0.5,) * 7
)


def _decode_bands(path: Path, rng: Rng) -> None:
    bands = np.asarray(decode_as(path, _BANDS))
    if bands.ndim != 3 or bands.shape[2] != 7 or bands.dtype != np.uint16:
        raise WrongAnswer(f"bands of {bands.shape}, {bands.dtype}")


def _decode(path: Path, rng: Rng) -> None:
    for source in (path, path.read_bytes()):
        picture = decode(source, shrink=pick(rng, (1, 2, 8)))
        if picture.mode != "RGB" or not 0 < picture.width * picture.height <= 89_478_485:
            raise WrongAnswer(f"a picture of {picture.size}, {picture.mode}")
    shufflenet.open_model(runtime="onnxruntime", threads=1).classify(path)


def _odd_array(rng: Rng) -> np.ndarray:
    """Make an array that might be images, of a random type, shape, order and strides."""
    kinds = (
        "float32",
        "uint8",
        "float64",
        ">f4",
        "float16",
        "int64",
        "bool",
        "complex64",
        "O",
        "U3",
    )
    lengths = (0, 1, 2, 3, 4, 31, 32, 33, 80)
    rank = int(rng.integers(0, 6))
    likely = [
        (2, 3, 32, 32),
        (1, 3, 1, 1),
        (0, 3, 32, 32),
        (40, 52, 3),
        (2, 40, 52, 3),
        (0, 9, 9, 3),
    ]
    shape = pick(rng, likely)
    if rng.random() < 0.3:
        shape = tuple(pick(rng, lengths) for _ in range(rank))
        shape = shape if np.prod(shape, dtype=float) < 1e7 else shape[:2]
    values = rng.normal(100, 80, shape)
    kind = pick(rng, kinds[:2]) if rng.random() < 0.7 else pick(rng, kinds)
    with np.errstate(all="ignore"):
        array = np.asarray(values).astype(kind)
    if array.ndim and rng.random() < 0.3:
        array = array[::-1] if rng.random() < 0.5 else array[..., ::-1]
    if array.ndim > 1 and rng.random() < 0.2:
        array = array.swapaxes(-1, -2)
    if array.dtype.kind == "f" and array.size and rng.random() < 0.2:
        array = array.copy()
        array.flat[0] = pick(rng, (np.nan, np.inf, 1e38))
    if rng.random() < 0.2:
        array.setflags(write=False)
    return array


def _use_arrays(path: Path, rng: Rng) -> str:
    """Every runtime does the same with an odd array: answers alike, or refuses alike."""
    array = _odd_array(rng)
    door = pick(rng, ("logits", "logits_from_pixels", "classify"))
    answers = {}
    for runtime, model in _models().items():
        try:
            if door == "classify":
                found = model.classify(array, k=3)
                answers[runtime] = "answered" if found or not array.size else "nothing"
            else:
                logits = getattr(model, door)(array)
                if not np.isfinite(logits).all() or logits.shape != (len(array), 200):
                    raise WrongAnswer(f"{runtime}: logits {logits.shape} not finite")
                answers[runtime] = "answered"
        except ShuffleNetError as error:
            check_sentence(str(error))
            answers[runtime] = type(error).__name__
    if len(set(answers.values())) > 1:
        raise WrongAnswer(f"{door} of {array.dtype} {array.shape}: {answers}")
    return answers["torch"]


_MODELS: dict[str, Model] = {}


def _models() -> dict[str, Model]:
    if not _MODELS:
        for runtime in ("onnxruntime", "openvino", "llvm"):
            _MODELS[runtime] = shufflenet.open_model(runtime=runtime, threads=1)
        source = resolve("default", (".safetensors",))
        _MODELS["torch"] = shufflenet.open_model(source, runtime="torch", threads=1)
    return _MODELS


def _damage_text(rng: Rng, source: Path) -> bytes:
    return pick(rng, (damaged_lines, damaged_lines, damaged))(rng, source.read_bytes())


def _use_ncnn(path: Path, rng: Rng) -> None:
    """Compute a damaged text with its other parts, sealed as a stranger might have."""
    files = {path.name: path.read_bytes()}
    for part in (path.parent.parent / "seeds" / "ncnn" / "parts").iterdir():
        content = part.read_bytes()
        damage = part.suffix == ".bin" and rng.random() < 0.2
        files[part.name] = damaged(rng, content) if damage else content
    for name, content in seal(files).items():
        (path.parent / name).write_bytes(content)
    model = shufflenet.open_model(path, runtime="ncnn", threads=1)
    logits = model.logits(rng.normal(0, 1, (2, 3, 32, 21)).astype(np.float32))
    if not np.isfinite(logits).all():
        raise WrongAnswer("logits that are not finite")


def _use_openvino(path: Path, rng: Rng) -> None:
    """Compute a damaged text with its weights, sealed as a stranger might have."""
    weights = (path.parent.parent / "seeds" / "openvino" / "parts" / "case.bin").read_bytes()
    weights = damaged(rng, weights) if rng.random() < 0.2 else weights
    files = {path.name: path.read_bytes(), "case.bin": weights}
    with contextlib.suppress(ValueError):  # the place of the hash is damaged too
        files = seal(files)
    for name, content in files.items():
        (path.parent / name).write_bytes(content)
    model = shufflenet.open_model(path, runtime="openvino", threads=1)
    [answers] = model.classify(PICTURE, k=3)
    _check_probabilities([each.probability for each in answers])


# Commands by what they take as {file}.
COMMANDS = {
    "model": (
        "predict {picture} --model {file}", "show {file}", "show {file} --json",
        "show {file} --layers", "evaluate --data {data} --model {file}",
        "export {file} --to {out}.onnx", "quantize {file} --data {data} --to {out}.onnx",
        "train --data {data} --out {out} --weights {file} --epochs 1 --image-px 32 --workers 0",
        "report --data {data} --model {file} --to {out}", "card {file} --to {out}.md",
        "explain {picture} --model {file} --to {out}",
        "similar {picture} --among {data} --model {file}",
        "sort {picture} --model {file} --to {out}",
    ),
    "photo": (
        "predict {file}", "predict {file} {picture} --json",
        "explain {file} --model {model} --to {out}", "sort {file} --model {model} --to {out}",
        "similar {file} --among {data} --model {model}",
        "embed {file} {picture} --to {out}.npy --model {model}",
    ),
    "set": (
        "evaluate --data {file}", "pack {file} --to {out} --size 16",
        "train --data {file} --out {out} --model shufflenet_v2_x0_25 --epochs 1 --image-px 32 "
        "--workers 0",
        "report --data {file} --model {model} --to {out}",
        "similar {picture} --among {file} --model {model}",
    ),
    "foreign": ("convert {file} --to {out}.safetensors",),
    "labels": ("convert {foreign} --labels {file} --to {out}.safetensors",),
}  # fmt: skip
KINDS = {
    "model": (".onnx", ".safetensors", ".tflite"),
    "set": (".tar", ".csv", ".parquet", ".npy"),
    "foreign": (".pth", ".pdparams"),
    "labels": (".txt", ".tsv"),
    "photo": (
        ".jpg", ".jpeg", ".png", ".gif", ".bmp", ".webp", ".tif", ".tiff", ".ppm", ".jpeg2000",
        ".avif",
    ),
}  # fmt: skip


def _pick_command(rng: Rng, suffix: str) -> str:
    """Pick a command that takes such a file, or, of four cases in one, any command.

    Damage to what a command does not take at all is refused at once, and tells little.
    """
    fitting = [kind for kind, suffixes in KINDS.items() if suffix in suffixes]
    kinds = fitting if fitting and rng.random() < 0.75 else list(COMMANDS)
    return pick(rng, [command for kind in kinds for command in COMMANDS[kind]])


def _command(path: Path, rng: Rng) -> str:
    """Run a command that takes the file in some place; check its code and what it printed."""
    folder, seeds = path.parent, path.parent.parent / "seeds"
    places = {
        "file": path,
        "picture": seeds / "images" / "rgb.jpeg",
        "data": seeds / "calibration",
        "model": seeds / "checkpoints" / "small.safetensors",
        "foreign": seeds / "foreign" / "zip.pth",
        "out": folder / "out",
    }
    words = _pick_command(rng, path.suffix).format(**places).split()
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            code = cli.main(words)
        except SystemExit as usage:
            code = int(usage.code or 0) if not isinstance(usage.code, str) else 1
        finally:
            _remove_written(folder)
    if code not in (0, 1, 2):
        raise WrongAnswer(f"{words}: exit {code}")
    said = out.getvalue() + err.getvalue()
    if "Traceback" in said or "nan%" in said or "\x1b" in out.getvalue():
        raise WrongAnswer(f"{words}: {said[-500:]!r}")
    if code == 1 and not err.getvalue().strip():
        raise WrongAnswer(f"{words}: exit 1 without a word")
    return f"exit {code}"


def _remove_written(folder: Path) -> None:
    """Remove what a command wrote, which the next might refuse to replace."""
    for path in folder.glob("out*"):
        shutil.rmtree(path) if path.is_dir() else path.unlink()


def _any_damage(rng: Rng, source: Path) -> bytes:
    data = source.read_bytes()
    match source.suffix:
        case ".onnx":
            return resealed(damaged_onnx(rng, data))
        case ".safetensors":
            return damaged_safetensors(rng, data)
        case ".pth":
            return damaged_zip(rng, data)
        case ".tar":
            return damaged_tar(rng, data)
    return damaged(rng, data)


def _runtime(runtime: str, kind: str, *, slow: bool = False) -> Door:
    use = _predict_by(runtime, kind)
    return Door(f"{kind} by {runtime}", kind, by(damaged_onnx), use, slow=slow)


_LITERT: tuple[Door, ...] = ()
if find_spec("ai_edge_litert") is not None:
    from litert_files import sealed_again
    from shufflenet.runtimes._litert import read_metadata  # the hash that such a file holds

    _LITERT = (Door("LiteRT", "litert", _damage_litert, _predict_by("litert", "float")),)

_PROGRAMS = tuple(
    Door(f"{kind} programs", f"programs/{kind}", _damage_program, _classify_by(runtime))
    for kind, runtime, packages in (
        ("executorch", "executorch", ("executorch",)),
        ("pt2", "torch", ("torch",)),
        ("wasm", "wasmtime", ("wasmtime", "llvmlite", "ziglang")),
    )
    if all(map(find_spec, packages))
)

DOORS = (
    _runtime("onnxruntime", "float"),
    _runtime("openvino", "float", slow=True),
    _runtime("llvm", "float", slow=True),
    _runtime("onnxruntime", "int8"),
    _runtime("openvino", "int8", slow=True),
    _runtime("llvm", "int8", slow=True),
    Door("float embedded", "float", by(damaged_onnx), _embed),
    Door("int8 embedded", "int8", by(damaged_onnx), _embed),
    *_LITERT,
    *_PROGRAMS,
    Door("packages by coreml-program", "packages", by(damaged), _open_package),
    Door("checkpoints by torch", "checkpoints", by(damaged_safetensors), _use_checkpoint),
    Door("foreign weights", "foreign", _damage_foreign, _convert),
    Door("archives", "archives", _damage_archive, _open_data),
    Door("tables", "tables", by(damaged), _open_data),
    Door("archives in parts", "archives", _damage_archive, _read_parts),
    Door("tables in parts", "tables", by(damaged), _read_parts),
    Door("boxes", "boxes", damage_boxes, open_damaged_boxes),
    Door("detectors", "detectors", damage_detector, find_in_picture),
    Door("images", "images", by(damaged), _decode),
    Door("bands", "bands", by(damaged), _decode_bands),
    Door("servers", "replies", by(damaged), download_from),
    Door("requests", "requests", damage_request, ask_service),
    Door("arrays", "text", by(damaged), _use_arrays),
    Door("commands", "all", _any_damage, _command),
    *([Door("openvino", "openvino", _damage_text, _use_openvino)] if find_spec("openvino") else ()),
    *([Door("ncnn", "ncnn", _damage_text, _use_ncnn)] if find_spec("ncnn") else ()),
)
