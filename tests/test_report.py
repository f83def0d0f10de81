import dataclasses
import re
from pathlib import Path
from typing import Any

import pytest

from shufflenet.benchmark import cost
from shufflenet.files import read_card
from shufflenet.report import (
    Row,
    describe_card,
    describe_network,
    describe_preprocess,
    describe_weights,
    format_models_md,
    list_models,
    matches,
)
from shufflenet.spec import NetworkSpec, Preprocess, SearchedStage, Stage
from shufflenet.zoo import DEFAULT, NETWORKS, SHIPPED, WEIGHTS, Weights

MODELS_MD = Path(__file__).parent.parent / "docs" / "models.md"

each_network = pytest.mark.parametrize("spec", NETWORKS.values(), ids=NETWORKS)
each_weights = pytest.mark.parametrize("weights", WEIGHTS.values(), ids=WEIGHTS)


@pytest.fixture(scope="module")
def rows() -> list[Row]:
    return list_models(NETWORKS, WEIGHTS.values(), read_card(str(SHIPPED.checkpoint)), DEFAULT)


@pytest.fixture(scope="module")
def document() -> str:
    return format_models_md(NETWORKS, WEIGHTS.values(), read_card(str(SHIPPED.checkpoint)), DEFAULT)


def cells(document: str, name: str) -> list[list[str]]:
    """The rows of all tables that begin with a name."""
    lines = [line for line in document.splitlines() if line.startswith(f"| `{name}` |")]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]


# What is listed.


def test_every_network_and_checkpoint_has_its_row(rows: list[Row]) -> None:
    assert [row.name for row in rows] == [*NETWORKS, SHIPPED.name, *WEIGHTS]
    assert [row.alias for row in rows if row.alias] == [DEFAULT]


def test_what_is_not_known_is_none(rows: list[Row]) -> None:
    for row in rows:
        assert "" not in dataclasses.astuple(row)
        assert 0 not in (row.bytes, row.parameters, row.multiply_adds, row.memory_access_bytes)


def test_rows_say_how_a_file_is_got(rows: list[Row]) -> None:
    by_hand = {row.source for row in rows if row.get == "by hand"}
    downloads = {row.source for row in rows if row.get == "download"}
    assert by_hand == {"megvii"}
    assert downloads == {"torchvision", "mmpretrain", "paddleclas", "paddlevision", "onnx_zoo"}
    assert [row.name for row in rows if row.get == "in the package"] == [SHIPPED.name]


@each_weights
def test_a_file_is_found_by_what_its_source_calls_it(weights: Weights, rows: list[Row]) -> None:
    for pattern in (weights.filename, weights.filename.upper(), f"*{weights.filename[-9:]}"):
        found = [row.name for row in rows if matches(row, pattern)]
        assert weights.name in found
    assert weights.name in [row.name for row in rows if matches(row, weights.source)]


# What is shown.


@each_network
def test_networks_are_described_whole(spec: NetworkSpec) -> None:
    facts = describe_network(spec, cost(spec), 224)
    assert all(facts.values())
    for number in spec.stem_widths:
        assert re.search(rf"\b{number}\b", facts["stem"])
    stages: tuple[Stage | SearchedStage, ...] = spec.stages
    for number, stage in enumerate(stages, 2):
        expected = f"{stage.repeats} units of {stage.channels} channels"
        assert facts[f"stage {number}"].startswith(expected)
    assert str(spec.head_channels or "average pool") in facts["head"]


def test_different_networks_have_different_descriptions() -> None:
    texts = [describe_network(spec, cost(spec), 224) for spec in NETWORKS.values()]
    described = {tuple((k, v) for k, v in facts.items() if k != "network") for facts in texts}
    assert len(described) == len(NETWORKS)


@each_weights
def test_published_files_are_described_whole(weights: Weights) -> None:
    facts = describe_weights(weights)
    assert all(facts.values())
    text = " ".join(facts.values())
    for field in ("filename", "url", "page", "sha256", "md5", "licence", "labels", "defects"):
        assert getattr(weights, field) in text
    if weights.published:
        assert weights.published.source in facts["published accuracy"]
    if weights.cost:
        assert weights.cost.counts in facts["published cost"]


def test_the_card_of_the_package_is_described_whole() -> None:
    card = read_card(str(SHIPPED.checkpoint))
    assert card.accuracy
    facts = describe_card(card)
    assert f"({card.accuracy.top1} of {card.accuracy.images})" in facts["accuracy"]
    assert facts["trained on"] == card.origin.data


@pytest.mark.parametrize(
    "other",
    [
        {"resize_px": 232},
        {"crop_px": 192},
        {"resizer": "opencv"},
        {"longer_side": "round"},
        {"longer_side": "half-up"},
        {"crop_offset": "floor"},
        {"channels": "bgr"},
        {"value_range": 255},
        {"mean": (0.0, 0.0, 0.0)},
        {"std": (1.0, 1.0, 1.0)},
        {"mean_image": "megvii-imagenet-224"},
        {"exif": False},
    ],
    ids=str,
)
def test_every_field_of_preprocessing_is_described(other: dict[str, Any]) -> None:
    how = Preprocess(resize_px=256, crop_px=224)
    assert describe_preprocess(dataclasses.replace(how, **other)) != describe_preprocess(how)


