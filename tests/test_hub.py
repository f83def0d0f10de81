import hashlib
import json
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import numpy as np
import pytest
import torch
from PIL import Image

import shufflenet
from conftest import with_seeded_weights
from foreign import torch_bytes
from seeded import photo
from shufflenet import zoo
from shufflenet.cli import main
from shufflenet.convert import convert_checkpoint
from shufflenet.errors import CheckpointError, CheckpointMismatch, DownloadError
from shufflenet.files import read_card
from shufflenet.models import create_model, load_model
from shufflenet.preprocess import prepare
from shufflenet.runtimes import top_k
from shufflenet.zoo import WEIGHTS, Weights

NAME = "shufflenet_v2_x0_5.torchvision_in1k"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    """The address at which files of ``tmp_path / "web"`` are served."""
    (tmp_path / "web").mkdir()
    handler = partial(_Quiet, directory=str(tmp_path / "web"))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as running:
        thread = Thread(target=running.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{running.server_port}"
        running.shutdown()


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def published(server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Weights:
    """An entry of the catalogue whose file has random weights and lies on a server here."""
    monkeypatch.setenv("SHUFFLENET_HOME", str(tmp_path / "home"))
    net = with_seeded_weights(create_model("shufflenet_v2_x0_5"))
    content = torch_bytes(net.state_dict())
    entry = replace(
        WEIGHTS[NAME],
        url=f"{server}/weights.pth",
        sha256=hashlib.sha256(content).hexdigest()[:10],
        bytes=len(content),
    )
    (tmp_path / "web" / "weights.pth").write_bytes(content)
    monkeypatch.setitem(WEIGHTS, NAME, entry)
    return entry


def test_predict_takes_a_published_name_downloads_once_and_exports(
    published: Weights, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cat = tmp_path / "cat.png"
    Image.fromarray(photo("cat", 300, 400)).save(cat)
    assert main(["predict", str(cat), "--model", NAME, "--json"]) == 0
    first = json.loads(capsys.readouterr().out)
    (tmp_path / "web" / "weights.pth").unlink()  # from here on nothing is downloaded
    assert main(["predict", str(cat), "--model", NAME, "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == first
    kept = sorted(path.name for path in (tmp_path / "home" / "models").iterdir())
    assert [f"{NAME}.onnx", f"{NAME}.safetensors"] == [n for n in kept if not n.endswith(".lock")]

    net, model = load_model(NAME), shufflenet.open_model(NAME, runtime="onnxruntime")
    pixels = prepare(cat, model.card.preprocess)[None]
    with torch.no_grad():
        expected = net(torch.from_numpy(pixels)).numpy()
    assert np.abs(model.logits(pixels) - expected).max() <= 2e-5 * np.abs(expected).max()
    by_torch = shufflenet.open_model(NAME, runtime="torch")
    assert np.array_equal(by_torch.logits(pixels), expected)
    best = top_k(expected[0], model.card, k=5)
    assert [p["label"] for p in first["predictions"]] == [p.label for p in best]
    assert model.card.published == published.published
    assert model.card.name == NAME
    assert not model.card.preprocess.exif


def test_a_file_of_the_wrong_hash_is_never_parsed_and_not_kept(
    published: Weights, tmp_path: Path
) -> None:
    whole = (tmp_path / "web" / "weights.pth").read_bytes()
    (tmp_path / "web" / "weights.pth").write_bytes(whole[:-1] + b"x")
    with pytest.raises(DownloadError, match="sha256"):
        shufflenet.open_model(NAME, runtime="onnxruntime")
    assert not list((tmp_path / "home").rglob("*.pth"))
    assert not list((tmp_path / "home").rglob("*.safetensors"))


def test_an_offline_machine_is_told_what_to_do(
    published: Weights, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SHUFFLENET_OFFLINE", "1")
    assert main(["export", NAME, "--to", "x.onnx"]) == 1
    assert "SHUFFLENET_OFFLINE is set" in capsys.readouterr().err


def test_a_file_to_download_by_hand_is_named_with_its_place(
    own_cache: Path,
) -> None:
    with pytest.raises(DownloadError) as caught:
        load_model("shufflenet_v2_x1_0_megvii.megvii_in1k")
    for part in ("must be downloaded by hand", "1drv.ms", "pan.baidu.com", "mc24", "put it at",
                 "another name than 'ShuffleNetV2.1.0x.pth.tar'", str(own_cache)):  # fmt: skip
        assert part in str(caught.value)


def test_torchs_int8_files_are_refused_before_anything_is_downloaded(
    fresh_code: Path,
) -> None:
    with pytest.raises(CheckpointError, match="int8 file of torch's own engine"):
        load_model("shufflenet_v2_x0_5.torchvision_in1k_fbgemm")
    assert not list(fresh_code.iterdir())


def test_kept_files_are_checked_by_the_name_in_their_card(
    published: Weights, tmp_path: Path
) -> None:
    shufflenet.open_model(NAME, runtime="onnxruntime")
    folder = tmp_path / "home" / "models"
    onnx_file, checkpoint = folder / f"{NAME}.onnx", folder / f"{NAME}.safetensors"
    assert zoo.SHIPPED.onnx
    assert zoo.SHIPPED.checkpoint
    onnx_file.write_bytes(zoo.SHIPPED.onnx.read_bytes())  # another model
    checkpoint.write_bytes(checkpoint.read_bytes()[:1000])  # cut short
    assert shufflenet.open_model(NAME, runtime="onnxruntime").card.name == NAME
    assert load_model(NAME).spec.classes == 1000
    checkpoint.write_bytes(zoo.SHIPPED.checkpoint.read_bytes())
    assert load_model(NAME).spec.classes == 1000


def test_a_file_of_another_source_is_not_the_published_one(
    published: Weights, tmp_path: Path
) -> None:
    paddle = WEIGHTS["shufflenet_v2_x0_5.paddleclas_in1k"]
    assert not (paddle.sha256)
    assert not (paddle.md5)
    with pytest.raises(CheckpointMismatch, match="the names of torchvision, not of paddleclas"):
        convert_checkpoint(tmp_path / "web" / "weights.pth", weights=paddle)


def test_convert_takes_published_names(
    published: Weights, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    to = tmp_path / "a.safetensors"
    assert main(["convert", NAME, "--to", str(to)]) == 0
    assert read_card(to).name == NAME
    for name, told in (
        ("shufflenet_v2_x1_0", "is a network, without weights"),
        ("shufflenet_v2_x0_5.torchvison_in1k", "Did you mean"),
        ("shufflenet_v2_x0_5.torchvision_in1k_fbgemm", "int8 file of torch's own engine"),
    ):
        assert main(["convert", name, "--to", str(to)]) == 1
        assert told in capsys.readouterr().err


def test_a_cache_that_cannot_be_written_is_one_sentence(
    published: Weights, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "home").write_text("a file where a folder should be")
    assert main(["export", NAME, "--to", str(tmp_path / "a.onnx")]) == 1
    assert capsys.readouterr().err.count("Cannot write") == 1
