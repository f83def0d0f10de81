"""How often files are opened: a session a file at most, and parsed at most once."""

import hashlib
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import onnx
import onnxruntime
import pytest

import shufflenet
from conftest import Run, card_for, with_seeded_weights
from foreign import onnx_zoo_v1
from originals import ORIGINALS, weights
from shufflenet.files import Checkpoint, write_checkpoint
from shufflenet.hub import CHECKPOINT, ONNX, cache_path, resolve
from shufflenet.models import create_model
from shufflenet.networks import state_arrays
from shufflenet.zoo import SHIPPED, WEIGHTS, published_card

NAME = "shufflenet_v2_x0_5.torchvision_in1k"


class Opens:
    """How often each file was opened as a session, and how often parsed by ``onnx``."""

    def __init__(self) -> None:
        self.sessions: Counter[str] = Counter()
        self.parsed: Counter[str] = Counter()


@pytest.fixture
def opens(monkeypatch: pytest.MonkeyPatch) -> Opens:
    counted = Opens()
    load: Callable[..., onnx.ModelProto] = onnx.load

    class Session(onnxruntime.InferenceSession):  # type: ignore[misc]  # it has no types
        def __init__(self, source: object, *arguments: object, **options: object) -> None:
            counted.sessions[_name(source)] += 1
            super().__init__(source, *arguments, **options)

    def load_counted(source: object, *arguments: object, **options: object) -> onnx.ModelProto:
        counted.parsed[_name(source)] += 1
        return load(source, *arguments, **options)

    monkeypatch.setattr(onnxruntime, "InferenceSession", Session)
    for name in ("load", "load_model"):
        monkeypatch.setattr(onnx, name, load_counted)
    return counted


def _name(source: object) -> str:
    """A file's path; a model in memory counts by its content."""
    if isinstance(source, bytes):
        return hashlib.sha256(source).hexdigest()
    return str(source)


@pytest.fixture
def kept(monkeypatch: pytest.MonkeyPatch) -> Path:
    """Published weights that were downloaded and converted before, but not exported yet."""
    monkeypatch.setenv("SHUFFLENET_OFFLINE", "1")
    net = with_seeded_weights(create_model("shufflenet_v2_x0_5"))
    checkpoint = cache_path(NAME, CHECKPOINT)
    write_checkpoint(checkpoint, Checkpoint(published_card(WEIGHTS[NAME]), state_arrays(net)))
    return checkpoint


def test_a_published_model_is_opened_once(kept: Path, opens: Opens) -> None:
    exported = resolve(NAME, (ONNX,))
    assert exported == kept.with_suffix(".onnx")
    assert opens.sessions[str(exported)] == 0  # what is written was compared from memory
    opens.sessions.clear()
    assert shufflenet.open_model(NAME, runtime="onnxruntime").card.name == NAME
    assert opens.sessions == {str(exported): 1}
    assert not opens.parsed
    assert resolve(NAME, (CHECKPOINT,)) == kept
    assert opens.sessions.total() == 1


def test_predict_opens_its_file_once(class_folders: Path, run: Run, opens: Opens) -> None:
    image = class_folders / "red" / "0.png"
    model = ("--model", SHIPPED.onnx, "--runtime", "onnxruntime")  # "auto" may take kept code
    assert run("predict", image, *model)[0] == 0
    assert opens.sessions == {str(SHIPPED.onnx): 1}
    assert not opens.parsed


def test_show_opens_no_session(run: Run, opens: Opens) -> None:
    assert run("show", SHIPPED.onnx)[0] == 0
    assert not opens.sessions
    assert not opens.parsed


def test_converting_an_onnx_file_parses_it_once(tmp_path: Path, run: Run, opens: Opens) -> None:
    path = tmp_path / "shufflenet-9.onnx"
    original = next(o for o in ORIGINALS if o.source == "onnxzoo")
    onnx.save(onnx_zoo_v1(weights(original)), path)
    code, _, err = run("convert", path, "--to", tmp_path / "a.safetensors")
    assert code == 0, err
    assert opens.parsed[str(path)] == 1
    assert opens.sessions.total() == 1


def test_a_card_says_that_a_file_is_kept(kept: Path) -> None:
    """A checkpoint under the name of another model is not taken for it."""
    card = replace(card_for(create_model("shufflenet_v2_x0_5").spec), name="other")
    net = create_model("shufflenet_v2_x0_5")
    write_checkpoint(kept, Checkpoint(card, state_arrays(net)))
    with pytest.raises(shufflenet.errors.DownloadError, match="SHUFFLENET_OFFLINE"):
        resolve(NAME, (CHECKPOINT,))