# The document.


def test_the_document_is_up_to_date_with_the_catalog(document: str) -> None:
    assert MODELS_MD.read_text(encoding="utf-8") == document, "it is not: run `make models`"


# As the sources state them: torchvision 0.28.0; mmpretrain's metafile.yml; PaddleClas's
# ImageNet_models_en.md; ShuffleNetV2/README.md of Megvii, which states errors, as the ONNX model
# zoo's README does.
PUBLISHED = """
    shufflenet_v2_x0_5.torchvision_in1k          60.552  81.746
    shufflenet_v2_x1_0.torchvision_in1k          69.362  88.316
    shufflenet_v2_x1_5.torchvision_in1k          72.996  91.086
    shufflenet_v2_x2_0.torchvision_in1k          76.230  93.006
    shufflenet_v2_x0_5.torchvision_in1k_fbgemm   57.972  79.780
    shufflenet_v2_x1_0.torchvision_in1k_fbgemm   68.360  87.582
    shufflenet_v2_x1_5.torchvision_in1k_fbgemm   72.052  90.700
    shufflenet_v2_x2_0.torchvision_in1k_fbgemm   75.354  92.488
    shufflenet_v1_g3_x1_0.mmpretrain_in1k        68.13   87.81
    shufflenet_v2_x1_0.mmpretrain_in1k           69.55   88.92
    shufflenet_v2_x0_25.paddleclas_in1k          49.90   73.79
    shufflenet_v2_x0_33.paddleclas_in1k          53.73   77.05
    shufflenet_v2_x0_5.paddleclas_in1k           60.32   82.26
    shufflenet_v2_x1_0.paddleclas_in1k           68.80   88.45
    shufflenet_v2_x1_5.paddleclas_in1k           71.63   90.15
    shufflenet_v2_x2_0_224.paddleclas_in1k       73.15   91.20
    shufflenet_v2_x1_0_swish.paddleclas_in1k     70.03   89.17
    shufflenet_v2_x0_5_megvii.megvii_in1k        61.1    82.6   38.9/17.4
    shufflenet_v2_x1_0_megvii.megvii_in1k        69.4    88.9   30.6/11.1
    shufflenet_v2_x1_5_megvii.megvii_in1k        72.6    90.6   27.4/9.4
    shufflenet_v2_x2_0_megvii.megvii_in1k        75.0    92.4   25.0/7.6
    shufflenet_v2_large.megvii_in1k              81.44   95.52  18.56/4.48
    shufflenet_v2_exlarge.megvii_in1k            84.48   97.1   15.52/2.9
    shufflenet_v2_x1_0.onnx_zoo_10               69.36   88.32  30.64/11.68
    shufflenet_v2_x1_0.onnx_zoo_12               66.35   86.57  33.65/13.43
    shufflenet_v2_x1_0.onnx_zoo_12_int8          66.15   86.34  33.85/13.66
"""


@pytest.mark.parametrize("line", PUBLISHED.split("\n")[1:-1], ids=lambda line: line.split()[0])
def test_published_tables_appear_row_for_row(line: str, document: str) -> None:
    name, *expected = line.split()
    (row,) = cells(document, name)
    found = [cell.replace(" ", "") for cell in row[2:5]]
    assert found[: len(expected)] == expected


@pytest.mark.parametrize(
    ("network", "params", "flops"),
    [
        ("shufflenet_v2_x0_25", "0.61 M (+1.0 %)", "18.95 M (+7.8 %)"),
        ("shufflenet_v2_x0_33", "0.65 M (+0.4 %)", "24.04 M (+7.1 %)"),
        ("shufflenet_v2_x2_0_224", "7.40 M (+0.5 %)", "571.70 M (+1.3 %)"),
        ("shufflenet_v2_x1_0", "2.28 M (+0.1 %)", "149 M (+2.8 %)"),
        ("shufflenet_v2_x1_5", "3.503624 M (=)", "296 M (+0.1 %)"),
    ],
)
def test_published_costs_are_beside_ours(
    network: str, params: str, flops: str, document: str
) -> None:
    assert any(row[2] == params and row[4] == flops for row in cells(document, network))


@each_weights
def test_the_document_tells_all_of_every_checkpoint(weights: Weights, document: str) -> None:
    (row,) = cells(document, weights.name)
    assert weights.filename in row[1]
    assert weights.url in row[1]
    assert weights.licence in row
    assert weights.page in document
    flat = re.sub(r"\s+", " ", document)
    assert describe_preprocess(weights.preprocess) in flat
    for text in (weights.defects, weights.cost.counts if weights.cost else ""):
        for sentence in re.split(r"(?<=\.) (?=[A-Z])", text):
            assert sentence in flat


@each_network
def test_the_document_tells_what_every_network_costs(spec: NetworkSpec, document: str) -> None:
    row = cells(document, spec.name)[-1]
    found = cost(spec)
    assert row[-3:] == [
        f"{found.parameters:,}",
        f"{found.multiply_adds / 1e6:,.1f} M",
        f"{found.memory_access_bytes / 1e6:,.1f} MB",
    ]


def test_tables_have_as_many_cells_in_every_row(document: str) -> None:
    for block in document.split("\n\n"):
        if block.startswith("|"):
            assert len({line.count("|") for line in block.splitlines()}) == 1
