"""Published files, as their authors made them, against what the authors' own code predicts.

The files lie in ``published/`` of the folder that ``SHUFFLENET_DATA`` names, beside the 200 photos
of ``imagenet-samples.tar.gz``, which are probably among the training images: the counts show
agreement, not accuracy. A server on this machine sends a file in place of its authors', and what
follows is what a user's command does: the catalogue's hash is checked, the file is converted and
exported, and a runtime opens the result.
"""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from conftest import Run
from shufflenet.data import open_images, relabel
from shufflenet.errors import CheckpointError, DownloadError
from shufflenet.evaluate import evaluate
from shufflenet.hub import resolve
from shufflenet.labels import class_index
from shufflenet.runtimes import open_by
from shufflenet.spec import RUNTIMES
from shufflenet.zoo import WEIGHTS
from sites import Site, body, running

MEGVII = "shufflenet_v1_g3_x0_5_megvii.megvii_in1k"
PADDLE = "shufflenet_v2_x0_25.paddlevision_in1k"
INT8 = "shufflenet_v2_x1_0.onnx_zoo_12_int8"

# Photos of 200 whose class is the first, and among the first five, by the authors' own code.
COUNTS = {
    MEGVII: (129, 173),  # Megvii's network, OpenCV's resize, BGR, 0 to 255
    PADDLE: (119, 163),  # paddlepaddle 3.3.1, its own transforms
    INT8: (159, 193),  # ONNX Runtime 1.32
}
# Two classes of one photo tie for its fifth place; and the file has full 8-bit weights, whose
# products saturate differently from one processor to the next.
OFF_BY = {INT8: 3}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One cache for all tests, so that each file is converted and exported once."""
    return tmp_path_factory.mktemp("home")


@pytest.fixture
def site(home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    monkeypatch.setenv("SHUFFLENET_HOME", str(home))
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.delenv("SHUFFLENET_OFFLINE", raising=False)
    with running() as site:
        yield site


def publish(name: str, data: Path, home: Path, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the server send a file; one that a person must get is put where the error says."""
    weights = WEIGHTS[name]
    path = data / "published" / weights.filename
    if not (path.exists() and (data / "imagenet-samples.tar.gz").exists()):
        pytest.skip(f"SHUFFLENET_DATA has no {weights.filename}")
    if weights.url:
        monkeypatch.setitem(WEIGHTS, name, replace(weights, url=site.url))
        site.answers.append(body(path.read_bytes()))
    else:
        kept = home / "downloads" / name / weights.filename
        kept.parent.mkdir(parents=True, exist_ok=True)
        kept.write_bytes(path.read_bytes())


@pytest.mark.parametrize(
    ("name", "runtime"),
    [(MEGVII, "onnxruntime"), (MEGVII, "llvm"), (PADDLE, "openvino"), (PADDLE, "torch")],
)
def test_a_published_file_predicts_as_its_authors_code_does(
    name: str,
    runtime: str,
    real_data: Path,
    home: Path,
    site: Site,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pytest.importorskip(RUNTIMES[runtime].package)
    publish(name, real_data, home, site, monkeypatch)
    assert counted(name, runtime, real_data) == COUNTS[name]


def test_the_published_int8_file_is_run_by_onnx_runtime_alone(
    real_data: Path, home: Path, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(INT8, real_data, home, site, monkeypatch)
    both = zip(counted(INT8, "onnxruntime", real_data), COUNTS[INT8], strict=True)
    assert all(abs(ours - theirs) <= OFF_BY[INT8] for ours, theirs in both)
    for runtime in ("openvino", "llvm"):
        pytest.importorskip(RUNTIMES[runtime].package)
        with pytest.raises(CheckpointError, match="ONNX Runtime|onnxruntime"):
            counted(INT8, runtime, real_data)
    with pytest.raises(CheckpointError, match="is an int8 file, which cannot be converted"):
        counted(INT8, "torch", real_data)


@pytest.mark.parametrize(
    "words", ["export FILE --to a.tflite", "compile FILE --to a.o", "quantize FILE --to a.onnx"]
)
def test_what_the_published_int8_file_is_no_source_of_says_so(
    words: str, run: Run, real_data: Path, class_folders: Path, tmp_path: Path
) -> None:
    file = real_data / "published" / WEIGHTS[INT8].filename
    if not file.exists():
        pytest.skip("the published file is not there")
    command, _, option, to = words.split()
    data = ["--data", class_folders] if command == "quantize" else []
    code, _, err = run(command, file, *data, option, tmp_path / to)
    assert code == 1
    assert "is of ONNX operator set 12; only from 13 on is a file read as layers" in err
    assert "begin with the float network that it was made from: shufflenet convert" in err


def counted(name: str, runtime: str, data: Path) -> tuple[int, int]:
    """Return how many of the photos a runtime answers right, and among the first five."""
    path = resolve(name, RUNTIMES[runtime].suffixes)
    classifier = open_by(RUNTIMES[runtime], Path(path), threads=1)
    labels = [label.id for label in classifier.card.labels]
    images = open_images(data / "imagenet-samples.tar.gz")
    counts = evaluate(classifier, relabel(images, labels, class_index(classifier.card.labels)))
    assert counts.images == 200
    return counts.top1, counts.top5


def test_a_name_is_all_that_the_command_needs(
    run: Run, real_data: Path, home: Path, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(PADDLE, real_data, home, site, monkeypatch)
    photos = real_data / "imagenet-samples.tar.gz"
    code, out, _ = run("evaluate", "--data", photos, "--model", PADDLE, "--json")
    assert code == 0
    told = json.loads(out)
    assert (told["top1"], told["top5"]) == COUNTS[PADDLE]


def test_another_file_than_the_published_one_is_refused(
    real_data: Path, tmp_path: Path, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One flipped bit of a weight is enough."""
    monkeypatch.setenv("SHUFFLENET_HOME", str(tmp_path))
    publish(PADDLE, real_data, tmp_path, site, monkeypatch)
    content = bytearray((real_data / "published" / WEIGHTS[PADDLE].filename).read_bytes())
    content[-1000] ^= 1
    site.answers[:] = [body(bytes(content))]
    with pytest.raises(DownloadError, match="has the md5 .*, not 1e509b4c140eeb096bb16e214796d03b"):
        resolve(PADDLE, (".safetensors",))
    assert not [path for path in tmp_path.rglob("*.pdparams*") if path.suffix != ".lock"]
