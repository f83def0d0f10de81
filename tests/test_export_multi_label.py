"""What exported files say of probabilities that are each a sigmoid."""

from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("onnx")

from conftest import card_for, with_seeded_weights
from shufflenet import open_model
from shufflenet.export import export_file
from shufflenet.networks import build
from shufflenet.zoo import NETWORKS


@pytest.mark.parametrize("suffix", [".onnx", ".mlpackage"])
def test_a_file_of_a_multi_label_network_keeps_its_task(suffix: str, tmp_path: Path) -> None:
    net = with_seeded_weights(build(replace(NETWORKS["shufflenet_v2_x0_25"], classes=3))).eval()
    card = replace(card_for(net.spec), task="multi-label")
    path = tmp_path / f"a{suffix}"
    export_file(net, card, path)
    model = open_model(path)
    assert model.card == card
    if suffix == ".mlpackage":
        program = next(path.rglob("*.mlmodel")).read_bytes()
        assert b"softmax" not in program
        assert b"before the sigmoid" in program
