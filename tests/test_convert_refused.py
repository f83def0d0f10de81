"""What is refused of a foreign file, and what is remarked on."""

import os
import pickle
import warnings
import zipfile
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from foreign import as_torch, saved, torch_bytes, write
from originals import ORIGINALS, weights
from shufflenet import runtimes
from shufflenet.convert import convert_checkpoint
from shufflenet.errors import (
    CheckpointError,
    CheckpointMismatch,
    ParityError,
    ShuffleNetError,
    UnknownName,
)
from shufflenet.labels import label_set
from shufflenet.spec import Label
from shufflenet.zoo import WEIGHTS

ORIGINAL = next(o for o in ORIGINALS if str(o) == "megvii-v2 0.5x")


class Attack:
    """What runs code when it is unpickled without care."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, ("touch attacked",)


def refused(
    path: Path,
    error: type[ShuffleNetError],
    *parts: str,
    source: str = "auto",
    network: str | None = None,
    labels: list[Label] | None = None,
) -> None:
    with pytest.raises(error) as caught:
        convert_checkpoint(path, source=source, network=network, labels=labels)
    for part in parts:
        assert part in str(caught.value)
    assert "\n" not in str(caught.value)


def test_missing_foreign_and_misshapen_arrays_are_named(tmp_path: Path) -> None:
    arrays = as_torch(weights(ORIGINAL))
    key = "module.features.0.branch_proj.0.weight"
    one = dict(arrays)
    del one[key]
    refused(
        saved({"state_dict": one}, tmp_path),
        CheckpointMismatch,
        "do not fit 'shufflenet_v2_x0_5_megvii'",
        "features.0.branch_proj.0.weight is missing",
    )
    more = arrays | {"module.extra.weight": torch.zeros(3)}
    refused(saved({"state_dict": more}, tmp_path), CheckpointMismatch, "extra.weight is not of")
    other = arrays | {key: torch.zeros(24, 1, 5, 5)}
    refused(
        saved({"state_dict": other}, tmp_path),
        CheckpointMismatch,
        "features.0.branch_proj.0.weight has shape (24, 1, 5, 5), not (24, 1, 3, 3)",
    )


def test_a_file_of_another_family_or_source_is_refused(tmp_path: Path) -> None:
    resnet = {"conv1.weight": torch.zeros(64, 3, 7, 7), "layer1.0.conv1.weight": torch.zeros(1)}
    refused(
        saved(resnet, tmp_path),
        CheckpointError,
        "has names of no known project (conv1.weight, layer1.0.conv1.weight, ...)",
        "torchvision, mmpretrain, paddle, megvii, onnx",
    )
    path = write(ORIGINAL, tmp_path)
    refused(path, CheckpointError, "has the names of megvii, not of paddle", source="paddle")
    refused(path, UnknownName, "No source is called 'torchvison'", source="torchvison")
    refused(path, UnknownName, "Did you mean 'shufflenet_v2_x0_5_megvii'",
            network="shufflenet_v2_x0_5_megvi")  # fmt: skip


def test_other_classes_than_imagenets_need_labels(tmp_path: Path) -> None:
    arrays = as_torch(weights(ORIGINAL))
    arrays["module.classifier.0.weight"] = torch.zeros(1001, 1024)
    path = saved(arrays, tmp_path)
    refused(path, CheckpointError, "has 1001 classes, whose labels are unknown", "--labels FILE")
    few = [Label("a", "ant")]
    refused(path, CheckpointError, "has 1001 classes, but was given 1 label", labels=few)
    labels = [Label(f"c{i}", f"class {i}") for i in range(1001)]
    assert convert_checkpoint(path, labels=labels).checkpoint.card.labels[1000].name == "class 1000"


@pytest.mark.parametrize("name", ["attack.pth", "attack.pdparams"])
def test_a_pickle_that_would_run_code_is_not_run(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / name
    value = {"conv1.0.weight": np.zeros(1, np.float32), "attack": Attack()}
    path.write_bytes(
        pickle.dumps(value) if name.endswith("pdparams") else torch_bytes({"attack": Attack()})
    )
    refused(path, CheckpointError, "holds more than arrays", "posix.system", "nothing in it is run")
    path.write_bytes(pickle.dumps(value))
    refused(path, CheckpointError, "posix.system")
    assert not (tmp_path / "attacked").exists()


def test_damaged_files_are_refused_with_a_sentence(tmp_path: Path) -> None:
    whole = write(ORIGINAL, tmp_path).read_bytes()
    suffixes = (".pth", ".pth.tar", ".pkl", ".pdparams", ".onnx", ".safetensors")
    for suffix in suffixes:
        path = tmp_path / f"damaged{suffix}"
        for content in (b"", b"\x80", b"no weights", whole[: len(whole) // 2], whole[100:]):
            path.write_bytes(content)
            refused(path, CheckpointError)
    refused(tmp_path / "none.pth", CheckpointError, "does not exist")
    refused(tmp_path, CheckpointError, "is a folder")


def test_no_cut_or_flipped_byte_leads_to_more_than_a_sentence(tmp_path: Path) -> None:
    """Where a flip is not noticed it fell on a weight."""
    paddle = next(o for o in ORIGINALS if str(o) == "paddleclas x0_25")
    rng = np.random.default_rng(0)
    path = write(paddle, tmp_path)
    whole = path.read_bytes()
    for _ in range(60):
        content = bytearray(whole[: rng.integers(1, len(whole))])
        content[int(rng.integers(0, min(len(content), 4000)))] = int(rng.integers(0, 256))
        path.write_bytes(content)
        with pytest.raises(ShuffleNetError):
            convert_checkpoint(path)


def test_nan_weights_are_refused(tmp_path: Path) -> None:
    arrays = as_torch(weights(ORIGINAL))
    arrays["module.classifier.0.weight"][3, 4] = float("nan")
    refused(saved(arrays, tmp_path), CheckpointError, "NaN in 'module.classifier.0.weight'")


def test_a_zip_bomb_is_refused_before_it_is_unpacked(tmp_path: Path) -> None:
    path = tmp_path / "bomb.pth"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", pickle.dumps({}))
        archive.writestr("archive/data/0", bytes(50_000_000))
    refused(path, CheckpointError, "compressed")


def test_paddle_networks_of_the_same_shapes_are_told_apart_or_remarked_on(tmp_path: Path) -> None:
    swish = next(o for o in ORIGINALS if str(o) == "paddleclas swish")
    path = write(swish, tmp_path)
    converted = convert_checkpoint(path)
    assert converted.checkpoint.card.network.name == "shufflenet_v2_x1_0_swish"
    assert not any("--network" in remark for remark in converted.remarks)
    plain = path.rename(tmp_path / "weights.pdparams")
    converted = convert_checkpoint(plain)
    assert converted.checkpoint.card.network.name == "shufflenet_v2_x1_0"
    assert "--network shufflenet_v2_x1_0_swish" in converted.remarks[0]
    converted = convert_checkpoint(plain, network="shufflenet_v2_x1_0_swish")
    assert converted.checkpoint.card.network.name == "shufflenet_v2_x1_0_swish"


def test_a_card_tells_how_the_source_prepares_images(tmp_path: Path) -> None:
    card = convert_checkpoint(write(ORIGINAL, tmp_path)).checkpoint.card
    assert (card.preprocess.channels, card.preprocess.value_range) == ("bgr", 255)
    assert card.labels == label_set("imagenet-1k")
    assert card.published is None  # random weights are not the published ones


def test_what_is_assumed_of_an_unknown_file_is_remarked_on(tmp_path: Path) -> None:
    path = write(ORIGINAL, tmp_path)
    assumed = (
        "The catalogue has no file of this hash; images are assumed to be prepared as "
        "for 'shufflenet_v2_x0_5_megvii.megvii_in1k'"
    )
    classes = ", and the classes to be ImageNet's thousand (give others with --labels)"
    assert convert_checkpoint(path).remarks == (f"{assumed}{classes}.",)
    labels = label_set("imagenet-1k")
    assert convert_checkpoint(path, labels=labels).remarks == (f"{assumed}.",)
    known = WEIGHTS["shufflenet_v2_x0_5_megvii.megvii_in1k"]
    assert convert_checkpoint(path, weights=known).remarks == (known.defects,)


def test_an_onnx_file_that_computes_something_else_is_refused(tmp_path: Path) -> None:
    original = next(o for o in ORIGINALS if o.source == "onnxzoo")
    path = write(original, tmp_path)
    assert convert_checkpoint(path, source="onnx").max_abs_difference < 1e-2  # of 2,913
    model = onnx.load(path)
    pools = [node for node in model.graph.node if node.op_type == "AveragePool"]
    attribute = onnx.helper.make_attribute("count_include_pad", 1)
    pools[0].attribute.append(attribute)
    onnx.save(model, path)
    refused(path, ParityError, "differs from the network")


def test_an_int8_file_is_not_taken_for_a_float_one(tmp_path: Path) -> None:
    path = Path(runtimes.__file__).parent / "int8-probe.onnx"
    refused(path, CheckpointError, "computes in int8")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch warns of what is going to be deprecated
        quantised = torch.quantize_per_tensor(torch.ones(2), 0.1, 0, torch.qint8)
        path = saved({"conv1.0.weight": quantised}, tmp_path)
    refused(path, CheckpointError, "is quantized")
