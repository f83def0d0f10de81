import pickle
import re
from collections import Counter
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from shufflenet.benchmark import cost
from shufflenet.errors import CheckpointError, NoWeights, SpecError, UnknownName
from shufflenet.zoo import NETWORKS, SHIPPED, WEIGHTS, Weights, find_network, find_weights

each = pytest.mark.parametrize("weights", WEIGHTS.values(), ids=WEIGHTS)


def test_every_network_is_found_by_its_name() -> None:
    assert all(find_network(name).name == name for name in NETWORKS)


def test_an_unknown_network_suggests_the_nearest() -> None:
    with pytest.raises(UnknownName, match="Did you mean 'shufflenet_v2_x1_0'"):
        find_network("shufflenet_v2_x10")


def test_weights_are_found_by_name_and_by_file() -> None:
    assert find_weights("default") is SHIPPED
    assert find_weights(SHIPPED.name) is SHIPPED
    assert find_weights("a/b.onnx").onnx == Path("a/b.onnx")
    assert find_weights("a/b.safetensors").checkpoint == Path("a/b.safetensors")


def test_the_shipped_files_lie_in_the_package_and_stay_below_6_mb() -> None:
    assert SHIPPED.onnx
    assert SHIPPED.checkpoint
    assert SHIPPED.onnx.stat().st_size + SHIPPED.checkpoint.stat().st_size <= 6_000_000


def test_what_has_no_weights_says_so(tmp_path: Path) -> None:
    with pytest.raises(NoWeights) as caught:
        find_weights("shufflenet_v2_x1_0")
    assert str(caught.value) == (
        "'shufflenet_v2_x1_0' is a network, without weights. Name weights of it, such as "
        "'shufflenet_v2_x1_0.torchvision_in1k': shufflenet list shufflenet_v2_x1_0."
    )
    with pytest.raises(CheckpointError, match=r"is called 'shufflenet_v2_x1_0.torchvision_in1k'"):
        find_weights("shufflenetv2_x1-5666bf0f80.pth")
    with pytest.raises(SpecError, match="'shufflenet_v2_x1_0', of which that is a checkpoint"):
        find_network("shufflenet_v2_x1_0.torchvision_in1k")
    with pytest.raises(NoWeights, match="Train it: shufflenet train --help"):
        find_weights("shufflenet_v2_50")
    with pytest.raises(UnknownName, match="No model is called 'defualt'. Did you mean 'default'"):
        find_weights("defualt")
    (tmp_path / "a.pth").write_bytes(pickle.dumps({}, protocol=2))
    with pytest.raises(
        CheckpointError, match=r"Convert it: shufflenet convert .*a.pth --to a.safetensors"
    ):
        find_weights(tmp_path / "a.pth")
    (tmp_path / "best.safetensors").touch()
    assert find_weights(tmp_path).checkpoint == tmp_path / "best.safetensors"  # a run


def test_every_published_checkpoint_is_here() -> None:
    assert Counter((w.source, w.quantized) for w in WEIGHTS.values()) == {
        ("torchvision", False): 4,
        ("torchvision", True): 4,
        ("mmpretrain", False): 2,
        ("paddleclas", False): 7,
        ("paddlevision", False): 7,
        ("megvii", False): 24,
        ("onnx_zoo", False): 7,
        ("onnx_zoo", True): 2,
    }


@each
def test_checkpoints_are_named_after_network_source_and_data(weights: Weights) -> None:
    network, tag = weights.name.split(".")
    assert WEIGHTS[weights.name] is weights
    assert network == weights.network
    assert network in NETWORKS
    assert tag.startswith(weights.source)
    assert re.fullmatch(r"[a-z]+_in1k(_fbgemm)?|onnx_zoo_\d+(_int8|_qdq)?", tag)


@each
def test_checkpoints_state_where_to_get_them(weights: Weights) -> None:
    assert urlsplit(weights.page).scheme == "https"
    if weights.source == "megvii":
        assert not weights.url
        assert "by hand" in weights.defects
    else:
        assert urlsplit(weights.url).scheme == "https"
        assert weights.url.endswith(f"/{weights.filename}")


@each
def test_hashes_are_hexadecimal_and_as_long_as_published(weights: Weights) -> None:
    lengths = {"torchvision": (8, 10, 64), "mmpretrain": (8,), "onnx_zoo": (64,)}
    assert re.fullmatch("[0-9a-f]*", weights.sha256 + weights.md5)
    assert len(weights.sha256) in lengths.get(weights.source, (0,))
    assert len(weights.md5) == (32 if weights.source == "paddlevision" else 0)
    assert (weights.bytes > 1_000_000) or weights.bytes == 0


def test_no_two_checkpoints_are_one_file() -> None:
    for field in ("url", "sha256", "md5"):
        known = [getattr(w, field) for w in WEIGHTS.values() if getattr(w, field)]
        assert len(known) == len(set(known))


@each
def test_what_is_published_is_possible_and_has_its_source(weights: Weights) -> None:
    if weights.published:
        assert 40 < weights.published.top1_percent < weights.published.top5_percent < 100
        assert re.search(r" (at [0-9a-f]{7,}|\d+\.\d+\.\d+), .*\.", weights.published.source)
    if weights.cost:
        assert 0.5 < weights.cost.params_millions < 300
        assert 10 < weights.cost.flops_millions < 50_000
        assert re.search(r" (at [0-9a-f]{7,}|\d+\.\d+\.\d+), .*\.", weights.cost.source)
        assert weights.cost.counts.endswith(".")


