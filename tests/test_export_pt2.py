"""Programs of torch.export: what they compute, and that loading a stranger's runs nothing."""

import json
import pickle
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

from conftest import card_for
from random_graphs import gated, quantized, random_model
from shufflenet.errors import ChangedExport, CheckpointError, MayRunCode, SpecError
from shufflenet.export import ExportOptions
from shufflenet.export._fx import ProgramNet
from shufflenet.export._options import Request
from shufflenet.export._pt2 import seal, write
from shufflenet.files import SEAL_KEY, UNSEALED, read_pt2, safe_pt2, write_pt2
from shufflenet.graph import read_program
from shufflenet.runtimes import open_by
from shufflenet.runtimes.pytorch import read_metadata
from shufflenet.spec import CARD_KEY, RUNTIMES, Label
from shufflenet.zoo import find_network

RNG = np.random.default_rng
ROW = RUNTIMES["torch"]
LABELS = tuple(Label(name, name) for name in "abcde")
CARD = replace(card_for(replace(find_network("shufflenet_v2_x0_25"), classes=5)), labels=LABELS)
MODEL, CONFIG = "models/model.json", "data/weights/model_weights_config.json"


def content_of(model: onnx.ModelProto, **options: Any) -> bytes:  # noqa: ANN401
    request = Request(
        card=CARD, metadata={CARD_KEY: CARD.to_json(), SEAL_KEY: UNSEALED}, stem="m",
        precision="float32", size=(21, 18), options=ExportOptions(**options), onnx=b"",
    )  # fmt: skip
    (content,) = seal(write(read_program(model, 1, (21, 18)), request)).values()
    return content


def expected_of(model: onnx.ModelProto, images: np.ndarray) -> np.ndarray:
    session = onnxruntime.InferenceSession(model.SerializeToString())
    return np.asarray(session.run(None, {"images": images})[0])


@pytest.fixture(scope="module")
def program() -> bytes:
    return content_of(random_model(0))


@pytest.fixture(scope="module")
def entries(program: bytes) -> dict[str, bytes]:
    return read_pt2(program)


# --- what is computed ---


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("int8", [False, True])
def test_random_graphs_are_computed_as_by_onnxruntime(
    seed: int, int8: bool, tmp_path: Path
) -> None:
    model = random_model(seed)
    if int8:
        model = quantized(model, tmp_path / "int8.onnx")
    images = RNG(seed).standard_normal((2, 3, 21, 18), np.float32)
    net = ProgramNet(read_program(model, 2, (21, 18))).eval()
    with torch.inference_mode():
        computed = net(torch.from_numpy(images)).numpy()
    expected = expected_of(model, images)
    tolerance = 0.02 if int8 else 2e-6
    assert np.abs(computed - expected).max() <= tolerance * np.abs(expected).max()


@pytest.mark.parametrize("seed", range(3))
def test_gates_and_shuffles_are_computed_as_by_onnxruntime(seed: int) -> None:
    model = gated(seed)
    images = RNG(seed).standard_normal((2, 3, 21, 18), np.float32)
    with torch.inference_mode():
        net = ProgramNet(read_program(model, 2, (21, 18))).eval()
        computed = net(torch.from_numpy(images)).numpy()
    expected = expected_of(model, images)
    assert np.abs(computed - expected).max() <= 2e-6 * np.abs(expected).max()


def test_the_number_of_images_is_free(program: bytes, tmp_path: Path) -> None:
    path = tmp_path / "m.pt2"
    path.write_bytes(program)
    classifier = open_by(ROW, path)
    images = RNG(0).standard_normal((3, 3, 21, 18), np.float32)
    expected = expected_of(random_model(0), images)
    for count in (0, 1, 3):
        computed = classifier.logits(images[:count])
        assert computed.shape == (count, 5)
        np.testing.assert_allclose(computed, expected[:count], atol=1e-5)
    assert classifier.card == CARD
    assert read_metadata(path)[CARD_KEY] == CARD.to_json()
    with pytest.raises(SpecError, match="is '20x21 px', but must be 18x21 px"):
        classifier.logits(np.zeros((1, 3, 21, 20), np.float32))


def test_an_int8_file_for_two_images_fills_up_the_last_batch(tmp_path: Path) -> None:
    model = quantized(random_model(1), tmp_path / "int8.onnx")
    path = tmp_path / "m.pt2"
    path.write_bytes(content_of(model, batch=2))
    images = RNG(0).standard_normal((3, 3, 21, 18), np.float32)
    expected = expected_of(model, images)
    difference = np.abs(open_by(ROW, path).logits(images) - expected).max()
    assert difference <= 0.02 * np.abs(expected).max()
    config = json.loads(read_pt2(path.read_bytes())[CONFIG])["config"]
    kinds = {name.partition("_")[0]: each["tensor_meta"]["dtype"] for name, each in config.items()}
    assert kinds["codes"] == 2  # ScalarType.CHAR: int8


