"""``list`` and ``show`` of what the catalogue knows."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from conftest import Run
from shufflenet.zoo import NETWORKS, SHIPPED, WEIGHTS


def listed(run: Run, *arguments: object) -> dict[str, dict[str, Any]]:
    code, out, _ = run("list", *arguments, "--json")
    assert code == 0
    return {row["name"]: row for row in json.loads(out)}


def test_list_names_networks_and_checkpoints(run: Run) -> None:
    by_name = listed(run)
    assert by_name.keys() == {*NETWORKS, SHIPPED.name, *WEIGHTS}
    assert by_name["shufflenet_v2_x1_0"]["parameters"] == 2_278_604
    assert by_name["shufflenet_v2_x1_0"]["source"] is None
    shipped = by_name["shufflenet_v2_x1_0.tiny_imagenet_200"]
    assert shipped["network"] == "shufflenet_v2_x1_0"
    assert shipped["alias"] == "default"
    assert 0 < shipped["top1_percent"] < 100
    published = by_name["shufflenet_v2_x1_0.torchvision_in1k"]
    assert published == {
        "name": "shufflenet_v2_x1_0.torchvision_in1k",
        "network": "shufflenet_v2_x1_0",
        "source": "torchvision",
        "parameters": 2_278_604,
        "multiply_adds": 144_907_992,
        "memory_access_bytes": 25_000_352,
        "image_px": 224,
        "alias": None,
        "filename": "shufflenetv2_x1-5666bf0f80.pth",
        "get": "download",
        "url": "https://download.pytorch.org/models/shufflenetv2_x1-5666bf0f80.pth",
        "page": published["page"],
        "sha256": "5666bf0f80d1e7f8fb61f6a65742b9c27c37f3208c1f087cdcd7c1ec1aa8b848",
        "md5": None,
        "bytes": 9_218_294,
        "licence": "BSD-2-Clause",
        "top1_percent": 69.362,
        "top5_percent": 88.316,
        "published_in": published["published_in"],
        "quantised": False,
        "defects": None,
    }


def test_list_prints_a_table_a_source(run: Run) -> None:
    code, out, err = run("list")
    assert (code, err) == (0, "")
    assert "networks (48)\n" in out
    assert "checkpoints of torchvision (8)\n" in out
    lines = {line.split()[0].rstrip(","): line.split()[1:] for line in out.splitlines() if line}
    assert {*NETWORKS, SHIPPED.name, *WEIGHTS} <= lines.keys()
    assert lines["shufflenet_v2_x2_0.torchvision_in1k"] == [
        *("7.39", "583.3", "76.230", "93.006", "BSD-3-Clause", "download"),
        "shufflenetv2_x2_0-8be3c8ee.pth",
    ]
    marked = lines["shufflenet_v2_x1_0_megvii.megvii_in1k"]
    assert marked == ["2.28", "145.8", "69.4", "88.9", "MIT", "by", "hand", "!", marked[-1]]
    assert out.endswith("! has a known defect or doubt: `shufflenet show NAME` explains it.\n")


@pytest.mark.parametrize(
    ("arguments", "names"),
    [
        (["shufflenetv2_x1-5666bf0f80.pth"], ["shufflenet_v2_x1_0.torchvision_in1k"]),
        (["ShuffleNetV2_x1_0_pre"], ["shufflenet_v2_x1_0.paddleclas_in1k"]),
        (["ShuffleNetV2.1.0x.pth"], ["shufflenet_v2_x1_0_megvii.megvii_in1k"]),
        (["ShuffleNetV2+ large", "--networks"], ["shufflenet_v2_plus_large"]),
        (["paddlevision v2 1.5x"], ["shufflenet_v2_x1_5.paddlevision_in1k"]),
        (
            ["torchvision ShuffleNetV2 x1.5"],
            [
                "shufflenet_v2_x1_5.torchvision_in1k",
                "shufflenet_v2_x1_5.torchvision_in1k_fbgemm",
            ],
        ),
        (["shufflenet-v2-12-int8.onnx"], ["shufflenet_v2_x1_0.onnx_zoo_12_int8"]),
        (["paddlevision", "swish"], ["shufflenet_v2_x1_0_swish.paddlevision_in1k"]),
        (["default"], ["shufflenet_v2_x1_0.tiny_imagenet_200"]),
        (["*x0_33", "--networks"], ["shufflenet_v2_x0_33"]),
        (["v2_50", "--networks"], ["shufflenet_v2_50"]),
    ],
)
def test_list_finds_by_any_name(run: Run, arguments: list[str], names: list[str]) -> None:
    assert list(listed(run, *arguments)) == names


def test_list_takes_no_punctuation_for_a_name(run: Run) -> None:
    assert listed(run, "v2 1.0x") == listed(run, "v2_x1_0") == listed(run, "X1.0", "ShuffleNetV2")
    assert run("list", "...")[0] == 1


def test_list_leaves_networks_or_checkpoints_out(run: Run) -> None:
    assert listed(run, "--networks").keys() == NETWORKS.keys()
    assert listed(run, "--checkpoints").keys() == {SHIPPED.name, *WEIGHTS}
    assert len(listed(run, "megvii")) == 36
    assert len(listed(run, "megvii", "--checkpoints")) == 24


def test_list_says_when_nothing_is_found(run: Run) -> None:
    told = "No entry matches 'mobilenet'. `shufflenet list` prints all entries.\n"
    assert run("list", "mobilenet") == (1, "", told)
    assert run("list", "mobilenet", "--json") == (1, "[]\n", told)


@pytest.mark.parametrize(("columns", "shown"), [(100, False), (200, True)])
def test_list_names_files_where_they_fit(
    run: Run, monkeypatch: pytest.MonkeyPatch, columns: int, shown: bool
) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", str(columns))
    assert ("shufflenetv2_x1-5666bf0f80.pth" in run("list", "5666bf0f80")[1]) is shown


@pytest.mark.parametrize("name", ["shufflenet_v2_x1_0.torchvision_in1k", "shufflenet_v2_x1_0"])
def test_show_needs_neither_torch_nor_the_internet(
    run: Run, monkeypatch: pytest.MonkeyPatch, fresh_code: Path, name: str
) -> None:
    monkeypatch.setattr("socket.socket.connect", None)
    monkeypatch.setitem(sys.modules, "torch", None)
    assert run("show", name)[0] == 0
    assert list(fresh_code.iterdir()) == []


def test_show_describes_a_published_checkpoint(run: Run) -> None:
    name = "shufflenet_v2_x1_0_megvii.megvii_in1k"
    code, out, _ = run("show", name, "--json")
    shown = json.loads(out)
    assert code == 0
    assert (shown["name"], shown["image_px"], shown["card"]) == (name, 224, None)
    assert shown["parameters"] == 2_278_760
    assert shown["network"]["split"] == "even-odd"
    assert shown["weights"]["preprocess"]["channels"] == "bgr"
    assert shown["weights"]["cost"]["flops_millions"] == 146
    (row,) = listed(run, name).values()
    unknown = {"url": None, "sha256": None, "md5": None, "bytes": None}
    assert unknown.items() <= shown["weights"].items()
    assert set(shown["weights"]) == {
        *("name", "network", "source", "filename", "licence", "preprocess", "url", "page"),
        *("mirror", "sha256", "md5", "bytes", "published", "cost", "labels", "quantised"),
        *("runs", "gives", "defects"),
    }
    assert unknown.items() <= row.items()
    out = " ".join(run("show", name)[1].split())
    assert "stated, as errors of 30.6 / 11.1, in megvii-model/ShuffleNet-Series" in out
    assert "BGR, EXIF tag ignored; shorter side resized to 256 px by OpenCV" in out
    assert "It must be downloaded by hand" in out


@pytest.mark.parametrize("name", [*NETWORKS, *WEIGHTS])
def test_show_describes_everything_that_is_listed(run: Run, name: str) -> None:
    code, out, err = run("show", name)
    assert (code, err) == (0, "")
    assert out.splitlines()[0].split() == ["name", name]
    assert "None" not in out
    assert max(len(line) for line in out.splitlines() if "https://" not in line) <= 100


def test_show_describes_a_network(run: Run) -> None:
    code, out, _ = run("show", "shufflenet_v2_x0_5", "--json")
    shown = json.loads(out)
    assert code == 0
    assert shown["parameters"] == 1_366_792
    assert shown["multiply_adds"] == 40_476_448
    assert shown["memory_access_bytes"] > 0
    assert shown["card"] is None
    code, out, _ = run("show", "shufflenet_v2_x0_5", "--size", 112)
    assert "at 112 px" in out
    code, out, _ = run("show", "shufflenet_v2_x0_5", "--size", "64,128", "--json")
    assert (code, json.loads(out)["image_px"]) == (0, [64, 128])