@each
def test_texts_for_users_are_sentences(weights: Weights) -> None:
    assert re.fullmatch(r"([A-Z].*\.)?", weights.defects)
    assert weights.licence in {"Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "MIT"}


def test_checkpoints_without_accuracy_are_those_whose_authors_state_none() -> None:
    without = {w.name.split(".")[1] for w in WEIGHTS.values() if w.published is None}
    opsets = {f"onnx_zoo_{opset}" for opset in (3, 6, 7, 8, 9)}
    assert without == {"paddlevision_in1k"} | opsets


PUBLISHED = [
    ("shufflenet_v2_x0_5.torchvision_in1k", 60.552, 81.746),
    ("shufflenet_v2_x1_0.torchvision_in1k", 69.362, 88.316),
    ("shufflenet_v2_x1_5.torchvision_in1k", 72.996, 91.086),
    ("shufflenet_v2_x2_0.torchvision_in1k", 76.230, 93.006),
    ("shufflenet_v2_x0_5.torchvision_in1k_fbgemm", 57.972, 79.780),
    ("shufflenet_v2_x1_0.torchvision_in1k_fbgemm", 68.360, 87.582),
    ("shufflenet_v2_x1_5.torchvision_in1k_fbgemm", 72.052, 90.700),
    ("shufflenet_v2_x2_0.torchvision_in1k_fbgemm", 75.354, 92.488),
    ("shufflenet_v1_g3_x1_0.mmpretrain_in1k", 68.13, 87.81),
    ("shufflenet_v2_x1_0.mmpretrain_in1k", 69.55, 88.92),
    ("shufflenet_v2_x0_25.paddleclas_in1k", 49.90, 73.79),
    ("shufflenet_v2_x0_33.paddleclas_in1k", 53.73, 77.05),
    ("shufflenet_v2_x0_5.paddleclas_in1k", 60.32, 82.26),
    ("shufflenet_v2_x1_0.paddleclas_in1k", 68.80, 88.45),
    ("shufflenet_v2_x1_5.paddleclas_in1k", 71.63, 90.15),
    ("shufflenet_v2_x2_0_224.paddleclas_in1k", 73.15, 91.20),
    ("shufflenet_v2_x1_0_swish.paddleclas_in1k", 70.03, 89.17),
    ("shufflenet_v2_x0_5_megvii.megvii_in1k", 61.1, 82.6),
    ("shufflenet_v2_x1_0_megvii.megvii_in1k", 69.4, 88.9),
    ("shufflenet_v2_x1_5_megvii.megvii_in1k", 72.6, 90.6),
    ("shufflenet_v2_x2_0_megvii.megvii_in1k", 75.0, 92.4),
    ("shufflenet_v2_large.megvii_in1k", 81.44, 95.52),
    ("shufflenet_v2_x1_0.onnx_zoo_10", 100 - 30.64, 100 - 11.68),
    ("shufflenet_v2_x1_0.onnx_zoo_12", 100 - 33.65, 100 - 13.43),
    ("shufflenet_v2_x1_0.onnx_zoo_12_int8", 100 - 33.85, 100 - 13.66),
]


@pytest.mark.parametrize(("name", "top1", "top5"), PUBLISHED)
def test_the_published_tables_are_reproduced(name: str, top1: float, top5: float) -> None:
    published = WEIGHTS[name].published
    assert published
    assert (published.top1_percent, published.top5_percent) == pytest.approx((top1, top5), abs=1e-9)


@pytest.mark.parametrize(
    ("width", "resize_px"), [("x0_5", 256), ("x1_0", 256), ("x1_5", 232), ("x2_0", 232)]
)
def test_torchvision_resizes_its_wider_networks_less(width: str, resize_px: int) -> None:
    for tag in ("torchvision_in1k", "torchvision_in1k_fbgemm"):
        assert WEIGHTS[f"shufflenet_v2_{width}.{tag}"].preprocess.resize_px == resize_px


@each
def test_every_source_prepares_images_its_own_way(weights: Weights) -> None:
    way = weights.preprocess
    megvii, paddle = weights.source == "megvii", weights.source.startswith("paddle")
    assert way.crop_px == 224
    assert way.resizer == ("opencv" if megvii or paddle else "pillow")
    assert way.longer_side == ("half-up" if megvii else "round" if paddle else "floor")
    assert way.crop_offset == ("floor" if paddle else "round")
    assert way.channels == ("bgr" if megvii else "rgb")
    assert way.value_range == (255 if megvii or weights.source == "mmpretrain" else 1)
    assert way.exif == (paddle or weights.source == "mmpretrain")
    assert bool(way.mean_image) == (weights.network == "shufflenet_v2_large")


PLAINLY_COUNTED = [
    weights
    for weights in WEIGHTS.values()
    if weights.source in ("torchvision", "megvii")
    and not re.search("detnas|large[.]megvii", weights.name.replace("plus_large", "plus"))
]


@pytest.mark.parametrize("weights", PLAINLY_COUNTED, ids=lambda weights: weights.name)
def test_what_is_plainly_counted_is_what_the_network_costs(weights: Weights) -> None:
    found = cost(find_network(weights.network))
    exact = weights.source == "torchvision"
    assert weights.cost
    # Megvii rounds 137.5 to 138 and 40.5 to 41, and cuts parameters off after the first digit.
    assert weights.cost.flops_millions == pytest.approx(found.multiply_adds / 1e6, abs=0.55)
    assert weights.cost.params_millions == pytest.approx(
        found.parameters / 1e6, abs=1e-9 if exact else 0.1
    )