def test_torch_opens_the_file_by_itself(program: bytes, tmp_path: Path) -> None:
    path = tmp_path / "m.pt2"
    path.write_bytes(program)
    texts = {CARD_KEY: ""}
    net = torch.export.load(path, extra_files=texts).module()
    images = RNG(0).standard_normal((2, 3, 21, 18), np.float32)
    computed = net(torch.from_numpy(images)).detach().numpy()
    np.testing.assert_allclose(computed, expected_of(random_model(0), images), atol=1e-5)
    assert texts[CARD_KEY] == CARD.to_json()


# --- what a stranger may have written ---


def in_model(change: Callable[[Any], object]) -> Callable[[dict[str, bytes]], None]:
    def apply(entries: dict[str, bytes]) -> None:
        model = json.loads(entries[MODEL])
        change(model)
        entries[MODEL] = json.dumps(model).encode()

    return apply


def first_node(model: Any) -> Any:  # noqa: ANN401
    return model["graph_module"]["graph"]["nodes"][0]


def with_expression(model: Any) -> None:  # noqa: ANN401
    values = model["graph_module"]["graph"]["tensor_values"]
    name = first_node(model)["outputs"][0]["as_tensor"]["name"]
    values[name]["sizes"][0] = {
        "as_expr": {"expr_str": "__import__('os').getpid()", "hint": {"as_int": 2}}
    }


def pickled(entries: dict[str, bytes]) -> None:
    config = json.loads(entries[CONFIG])
    first = next(iter(config["config"].values()))
    first["use_pickle"] = True
    entries[CONFIG] = json.dumps(config).encode()


def with_pickled_constants(entries: dict[str, bytes]) -> None:
    entries["data/constants/model_constants_config.json"] = json.dumps(
        {"config": {"a": {"path_name": "opaque_obj_0", "is_param": False, "use_pickle": True,
                          "tensor_meta": None}}}
    ).encode()  # fmt: skip


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (
            in_model(lambda model: first_node(model).update(target="torch.ops.aten.from_file")),
            "it has the operation 'torch.ops.aten.from_file'",
        ),
        (
            in_model(lambda model: first_node(model)["metadata"].update(a="b")),
            "it has notes on its operations",
        ),
        (in_model(lambda model: model.update(guards_code=["exit()"])), "it has guards"),
        (in_model(with_expression), 'it has the expression "__import__'),
        (in_model(lambda model: model.pop("graph_module")), "its graph cannot be read"),
        (pickled, "it has pickled weights"),
        (with_pickled_constants, "it has constants beside its weights"),
        (lambda entries: entries.pop(CONFIG), "it lacks data/weights/model_weights_config"),
    ],
)
def test_what_may_run_code_is_not_loaded(
    change: Callable[[dict[str, bytes]], object],
    reason: str,
    entries: dict[str, bytes],
    tmp_path: Path,
) -> None:
    changed = dict(entries)
    change(changed)
    with pytest.raises(ValueError, match=reason):
        safe_pt2(changed)
    path = tmp_path / "m.pt2"
    # Sealed anew, as a stranger can.
    plain = changed | {f"extra/{SEAL_KEY}": UNSEALED.encode()}
    path.write_bytes(seal({"m": write_pt2(plain)})["m"])
    with pytest.raises(MayRunCode, match="loading it may run code"):
        open_by(ROW, path)


class Bomb:
    """What leaves a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        return Path.touch, (self.path,)


def test_what_torch_would_unpickle_or_run_is_left_out(
    entries: dict[str, bytes], tmp_path: Path
) -> None:
    mark, path = tmp_path / "ran", tmp_path / "m.pt2"
    strange = entries | {
        "data/sample_inputs/model.pt": pickle.dumps(Bomb(mark)),
        "data/weights/model.pt": pickle.dumps(Bomb(mark)),
        "data/aotinductor/model/a.so": b"\x7fELF",
        f"extra/{SEAL_KEY}": UNSEALED.encode(),
    }
    path.write_bytes(seal({"m": write_pt2(strange)})["m"])
    images = RNG(0).standard_normal((1, 3, 21, 18), np.float32)
    expected = expected_of(random_model(0), images)
    np.testing.assert_allclose(open_by(ROW, path).logits(images), expected, atol=1e-5)
    assert not mark.exists()


def test_damage_is_found(program: bytes, tmp_path: Path) -> None:
    path = tmp_path / "m.pt2"
    path.write_bytes(program[:-100])
    with pytest.raises(CheckpointError):
        open_by(ROW, path)
    entries = read_pt2(program)
    name = next(each for each in entries if "weight_0" in each)
    entries[name] = bytes(len(entries[name]))
    path.write_bytes(write_pt2(entries))
    with pytest.raises(ChangedExport, match="was damaged or changed"):
        open_by(ROW, path)
    entries = read_pt2(program)
    rng, content = RNG(0), bytearray(program)
    for _ in range(60):
        place = int(rng.integers(0, len(content)))
        content[place] ^= 255
        path.write_bytes(content)
        try:
            same = read_pt2(bytes(content)) == entries  # as where the time of an entry was changed
        except ValueError:
            same = False
        if not same:
            with pytest.raises(CheckpointError):
                open_by(ROW, path)
        content[place] ^= 255
